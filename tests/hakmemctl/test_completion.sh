#!/bin/bash
# SPDX-License-Identifier: MIT
# Completion in bash offers every command and every option that the help texts have, the names of
# hakmem's options, units, and processes that run on hakmem.
set -uo pipefail
export LC_ALL=C
top=${top_srcdir:-.}
build=$(cd "${top_builddir:-.}" && pwd)
ctl=$build/src/hakmemctl/hakmemctl
run=$build/src/hakmemctl/hakmem-run
[ -x "$ctl" ] || { echo "hakmemctl was not built"; exit 77; }
# its shadow does not fit beside every layout of the address space, and the tool is run many times
[ "${SANITIZER:-no}" != thread ] || { echo "not under the thread sanitizer"; exit 77; }
work=$(mktemp -d)
trap 'kill "${served:-}" 2>/dev/null; rm -rf "$work"' EXIT
failed=0
count=0

# systemd of this test: two services that run, one that does not
cat >"$work/systemctl" <<'FAKE'
#!/bin/sh
case "$*" in
*--user*list-units*) echo "mine.service loaded active running" ;;
*list-units*) printf '%s\n' "redis-server.service loaded active running Redis" "nginx.service loaded active running" ;;
*list-unit-files*) echo "postgresql@.service disabled enabled" ;;
esac
FAKE
chmod +x "$work/systemctl"
PATH=$work:$PATH

compopt() { :; } # only readline has options to set
# shellcheck source=src/hakmemctl/completion/hakmemctl
. "$top/src/hakmemctl/completion/hakmemctl"
# shellcheck source=src/hakmemctl/completion/hakmem-run
. "$top/src/hakmemctl/completion/hakmem-run"

# offered FUNCTION WORD...: what is offered for the last word
offered() {
    local function=$1
    shift
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    COMPREPLY=()
    "$function" "$1" 2>"$work/errors"
    printf '%s\n' "${COMPREPLY[@]}"
}

# has WORD FUNCTION LINE...; has_not likewise
has() {
    local word=$1
    shift
    count=$((count + 1))
    offered "$@" >"$work/offered"
    grep -qxF -e "$word" "$work/offered" || { echo "not true: '${*:2}' offers $word; it offers: $(tr '\n' ' ' <"$work/offered")"; failed=1; }
    [ ! -s "$work/errors" ] || { cat "$work/errors"; failed=1; }
}
has_not() {
    local word=$1
    shift
    count=$((count + 1))
    offered "$@" >"$work/offered"
    ! grep -qxF -e "$word" "$work/offered" || { echo "not true: '${*:2}' does not offer $word"; failed=1; }
}

# every command of the help, and every option of the help of each
commands=$("$ctl" --help | sed -n 's/^  \([a-z][a-z-]*\)  *.*/\1/p')
[ "$(wc -w <<<"$commands")" -gt 4 ] || { echo "the help names no commands: $commands"; failed=1; }
for command in $commands; do
    has "$command" _hakmemctl "$ctl" ""
    has "$command" _hakmemctl "$ctl" "${command:0:2}"
    for option in $("$ctl" "$command" --help | grep -oE -- '(^|[ [|])--[a-z][a-z-]+' | tr -d ' [|') --help; do
        has "$option" _hakmemctl "$ctl" "$command" --
        has "$option" _hakmemctl "$ctl" "$command" "$option"
    done
done
has_not list _hakmemctl "$ctl" s
has --version _hakmemctl "$ctl" --v

# units
for command in enable disable status; do
    has redis-server.service _hakmemctl "$ctl" $command ""
    has redis-server.service _hakmemctl "$ctl" $command re
    has_not nginx.service _hakmemctl "$ctl" $command re
    has postgresql@.service _hakmemctl "$ctl" $command --user po
    has mine.service _hakmemctl "$ctl" $command --user m
done
has nginx.service _hakmemctl "$ctl" enable --wait 5 --now ""
has_not nginx.service _hakmemctl "$ctl" enable --wait ""
has_not nginx.service _hakmemctl "$ctl" enable redis-server.service ""

# processes
if [ "${SANITIZER:-no}" = no ]; then
    LD_PRELOAD=$build/.libs/libhakmem.so.1 sleep 100 &
    served=$!
    for _ in $(seq 100); do
        ! grep -q libhakmem "/proc/$served/maps" || break
        sleep 0.1
    done
    has "$served" _hakmemctl "$ctl" doctor ""
    has sleep _hakmemctl "$ctl" doctor sl
    has_not "$$" _hakmemctl "$ctl" doctor ""
fi

# hakmem-run
has --set _hakmem_run "$run" --s
has --library _hakmem_run "$run" --
has purge_delay= _hakmem_run "$run" --set pu
has grep _hakmem_run "$run" gre
has grep _hakmem_run "$run" --set audit = on gre
has grep _hakmem_run "$run" -- gre
has_not audit= _hakmem_run "$run" --set pu

[ $failed -eq 0 ] && echo "$count completions are offered as they should be"
exit $failed
