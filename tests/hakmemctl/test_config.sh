#!/bin/bash
# SPDX-License-Identifier: MIT
# hakmemctl config: what a process has in force and from where; that this, written to a file and loaded,
# gives the same values; every mistake of a file; what an option is.
set -euo pipefail
export LC_ALL=C
[ "${SANITIZER:-no}" = no ] || { echo "no shared object in a sanitizer build"; exit 77; }
build=${top_builddir:-.}
hakmemctl=$build/src/hakmemctl/hakmemctl
[ -x "$hakmemctl" ] || { echo "hakmemctl was not built"; exit 77; }
library=$(readlink -f "$build/.libs/libhakmem.so.1")
work=$(mktemp -d)
sleeper=
trap 'kill ${sleeper:-} 2>/dev/null || true; rm -rf "$work"' EXIT
unset LD_PRELOAD
failed=0

report() {
    echo "not true: $1"
    failed=1
}

# start [NAME=VALUE...]: a process on hakmem, its id in `sleeper`
start() {
    [ -z "$sleeper" ] || kill "$sleeper" 2>/dev/null || true
    rm -f "$work/ready"
    env "$@" LD_PRELOAD="$library" bash -c 'echo ready; exec 1>&-; read -r _ <"$1"' sleeper "$work/fifo" >"$work/ready" 2>"$work/said" &
    sleeper=$!
    for _ in $(seq 200); do
        [ ! -s "$work/ready" ] || return 0
        sleep 0.02
    done
    echo "the process did not start: $(cat "$work/said")"
    exit 1
}
mkfifo "$work/fifo"

# shows FILE: what is in force in the sleeper
shows() {
    "$hakmemctl" config show "$sleeper" >"$1" || {
        [ $? -ne 5 ] || { echo "the kernel lets nobody look into a process here"; exit 77; }
        report "config show"
    }
}
values() { sed -e '/^#/d' -e 's/ *#.*//' "$1"; }

# ---- where a value comes from ----
printf '%s\n' 'thread_hold = 2M' '[program nobody]' 'large_cache = 1M' '[program bash]' 'preset = lowmem' \
    'purge_delay = 7' >"$work/a.conf"
start HAKMEM_CONF="$work/a.conf" HAKMEM_PROCESS_HOLD=9M
shows "$work/shown"
for line in "thread_hold = 1M # preset lowmem, $work/a.conf:5" "purge_delay = 7 # $work/a.conf:6" \
    "process_hold = 9M # environment" "hot_first = on # default" "large_cache = 4M # preset lowmem, $work/a.conf:5"; do
    tr -s ' ' <"$work/shown" | grep -qxF -- "$line" || report "config show says: $line"
done
"$hakmemctl" config show --json "$sleeper" >"$work/json"
grep -q '"origin": "environment"' "$work/json" || report "config show --json tells the origin"

# ---- what is shown is a file that gives the same values ----
"$hakmemctl" config check "$work/shown" >"$work/check" || report "what is shown has no mistakes: $(cat "$work/check")"
# random values within the ranges, of the tool's own description
random_settings() {
    local name kind least greatest
    "$hakmemctl" config explain | awk -v seed="$1" '
        function bytes(text) { unit = substr(text, length(text)); n = text + 0
            return n * (unit == "k" ? 1024 : unit == "M" ? 1048576 : unit == "G" ? 1073741824 : unit == "T" ? 1099511627776 : 1) }
        BEGIN { srand(seed) }
        /^[a-z_]+$/ { name = $1 }
        /^  values: +on or off/ { print name " = " (rand() < 0.5 ? "on" : "off") }
        /^  values: +a list/ { print name " = 64:3,4k:2,superslabs:1,pool:1M" }
        /^  values: +latency/ { n = split($0, word); print name " = " word[2 + int(rand() * (n - 1))] }
        /^  values: +[0-9]/ { low = bytes($2); high = bytes($4); if (high > 2^31) high = 2^31
            printf "%s = %d\n", name, low + int(rand() * (high - low + 1)) }' |
        grep -v -e '^stats_on_exit' -e '^prewarm' -e '^audit'
    echo 'prewarm = 64:3,4k:2,superslabs:1,pool:1M'
}
for seed in $(seq "${TEST_PROPERTY_COUNT:-5}"); do
    random_settings "$seed" >"$work/random.conf"
    start HAKMEM_CONF="$work/random.conf" HAKMEM_THREAD_HOLD="$((seed * 4097))"
    shows "$work/first"
    [ "$(grep -c "$work/random.conf" "$work/first")" -gt 10 ] || report "the random values are in force"
    start HAKMEM_CONF="$work/first"
    shows "$work/second"
    diff <(values "$work/first") <(values "$work/second") || report "the values of seed $seed come back"
done

# ---- check ----
printf '%s\n' 'thred_hold = 1' '[program nobody]' 'audit = perhaps' '[unitt x]' >"$work/bad.conf"
if "$hakmemctl" config check "$work/bad.conf" >"$work/check"; then report "a file with mistakes has status 1"; fi
cat >"$work/expected" <<LINES
$work/bad.conf:1:1: thred_hold: no such option; the nearest is thread_hold
$work/bad.conf:3:9: audit='perhaps': not a switch (on or off)
$work/bad.conf:4:2: [unitt]: no such section; there are [default], [program NAME] and [unit NAME]; the nearest is unit
LINES
diff "$work/expected" "$work/check" || report "each mistake is told, in every section"
"$hakmemctl" config check "${top_srcdir:-.}/conf/hakmem.conf" >"$work/check" || report "the sample has no mistakes"
grep '^# [a-z_]* =' "${top_srcdir:-.}/conf/hakmem.conf" | sed 's/^# //' | grep -v '^allocator = libc' >"$work/sample"
"$hakmemctl" config check "$work/sample" >"$work/check" || report "each line of the sample is a setting: $(cat "$work/check")"
[ "$(wc -l <"$work/sample")" -eq "$("$hakmemctl" config explain | grep -c '^[a-z][a-z_]*$')" ] ||
    report "the sample has every option"
if "$hakmemctl" config check /nonexistent >"$work/check"; then report "a file that is not there is a mistake"; fi

# ---- explain ----
"$hakmemctl" config explain purge_delay | grep -q 'default:  1000' || report "explain tells the default"
if "$hakmemctl" config explain purge_dely 2>"$work/said"; then report "an unknown option has status 1"; fi
grep -q 'the nearest is purge_delay' "$work/said" || report "explain tells the nearest name"

[ $failed -eq 0 ] && echo "hakmemctl config is true"
exit $failed
