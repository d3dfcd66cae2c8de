#!/bin/bash
# SPDX-License-Identifier: MIT
# Every optimisation can be turned off, and every limit set to its least: the stress passes all the same.
set -euo pipefail
program=${top_builddir:-.}/tests/stress/test_stress
seconds=${TEST_SWITCH_SECONDS:-0.3}
failed=0
count=0
wrapper=
# ThreadSanitizer's fixed shadow does not fit beside every random layout of the address space.
[ "${SANITIZER:-no}" != thread ] || wrapper="setarch -R"

try() { # "NAME=VALUE ..."
    count=$((count + 1))
    # shellcheck disable=SC2086 # several settings are several words
    if ! output=$(env $1 $wrapper "$program" 4 "$seconds" 200000 7 2>&1); then
        echo "fails with $1: $output"
        failed=1
    elif grep -q '^hakmem: ' <<<"$output" && ! grep -q '^hakmem: audit: 0 mismatches' <<<"$output"; then
        echo "says something with $1: $output"
        failed=1
    fi
}

everything_off=
for switch in merged_cache batch_refill remote_drain superslab_reuse hot_first populate huge_pages; do
    name=HAKMEM_${switch^^}
    try "$name=off"
    everything_off+=" $name=off"
done
for setting in remote_batch=0 thread_hold=0 process_hold=0 superslab_cache=0 superslab_cache_percent=0 large_cache=0 \
    large_cache_percent=0 huge_threshold=1M purge_delay=0 pool_arena_growth=1 \
    prewarm=64:1000,4k:100,superslabs:4,pool:4M; do
    name=${setting%%=*}
    try "HAKMEM_${name^^}=${setting#*=}"
done
try "HAKMEM_AUDIT=on"
try "$everything_off"
try "$everything_off HAKMEM_REMOTE_BATCH=0 HAKMEM_SUPERSLAB_CACHE=0 HAKMEM_LARGE_CACHE=0 HAKMEM_AUDIT=on"

[ $failed -eq 0 ] && echo "$count settings pass"
exit $failed
