#!/bin/bash
# SPDX-License-Identifier: MIT
# hakmemctl looks at processes in which threads come and go, which fork, exit, are killed and are
# stopped: neither the tool nor a process ever crashes or hangs.
#
#   test_churn.sh [SECONDS]      (5 in make check; 600 for a real trial)
set -euo pipefail
export LC_ALL=C
[ "${SANITIZER:-no}" = no ] || { echo "no shared object in a sanitizer build"; exit 77; }
seconds=${1:-5}
build=$(cd "${top_builddir:-.}" && pwd)
tool=$build/src/hakmemctl/hakmemctl
load=$build/tests/hakmemctl/load
[ -x "$tool" ] || { echo "hakmemctl was not built"; exit 77; }
work=$(mktemp -d)
targets=()
finish() {
    for p in "${targets[@]}"; do kill -KILL "$p" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

start_target() { # into targets[$1]
    LD_PRELOAD=$build/.libs/libhakmem.so.1 "$load" churn 2>>"$work/load" &
    targets[$1]=$!
}
declare -A seen
failed=0 looks=0 kills=0 stops=0

# look COMMAND...: its status must be one that the situation allows
look() {
    local status=0
    timeout 60 "$tool" "$@" >"$work/out" 2>"$work/err" || status=$?
    looks=$((looks + 1))
    seen[$status]=$((${seen[$status]:-0} + 1))
    case $status in
    0 | 3 | 4 | 6) ;; # done; it has just ended; it has no page yet or no more; never at rest
    *) echo "'$*' ended with $status: $(tail -n 2 "$work/err")"; failed=1 ;;
    esac
}

for i in 0 1; do start_target $i; done
sleep 0.3
if ! timeout 60 "$tool" stat "${targets[0]}" >"$work/out" 2>"$work/err"; then
    grep -q refuses "$work/err" && { cat "$work/err"; exit 77; }
fi
end=$((SECONDS + seconds))
round=0
while [ $SECONDS -lt $end ]; do
    round=$((round + 1))
    t=$((round % 2))
    look stat "${targets[$t]}"
    look map "${targets[$t]}"
    look stat --json "${targets[$t]}"
    [ $((round % 5)) -ne 0 ] || { look list; look metrics; }
    case $((RANDOM % 8)) in
    0)
        kill -KILL "${targets[$t]}" 2>/dev/null || true
        look stat "${targets[$t]}" # while it goes, or is a zombie
        wait "${targets[$t]}" 2>/dev/null || true
        kills=$((kills + 1))
        start_target $t
        ;;
    1)
        kill -STOP "${targets[$t]}"
        look stat "${targets[$t]}"
        look map --svg "$work/svg" "${targets[$t]}"
        kill -CONT "${targets[$t]}"
        stops=$((stops + 1))
        ;;
    esac
    # one that ended by itself has failed
    for i in 0 1; do
        if ! kill -0 "${targets[$i]}" 2>/dev/null; then
            status=0
            wait "${targets[$i]}" || status=$?
            echo "a process ended with $status: $(tail -n 3 "$work/load")"
            failed=1
            start_target $i
        fi
    done
done
[ "${seen[0]:-0}" -gt 0 ] || { echo "not one look went well"; failed=1; }
echo "$looks looks in $seconds s, statuses: $(for s in "${!seen[@]}"; do printf '%s: %s  ' "$s" "${seen[$s]}"; done)"
echo "$kills processes killed, $stops stopped and continued"
exit $failed
