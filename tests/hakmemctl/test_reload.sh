#!/bin/bash
# SPDX-License-Identifier: MIT
# hakmemctl reload, purge and audit on a process under load (threads that come and go, forks): the values
# in force follow, a bad file changes nothing and says why, what needs a restart is named, nothing
# crashes. An idle process is told as pending. TEST_RELOAD_COUNT: reloads (default 40).
set -euo pipefail
export LC_ALL=C
[ "${SANITIZER:-no}" = no ] || { echo "no shared object in a sanitizer build"; exit 77; }
build=${top_builddir:-.}
hakmemctl=$build/src/hakmemctl/hakmemctl
[ -x "$hakmemctl" ] || { echo "hakmemctl was not built"; exit 77; }
library=$(readlink -f "$build/.libs/libhakmem.so.1")
program=$(readlink -f "$build/tests/hakmemctl/reload_load")
[ "$(head -c 2 "$program")" != '#!' ] || program=$(readlink -f "$build/tests/hakmemctl/.libs/reload_load")
work=$(mktemp -d)
load=
trap 'kill -9 ${load:-} 2>/dev/null || true; rm -rf "$work"' EXIT
unset LD_PRELOAD
failed=0
count=${TEST_RELOAD_COUNT:-40}

report() {
    echo "not true: $1"
    failed=1
}

# set_values N: a file whole at once. thread_hold is odd: shown without a suffix
set_values() {
    printf '%s\n' "thread_hold = $((100001 + 2 * $1))" "process_hold = $((1000000 * (1 + $1 % 50)))" \
        "superslab_cache = $((($1 % 9) << 20))" "remote_batch = $(($1 % 7 * 5000))" "large_cache = $((($1 % 5) << 22))" \
        "superslab_cache_percent = $(($1 % 101))" "purge_delay = $(($1 % 3 * 10))" \
        "batch_refill = $(($1 / 2 % 2))" "hot_first = $(($1 / 4 % 2))" "remote_drain = $(($1 / 8 % 2))" \
        "superslab_reuse = $(($1 / 16 % 2))" "populate = $(($1 % 2))" "$2" >"$work/new"
    mv "$work/new" "$work/a.conf"
}
in_force() { "$hakmemctl" config show "$load" | sed -n "s/^$1 *= \([^ ]*\) .*/\1/p"; }
thread_hold() { in_force thread_hold; }

set_values 0 ''
HAKMEM_CONF=$work/a.conf LD_PRELOAD=$library "$program" 3 >"$work/ready" &
load=$!
for _ in $(seq 500); do [ -s "$work/ready" ] && break; sleep 0.02; done

# ---- values that change ----
status=0
"$hakmemctl" config show "$load" >"$work/said" 2>&1 || status=$?
[ $status -ne 5 ] || { echo "the kernel lets nobody look into a process here"; exit 77; }
for i in $(seq "$count"); do
    set_values "$i" ''
    "$hakmemctl" reload --wait 60 "$load" >"$work/said" 2>&1 || { report "reload $i: $(cat "$work/said")"; break; }
    [ "$(thread_hold)" = "$((100001 + 2 * i))" ] || { report "after reload $i thread_hold is $((100001 + 2 * i)), not $(thread_hold)"; break; }
    case $((i % 20)) in
    7) "$hakmemctl" purge --wait 60 "$load" >"$work/said" 2>&1 || report "purge: $(cat "$work/said")" ;;
    13) "$hakmemctl" audit --wait 60 "$load" >"$work/said" 2>&1 || report "audit: $(cat "$work/said")" ;;
    esac
done
kill -0 "$load" 2>/dev/null || report "the process is alive after $count reloads"

# ---- what is refused, and what needs a restart ----
set_values 5 'thred_hold = 1'
status=0
"$hakmemctl" reload --wait 60 "$load" >"$work/said" 2>&1 || status=$?
[ $status -eq 1 ] || report "a bad file has status 1, not $status"
grep -q "refused, nothing has changed: $work/a.conf:13:1: thred_hold: no such option; the nearest is thread_hold" \
    "$work/said" || report "the mistake is told: $(cat "$work/said")"
[ "$(thread_hold)" = "$((100001 + 2 * count))" ] || report "a bad file changes nothing"
set_values 6 'huge_threshold = 32M'
"$hakmemctl" reload --wait 60 "$load" >"$work/said" 2>&1 || report "reload: $(cat "$work/said")"
grep -q 'needs restart: huge_threshold$' "$work/said" || report "what needs a restart is named: $(cat "$work/said")"
[ "$(in_force huge_threshold)" = 64M ] || report "what needs a restart has not changed"

# ---- the end: nothing was broken ----
kill "$load"
status=0
wait "$load" || status=$?
[ $status -eq 0 ] || report "the process ends as it should, not with status $status"
load=

# ---- a process with a filter of its own ----
rm -f "$work/ready"
set_values 7 ''
HAKMEM_CONF=$work/a.conf LD_PRELOAD=$library "$program" 1 filter >"$work/ready" &
load=$!
for _ in $(seq 500); do [ -s "$work/ready" ] && break; kill -0 "$load" 2>/dev/null || break; sleep 0.02; done
if kill -0 "$load" 2>/dev/null; then
    set_values 8 ''
    status=0
    "$hakmemctl" reload --wait 60 "$load" >"$work/said" 2>&1 || status=$?
    [ $status -ne 0 ] && grep -q 'filter of system calls (seccomp) of its own' "$work/said" ||
        report "a filter of its own is a reason to ask: $status $(cat "$work/said")"
    "$hakmemctl" reload --wait 60 --force "$load" >"$work/said" 2>&1 || report "reload --force: $(cat "$work/said")"
    [ "$(thread_hold)" = "$((100001 + 2 * 8))" ] || report "after reload --force the new value is in force"
    kill "$load"
    wait "$load" || report "the process with a filter ends as it should"
fi
load=

# ---- an idle process ----
rm -f "$work/ready"
mkfifo "$work/fifo"
LD_PRELOAD=$library bash -c 'echo ready; exec 1>&-; read -r _ <"$1"' idle "$work/fifo" >"$work/ready" &
load=$!
for _ in $(seq 500); do [ -s "$work/ready" ] && break; sleep 0.02; done
status=0
"$hakmemctl" reload --wait 0.1 "$load" >"$work/said" 2>&1 || status=$?
[ $status -eq 7 ] && grep -q pending "$work/said" || report "an idle process is pending, with status 7: $status $(cat "$work/said")"
status=0
HAKMEM_ALLOCATOR=libc LD_PRELOAD=$library bash -c '"$1" reload $$; exit $?' shell "$hakmemctl" >"$work/said" 2>&1 || status=$?
grep -q "uses the C library's allocator" "$work/said" || report "where libc serves, this is said: $(cat "$work/said")"

[ $failed -eq 0 ] && echo "$count reloads were followed"
exit $failed
