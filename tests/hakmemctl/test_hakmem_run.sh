#!/bin/bash
# SPDX-License-Identifier: MIT
# hakmem-run runs a command on hakmem, with the exit statuses of env(1), and says why when it cannot.
set -euo pipefail
export LC_ALL=C
[ "${SANITIZER:-no}" = no ] || { echo "no shared object in a sanitizer build"; exit 77; }
build=${top_builddir:-.}
run=$build/src/hakmemctl/hakmem-run
library=$(readlink -f "$build/.libs/libhakmem.so.1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset LD_PRELOAD
failed=0
count=0

# expect STATUS TEXT COMMAND...: the status, and a line with the text (on either output)
expect() {
    local status=$1 text=$2 got=0
    shift 2
    count=$((count + 1))
    "$@" >"$work/output" 2>&1 || got=$?
    if [ "$got" -ne "$status" ] || ! grep -qF -- "$text" "$work/output"; then
        echo "not true: '$*' ends with $status and says '$text'; it ended with $got and said:"
        cat "$work/output"
        failed=1
    fi
}

expect 0 /libhakmem.so.1 "$run" --library "$library" grep -m 1 libhakmem /proc/self/maps
expect 0 /libhakmem.so.1 "$run" --library="$library" -- grep -m 1 libhakmem /proc/self/maps
expect 0 /libhakmem.so.1 env LD_LIBRARY_PATH="$build/.libs" "$run" grep -m 1 libhakmem /proc/self/maps
expect 0 "LD_PRELOAD=$library:libm.so.6" env LD_PRELOAD=libm.so.6 "$run" --library "$library" env
expect 0 "LD_PRELOAD=$library" env LD_PRELOAD="$library" "$run" env
expect 0 HAKMEM_PURGE_DELAY=7 "$run" --library "$library" --set purge_delay=7 env
expect 3 words "$run" --library "$library" sh -c 'echo words; exit 3'
expect 0 usage: "$run" --help
expect 0 hakmem "$run" --version

expect 125 "no command" "$run"
expect 125 "unknown option '--nonsense'" "$run" --nonsense ls
expect 125 "did you mean 'purge_delay'?" "$run" --library "$library" --set purgedelay=1 ls
expect 125 "there is no option 'xyzzyplugh'; --list-options" "$run" --set xyzzyplugh=1 ls
expect 125 "purge_delay: 'x' is not a number" "$run" --library "$library" --set purge_delay=x ls
expect 125 "over the greatest value 1M" "$run" --library "$library" --set remote_batch=2M ls
expect 125 "prewarm: item '64:x' is not SIZE:COUNT" "$run" --library "$library" --set prewarm=64:1000,64:x ls
expect 0 HAKMEM_PREWARM=64:10,pool:4M "$run" --library "$library" --set prewarm=64:10,pool:4M env
expect 125 "OPTION=VALUE" "$run" --set audit ls
expect 125 "needs a value" "$run" --set
expect 125 "No such file" "$run" --library "$work/none.so" ls
expect 125 "no library that has a malloc" "$run" --library "$(type -P env)" ls
expect 127 "no such command" "$run" --library "$library" no-such-command-at-all
expect 127 "No such file" "$run" --library "$library" "$work/none"
expect 126 "Permission denied" "$run" --library "$library" "$work"
echo 'exit 0' >"$work/plain"
expect 126 "Permission denied" "$run" --library "$library" "$work/plain"

cc=${CC:-cc}
echo 'int main(void) { return 0; }' >"$work/static.c"
if $cc -static -o "$work/static" "$work/static.c" 2>/dev/null; then
    expect 126 "is statically linked" "$run" --library "$library" "$work/static"
    printf '#!%s\n' "$work/static" >"$work/script"
    chmod +x "$work/script"
    expect 126 "is what runs $work/script" "$run" --library "$library" "$work/script"
fi
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    cp "$(type -P true)" "$work/setuid"
    chmod 4755 "$work/setuid"
    chmod 755 "$work"
    if setpriv --reuid 65534 --clear-groups test -x "$run" -a -r "$library"; then
        expect 126 "is a setuid program" setpriv --reuid 65534 --clear-groups "$run" --library "$library" "$work/setuid"
    fi
fi

[ $failed -eq 0 ] && echo "$count runs of hakmem-run end as they should"
exit $failed
