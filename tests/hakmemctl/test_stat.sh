#!/bin/bash
# SPDX-License-Identifier: MIT
# hakmemctl on a live process: the sums agree with each other, with /proc/PID/maps and with smaps; JSON,
# metrics and SVG are well-formed; a deleted library, a refusal and wrong targets are told.
set -euo pipefail
export LC_ALL=C
[ "${SANITIZER:-no}" = no ] || { echo "no shared object in a sanitizer build"; exit 77; }
build=$(cd "${top_builddir:-.}" && pwd)
tool=$build/src/hakmemctl/hakmemctl
load=$build/tests/hakmemctl/load
[ -x "$tool" ] || { echo "hakmemctl was not built"; exit 77; }
command -v jq >/dev/null || { echo "there is no jq here"; exit 77; }
work=$(mktemp -d)
started=()
finish() {
    for p in "${started[@]}"; do kill "$p" 2>/dev/null || true; done
    rm -rf "$work"
}
trap finish EXIT
failed=0 count=0

# start LIBRARY PROGRAM: sets pid, returns when it is ready
start() {
    mkfifo "$work/in.${#started[@]}" "$work/out.${#started[@]}"
    LD_PRELOAD=$1 "$2" steady <"$work/in.${#started[@]}" >"$work/out.${#started[@]}" &
    pid=$!
    exec {hold}>"$work/in.${#started[@]}" # its input stays open
    read -r word <"$work/out.${#started[@]}"
    started+=("$pid")
    [ "$word" = ready ]
}

true_of() { # EXPRESSION: of stat's first process
    count=$((count + 1))
    jq -e ".[0] | $1" "$work/stat" >/dev/null ||
        { echo "not true: $1 ($(jq -c ".[0] | ${2:-.memory}" "$work/stat" | cut -c 1-400))"; failed=1; }
}

expect() { # STATUSES TEXT COMMAND...
    local statuses=$1 text=$2 got=0
    shift 2
    count=$((count + 1))
    "$@" >"$work/said" 2>&1 || got=$?
    if ! [[ " $statuses " = *" $got "* ]] || { [ -n "$text" ] && ! grep -qF -- "$text" "$work/said"; }; then
        echo "not true: '$*' ends with $statuses and says '$text'; it ended with $got and said:"
        head -n 5 "$work/said"
        failed=1
    fi
}

start "$build/.libs/libhakmem.so.1" "$load"
"$tool" stat --json "$pid" >"$work/stat" 2>"$work/err" || {
    cat "$work/err"
    grep -q refuses "$work/err" && exit 77
    exit 1
}
smaps=$(awk '/^[0-9a-f]+-[0-9a-f]+ / { range = $1 } /^Rss:/ { print range, $2 * 1024 }' "/proc/$pid/smaps")

# the columns of a part are what it has mapped; the parts are the whole
for part in slabs pool large; do
    true_of ".memory.$part | .mapped == .live + .cached + .free + .purged + .slack"
done
true_of '.memory | .all.mapped == .slabs.mapped + .pool.mapped + .large.mapped + .metadata.mapped + .region_map.mapped'
true_of '.memory | .all.live == .slabs.live + .pool.live + .large.live'
true_of '([.classes[] | select(.kind == "slab").live] | add) == .memory.slabs.live' .classes
true_of '([.classes[] | select(.kind == "pool").live] | add) == .memory.pool.live' .classes
true_of '([.classes[] | (.binned_blocks + .returning_blocks + .freed_blocks + (if .kind == "slab" then .uncarved_blocks - .untouched_blocks else 0 end)) * .footprint] | add) + .layers.cached_slabs == .memory.all.cached' .classes
true_of '.layers.slabs_in_classes == ([.classes[].slabs] | add)' .layers
true_of '([.heaps[].slabs] | add) == .layers.slabs_in_classes' .heaps
true_of '.layers.cached_returning > 0' .layers
true_of 'all(.memory.slabs, .memory.pool, .memory.large; .resident <= .believed_resident + 65536)'
true_of '.whole and .detailed'
# the kernel: every byte is mapped, and smaps counts what pagemap does
true_of '.kernel.missing == 0 and .kernel.lost == 0' .kernel
true_of '([.kernel.mappings[].hakmem] | add) == .memory.all.mapped' .kernel
true_of 'all(.kernel.mappings[]; .hakmem_resident + .other_resident == .smaps_rss or .smaps_huge_pages > 0)' .kernel
count=$((count + 1))
while read -r range rss; do # and /proc says the same of each
    grep -q "^$range $rss\$" <<<"$smaps" || { echo "not in smaps: $range with $rss bytes"; failed=1; }
