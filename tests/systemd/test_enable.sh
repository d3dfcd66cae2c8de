#!/bin/bash
# SPDX-License-Identifier: MIT
# hakmemctl enable, disable and status on a machine that systemd has booted: redis-server (when it is
# installed), services made for this that cannot start with hakmem or that it cannot serve, and
# /etc/ld.so.preload.
#
# It restarts services and writes to /etc, so `make check` skips it. To run it on a machine that may
# be used for that, as root, after `make install && ldconfig`:
#
#     TEST_SYSTEMD=yes tests/systemd/test_enable.sh
#
# HAKMEMCTL: the tool (default: hakmemctl in PATH).
set -uo pipefail
export LC_ALL=C
[ "${TEST_SYSTEMD:-no}" = yes ] || { echo "changes services of the machine: TEST_SYSTEMD=yes runs it"; exit 77; }
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
[ -d /run/systemd/system ] || { echo "systemd does not run here"; exit 77; }
ctl=${HAKMEMCTL:-hakmemctl}
command -v "$ctl" >/dev/null || { echo "there is no $ctl"; exit 1; }

units=/etc/systemd/system
list=/etc/ld.so.preload
work=$(mktemp -d)
failed=0
count=0
had_list=no
[ ! -e $list ] || { had_list=yes; cp -a $list "$work/list.before"; }

cleanup() {
    systemctl stop 'hakmem-test-*' 2>/dev/null
    rm -rf $units/hakmem-test-* "$work/environment"
    systemctl daemon-reload
    systemctl reset-failed 'hakmem-test-*' 2>/dev/null
    if [ $had_list = yes ]; then cp -a "$work/list.before" $list; else rm -f $list; fi
    rm -rf "$work"
}
trap cleanup EXIT

# true_that SENTENCE COMMAND...
true_that() {
    local sentence=$1
    shift
    count=$((count + 1))
    if "$@" >"$work/said" 2>&1; then
        echo "ok: $sentence"
    else
        echo "not true: $sentence"
        sed 's/^/    /' "$work/said"
        failed=1
    fi
}

# ctl STATUS TEXT ARGUMENT...: run the tool, show what it says, expect a status and a text
ctl() {
    local status=$1 text=$2 got=0
    shift 2
    count=$((count + 1))
    echo "\$ hakmemctl $*"
    "$ctl" "$@" >"$work/said" 2>&1 || got=$?
    sed 's/^/    /' "$work/said"
    if [ $got -ne "$status" ] || ! grep -qF -- "$text" "$work/said"; then
        echo "not true: it ends with $status and says '$text' (it ended with $got)"
        failed=1
    fi
}

service() { # NAME LINES...: a service in /etc
    printf '%s\n' '[Service]' "${@:2}" >"$units/hakmem-test-$1.service"
    systemctl daemon-reload
}

same_files() { diff -r "$work/etc.before" $units; }
remember() { rm -rf "$work/etc.before"; cp -a $units "$work/etc.before"; }
main_pid() { systemctl show -p MainPID --value "$1"; }
maps_has_hakmem() { grep -q libhakmem "/proc/$(main_pid "$1")/maps"; }
maps_has_not() { ! maps_has_hakmem "$1"; }
variable_is() { [ "$(tr '\0' '\n' <"/proc/$(main_pid "$1")/environ" | sed -n 's/^LD_PRELOAD=//p')" = "$2" ]; }

# ---- a real service ----

port=$(sed -n 's/^port //p' /etc/redis/redis.conf 2>/dev/null)
redis_answers() { [ "$(redis-cli -p "${port:-6379}" ping)" = PONG ] && [ "$(main_pid redis-server)" != 0 ]; }

if ! systemctl cat redis-server.service >/dev/null 2>&1; then
    echo "redis-server is not installed: left out"
elif ! systemctl restart redis-server; then
    echo "redis-server does not start without hakmem either (is its port taken?)"
    failed=1
else
    echo "== redis-server"
    remember
    ctl 4 "enabled:    no" status redis-server
    ctl 0 "verified in the live process" enable redis-server --now
    true_that "redis-server has the library mapped" maps_has_hakmem redis-server
    true_that "redis answers" redis_answers
    ctl 0 "enabled:    by hakmemctl" status redis-server
