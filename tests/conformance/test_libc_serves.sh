#!/bin/bash
# SPDX-License-Identifier: MIT
# With `allocator = libc` the C library's own allocator serves a program although hakmem is loaded: the
# same tests pass (but for what only hakmem promises), real programs work, and a section of a
# configuration file is enough to ask for it.
set -euo pipefail
export LC_ALL=C
build=${top_builddir:-.}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

report() {
    echo "not true: $1"
    failed=1
}

# The C library's functions are called past ThreadSanitizer's own: it does not see a block change hands.
[ "${SANITIZER:-no}" != thread ] || { echo "a block that another thread gets looks like a race there"; exit 77; }
for test in conformance/test_{blocks,calloc,limits,realloc,cxx_operators,cxx_late} \
    lifecycle/test_{fork,start,dlopen}; do
    [ -x "$build/tests/$test" ] || continue
    HAKMEM_ALLOCATOR=libc "$build/tests/$test" >"$work/log" 2>&1 || {
        tail -n 20 "$work/log"
        report "$test passes on the C library's allocator"
    }
done

[ "${SANITIZER:-no}" = no ] || exit $failed
library=$(readlink -f "$build/.libs/libhakmem.so")

# serves CONFIGURATION NAME: does hakmem serve the program `NAME`? It writes statistics at its end then.
serves() {
    printf '%s\n' "$1" >"$work/conf"
    HAKMEM_CONF=$work/conf HAKMEM_STATS_ON_EXIT=on LD_PRELOAD=$library "$2" --version >/dev/null 2>"$work/said"
    grep -q '^hakmem: statistics' "$work/said"
}
cp "$(readlink -f "$(command -v bash)")" "$work/a-program"
serves '' "$work/a-program" || report "without a word hakmem serves"
serves '[program other]
allocator = libc' "$work/a-program" || report "a section for another program means nothing"
for section in '[default]' '[program a-program]' "[program $work/a-*]"; do
    ! serves "$section
allocator = libc" "$work/a-program" || report "$section allocator = libc: the C library serves"
done
serves '[default]
allocator = libc
[program a-program]
allocator = hakmem' "$work/a-program" || report "the more specific section wins"

# Real programs, which fork, start threads and load libraries: the same output as without the preload.
cat >"$work/load.py" <<'PY'
import ctypes, json, threading, subprocess, zlib
out = []
def work(n):
    out.append(zlib.crc32(json.dumps([list(range(i % 300)) for i in range(2000)]).encode()))
ts = [threading.Thread(target=work, args=(i,)) for i in range(4)]
[t.start() for t in ts]; [t.join() for t in ts]
print(sorted(out), subprocess.run(["sh", "-c", "seq 50000 | sort -r | tail -n 1"], capture_output=True).stdout)
PY
same() { # NAME COMMAND...
    local name=$1
    shift
    command -v "$1" >/dev/null || { echo "$name: $1 is not here, left out"; return 0; }
    "$@" >"$work/expected" 2>&1
    HAKMEM_ALLOCATOR=libc LD_PRELOAD=$library "$@" >"$work/found" 2>&1 || report "$name: exit status"
    cmp -s "$work/expected" "$work/found" || report "$name: the same output"
}
same bash bash -c 'for i in 1 2 3 4 5 6 7 8; do (echo "$i" | cat) & wait; done'
same sort sh -c 'seq 100000 | sort -r --parallel=4 | md5sum'
same python python3 "$work/load.py"
same perl perl -e 'my %h; $h{$_} = "x" x ($_ % 500) for 1..50000; print scalar(keys %h), "\n"; exit(fork() ? (wait(), 0)[1] : 0)'
[ $failed -eq 0 ] && echo "the C library serves who asks for it"
exit $failed