done < <(jq -r '.[0].kernel.mappings[] | "\(.start)-\(.end) \(.smaps_rss)"' "$work/stat")
# what is looked at stays as it was
"$tool" stat --json "$pid" >"$work/again"
count=$((count + 1))
cmp -s <(jq '.[0].memory | del(.process_resident)' "$work/stat") <(jq '.[0].memory | del(.process_resident)' "$work/again") || { echo "a second look shows something else"; failed=1; }

# 6 as well: the tests of damaged processes may run beside this one
expect "0 6" '"program": "load"' "$tool" list --json
expect "0 6" load "$tool" list
expect 0 "they agree" "$tool" stat "$pid"
expect 0 "SuperSlabs" "$tool" map "$pid"
expect 0 '"superslabs"' "$tool" map --json "$pid"
expect 0 "" "$tool" map --svg "$work/map.svg" "$pid"
expect 0 "</svg>" tail -n 1 "$work/map.svg"
if command -v rsvg-convert >/dev/null; then
    expect 0 "" rsvg-convert -o "$work/map.png" "$work/map.svg"
fi
expect 0 "hakmem_live_bytes{pid=\"$pid\",program=\"load\"" "$tool" metrics --classes
if command -v promtool >/dev/null; then
    "$tool" metrics --classes >"$work/metrics" 2>/dev/null
    expect 0 "" promtool check metrics <"$work/metrics"
fi
jq -e . < <("$tool" list --json 2>/dev/null) >/dev/null || { echo "list --json is no JSON"; failed=1; }

# the live view, on a screen of 80 by 24 that grows
if command -v tmux >/dev/null; then
    screen() { TMUX='' tmux -L "hakmem-test-$$" -f /dev/null "$@"; }
    shows() { # TEXT: on the screen within ten seconds
        count=$((count + 1))
        for _ in $(seq 100); do
            ! screen capture-pane -p 2>/dev/null | grep -qF -- "$1" || return 0
            sleep 0.1
        done
        echo "top does not show '$1' but:"
        screen capture-pane -p || true
        failed=1
    }
    # shellcheck disable=SC2317
    finish_screen() { screen kill-server 2>/dev/null || true; finish; }
    trap finish_screen EXIT
    screen new-session -d -x 80 -y 24 "$tool top -d 0.2"
    shows "$pid load"
    screen send-keys '<'
    screen resize-window -x 160 -y 50
    shows "Enter open"
    screen send-keys '>' Enter
    shows "PER SECOND"
    screen send-keys Escape
    shows "OVER%"
    screen send-keys q
    sleep 0.3
    count=$((count + 1))
    ! screen has-session 2>/dev/null || { echo "top does not end with q"; failed=1; }
fi

# by the name of a program: those that run on something else are passed over
cp "$load" "$work/hakmem-test-load"
start "$build/.libs/libhakmem.so.1" "$work/hakmem-test-load"
start "" "$work/hakmem-test-load"
expect 0 "hakmem-test-load" "$tool" stat hakmem-test-load
expect 4 "does not run under hakmem" "$tool" stat "$pid"

# an upgrade takes the file away
cp "$(readlink -f "$build/.libs/libhakmem.so.1")" "$work/libhakmem.so.1"
start "$work/libhakmem.so.1" "$load"
rm "$work/libhakmem.so.1"
expect 0 "deleted: restart needed" "$tool" stat "$pid"
expect "0 6" "deleted: restart needed" "$tool" list
expect 0 'deleted="true"' "$tool" metrics

expect 3 "no process" "$tool" stat no-such-program-anywhere
expect 3 "no process" "$tool" stat 999999999
expect 2 "target is missing" "$tool" stat
expect 2 "not expected" "$tool" map --nonsense "$pid"
expect 1 "cannot be written" "$tool" map --svg /nowhere/at/all "$pid"
expect 1 "needs a terminal" "$tool" top
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
    expect 5 "refuses" setpriv --reuid=65534 --regid=65534 --clear-groups "$tool" stat "$pid"
fi
[ $failed -eq 0 ] && echo "all $count statements are true"
exit $failed