true_that "status says so in JSON" bash -c "'$ctl' status --json redis-server | grep -q '\"served\": 1'"
    ctl 0 "redis-server" list
    ctl 0 "it was not restarted" enable redis-server.service --now
    true_that "enabling it again writes nothing else" [ "$(ls $units/redis-server.service.d)" = zz-hakmem.conf ]
    ctl 0 "runs without hakmem" disable redis-server --now
    true_that "redis-server does not have the library mapped" maps_has_not redis-server
    true_that "redis answers" redis_answers
    true_that "nothing is left of it under $units" same_files
    ctl 0 "nothing to do" disable redis-server
fi

# ---- services made for this ----

echo "== an LD_PRELOAD that is there is kept"
service keep 'Environment=LD_PRELOAD=libm.so.6' 'ExecStart=/bin/sleep infinity'
mkdir $units/hakmem-test-keep.service.d
echo '[Service]
Environment="LD_PRELOAD=libdl.so.2 libm.so.6" OTHER=1' >$units/hakmem-test-keep.service.d/override.conf
systemctl daemon-reload
systemctl start hakmem-test-keep
remember
ctl 0 "verified in the live process" enable --now hakmem-test-keep
true_that "both are preloaded, hakmem first" variable_is hakmem-test-keep libhakmem.so.1:libdl.so.2:libm.so.6
ctl 0 "runs without hakmem" disable --now hakmem-test-keep
true_that "the old value is back" variable_is hakmem-test-keep "libdl.so.2 libm.so.6"
true_that "the other drop-in and its directory are as they were" same_files

echo "== an LD_PRELOAD out of an EnvironmentFile"
printf 'X=1\nLD_PRELOAD="libm.so.6"\n' >"$work/environment"
chmod 755 "$work"
service file "EnvironmentFile=$work/environment" 'ExecStart=/bin/sleep infinity'
remember
ctl 0 "verified in the live process" enable --now hakmem-test-file
true_that "both are preloaded, hakmem first" variable_is hakmem-test-file libhakmem.so.1:libm.so.6
ctl 0 "it was not restarted" enable --now hakmem-test-file
ctl 0 "runs without hakmem" disable --now hakmem-test-file
true_that "nothing is left of it" same_files

echo "== a service that does not start with hakmem"
service breaks 'ExecStart=/bin/sh -c "if grep -q libhakmem /proc/self/maps; then echo I cannot run on this; exit 3; fi; exec sleep infinity"' \
    'Restart=on-failure' 'RestartSec=100ms'
systemctl start hakmem-test-breaks
remember
ctl 1 "the change was taken back" enable --now --wait 5 hakmem-test-breaks
true_that "it runs again" systemctl is-active hakmem-test-breaks
true_that "its files are as they were" same_files
ctl 4 "enabled:    no" status hakmem-test-breaks

echo "== a service that starts, and ends a moment later"
service later 'ExecStart=/bin/sh -c "grep -q libhakmem /proc/self/maps || exec sleep infinity; sleep 1; exit 1"'
systemctl start hakmem-test-later
remember
ctl 1 "the change was taken back" enable --now --wait 5 hakmem-test-later
true_that "it runs again" systemctl is-active hakmem-test-later
true_that "its files are as they were" same_files

echo "== a service that hakmem does not reach"
service unreached 'ExecStart=/usr/bin/env -u LD_PRELOAD sleep infinity'
systemctl start hakmem-test-unreached
remember
ctl 1 "does not run under hakmem" enable --now --wait 5 hakmem-test-unreached
true_that "it runs" systemctl is-active hakmem-test-unreached
true_that "its files are as they were" same_files

echo "== enable is ended in the middle"
"$ctl" enable --now --wait 60 hakmem-test-unreached >"$work/ended" 2>&1 &
enabling=$!
for _ in $(seq 100); do
    [ ! -e $units/hakmem-test-unreached.service.d/zz-hakmem.conf ] || break
    sleep 0.1
done
sleep 2
kill -TERM $enabling
wait $enabling
true_that "it ends with 1" [ $? = 1 ]
sed 's/^/    /' "$work/ended"
true_that "it says that the change was taken back" grep -q "the change was taken back" "$work/ended"
true_that "it runs" systemctl is-active hakmem-test-unreached
true_that "its files are as they were" same_files

