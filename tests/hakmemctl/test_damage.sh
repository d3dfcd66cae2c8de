#!/bin/bash
# SPDX-License-Identifier: MIT
# A page that is truncated, damaged, looping, or of a newer library gives a clear error and status 6,
# never a crash or an endless loop of hakmemctl, whatever the command.
set -euo pipefail
export LC_ALL=C
[ "${SANITIZER:-no}" = no ] || { echo "nothing is preloaded in a sanitizer build"; exit 77; }
build=$(cd "${top_builddir:-.}" && pwd)
tool=$build/src/hakmemctl/hakmemctl
fake=$build/tests/hakmemctl/.libs/libhakmem-fake.so
[ -x "$tool" ] || { echo "hakmemctl was not built"; exit 77; }
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT
failed=0

# expect STATUS TEXT COMMAND...
expect() {
    local status=$1 text=$2 got=0
    shift 2
    timeout 20 "$tool" "$@" >"$work/out" 2>"$work/err" || got=$?
    if [ $got -eq 5 ]; then
        cat "$work/err"
        exit 77
    fi
    if [ $got -ne "$status" ] || { [ -n "$text" ] && ! grep -qF -- "$text" "$work/err" "$work/out"; }; then
        echo "not true: with a page '$kind', hakmemctl $* ends with $status and says '$text'; it ended with $got:"
        head -n 5 "$work/err" "$work/out"
        failed=1
    fi
}

while IFS=: read -r kind status text; do
    FAKE=$kind LD_PRELOAD=$fake sleep 60 &
    pid=$!
    for _ in $(seq 100); do # until the program is there, and its constructors have run
        ! grep -q 'sleep' "/proc/$pid/maps" 2>/dev/null || ! grep -q fake "/proc/$pid/maps" || break
        sleep 0.02
    done
    sleep 0.1
    expect "$status" "$text" stat "$pid"
    [ "$status" -ne 0 ] || text= # JSON has a field for it, and the picture nothing
    expect "$status" "$text" stat --json "$pid"
    expect "$status" "$text" map "$pid"
    timeout 20 "$tool" list >/dev/null 2>"$work/err" || [ $? -eq 6 ] || { echo "list with a page '$kind' failed"; failed=1; }
    timeout 20 "$tool" metrics >/dev/null 2>"$work/err" || { echo "metrics with a page '$kind' failed"; failed=1; }
    kill "$pid"
    wait "$pid" 2>/dev/null || true
    pid=
done <<'KINDS'
empty:0:
magic:6:damaged: no magic
newer:6:use the one of the same version
truncated:6:says that it has 16 bytes
junk:6:points to what is not mapped
older-structures:6:shorter than this hakmemctl needs
junk-structures:6:description of its structures is damaged
metadata-loop:6:structures are damaged
heap-loop:6:structures are damaged
ring-away:6:structures are damaged
never-at-rest:0:never rested
KINDS
[ $failed -eq 0 ] && echo "every damage was told"
exit $failed