echo "== a service that was stopped is stopped again"
systemctl stop hakmem-test-breaks
ctl 1 "is stopped, as it was" enable --now --wait 5 hakmem-test-breaks
true_that "it does not run" bash -c '! systemctl is-active hakmem-test-breaks'
true_that "its files are as they were" same_files

echo "== a template"
printf '%s\n' '[Service]' 'ExecStart=/bin/sleep 10%i' >"$units/hakmem-test-t@.service"
systemctl daemon-reload
remember
ctl 0 enabled enable hakmem-test-t@
ctl 1 "needs an instance" enable --now hakmem-test-t@.service
systemctl start hakmem-test-t@1
ctl 0 "by hakmemctl" status hakmem-test-t@.service
true_that "an instance is served" maps_has_hakmem hakmem-test-t@1
ctl 0 disabled disable hakmem-test-t@
ctl 0 "verified in the live process" enable --now hakmem-test-t@1
ctl 0 "runs without hakmem" disable --now hakmem-test-t@1
true_that "nothing is left of it" same_files

echo "== lines that someone added stay"
ctl 0 enabled enable hakmem-test-keep
echo 'Environment=ADDED=1' >>$units/hakmem-test-keep.service.d/zz-hakmem.conf
systemctl daemon-reload
ctl 0 "they stay" disable hakmem-test-keep
true_that "the added line is there, ours is not" \
    [ "$(cat $units/hakmem-test-keep.service.d/zz-hakmem.conf)" = $'[Service]\nEnvironment=ADDED=1' ]

echo "== what cannot be"
service once Type=oneshot ExecStart=/bin/true
ln -s /dev/null $units/hakmem-test-masked.service
systemctl daemon-reload
remember
ctl 3 "there is no unit" enable hakmem-test-none
ctl 1 "is masked" enable hakmem-test-masked
ctl 1 "runs once and ends" enable --now hakmem-test-once
ctl 3 "is no service" enable hakmem-test.socket
ctl 2 "is no name of a unit" enable ../x
ctl 1 "no library that has a malloc" enable --library /bin/ls hakmem-test-keep
true_that "nothing was written" same_files

# ---- the whole system ----

same_list() { cmp "$work/list" $list; }
echo "== $list, when it does not exist"
rm -f $list
ctl 0 "every program that starts from now on" enable --system
cat $list
true_that "a new program has the library" grep -q libhakmem /proc/self/maps
ctl 0 "nothing to do" enable --system
ctl 0 enabled status --system
ctl 0 "it does not exist" disable --system
true_that "the file does not exist" [ ! -e $list ]
true_that "a new program does not have the library" bash -c '! grep -q libhakmem /proc/self/maps'
ctl 0 "nothing to do" disable --system
ctl 4 "not enabled" status --system

echo "== $list, with other lines in it"
printf '# an own list\n  libm.so.6 :libdl.so.2\n\n' >$list
chmod 640 $list
cp -a $list "$work/list"
ctl 0 "mode 0640" enable --system
true_that "the mode is the same" [ "$(stat -c %a $list)" = 640 ]
ctl 0 "is as it was before" disable --system
true_that "the file is the same, byte for byte" same_list
true_that "the mode is the same" [ "$(stat -c %a $list)" = 640 ]
chmod 644 $list

echo "== $list, edited in between"
ctl 0 "every program that starts from now on" enable --system
echo librt.so.1 >>$list
echo librt.so.1 >>"$work/list"
ctl 0 "edited since" disable --system
true_that "hakmem's line is gone, the others are there" same_list
rm -f $list

echo "== what cannot be"
hidden=$work/hidden
mkdir -m 700 "$hidden"
cp -L "$(ldconfig -p | sed -n 's/.*libhakmem\.so\.1.* => //p' | head -n 1)" "$hidden/libhakmem.so.1"
ctl 1 "cannot be read by every user" enable --system --library "$hidden/libhakmem.so.1"
true_that "the file does not exist" [ ! -e $list ]

[ $failed -eq 0 ] && echo "all $count are as they should be"
exit $failed
