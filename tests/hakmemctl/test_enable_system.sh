#!/bin/bash
# SPDX-License-Identifier: MIT
# hakmemctl enable --system and disable --system, on copies of /etc and /var/lib in a mount namespace
# of its own: the trial comes first, and the file is afterwards what it was, byte for byte.
set -euo pipefail
export LC_ALL=C
[ "${SANITIZER:-no}" = no ] || { echo "no shared object in a sanitizer build"; exit 77; }
build=$(cd "${top_builddir:-.}" && pwd)
ctl=$build/src/hakmemctl/hakmemctl
[ -x "$ctl" ] || { echo "hakmemctl was not built"; exit 77; }
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
list=/etc/ld.so.preload

if [ "${1-}" != inside ]; then
    unshare --mount true 2>/dev/null || { echo "a mount namespace is not permitted here"; exit 77; }
    exec unshare --mount "$0" inside
fi
work=$(mktemp -d /tmp/hakmem-system.XXXXXX)
trap 'umount -l "$work" /etc /var/lib 2>/dev/null; rmdir "$work"' EXIT
mount -t tmpfs -o mode=755 tmpfs "$work"
cp -a /etc "$work/etc"
mkdir "$work/lib" "$work/hidden"
mount --bind "$work/etc" /etc
mount --bind "$work/lib" /var/lib
rm -f $list
cp -L "$build/.libs/libhakmem.so.1" "$work/libhakmem.so.1"
cp -L "$build/.libs/libhakmem.so.1" "$work/hidden/libhakmem.so.1"
chmod 755 "$work/libhakmem.so.1"
chmod 700 "$work/hidden"
library=$work/libhakmem.so.1
failed=0
count=0

# ctl STATUS TEXT ARGUMENT...
ctl() {
    local status=$1 text=$2 got=0
    shift 2
    count=$((count + 1))
    "$ctl" "$@" >"$work/said" 2>&1 || got=$?
    if [ $got -ne "$status" ] || ! grep -qF -- "$text" "$work/said"; then
        echo "not true: hakmemctl $* ends with $status and says '$text'; it ended with $got and said:"
        cat "$work/said"
        failed=1
    fi
}

true_that() { # SENTENCE COMMAND...
    count=$((count + 1))
    "${@:2}" >/dev/null 2>&1 || { echo "not true: $1"; failed=1; }
}

served() { grep -q "$library" /proc/self/maps; }
not_served() { ! served; }

for contents in absent empty other comment no_newline; do
    rm -f $list "$work/before"
    case $contents in
    absent) ;;
    empty) : >$list ;;
    other) printf 'libm.so.6\n\n  libdl.so.2:librt.so.1\n' >$list ;;
    comment) printf '# a comment of ours\nlibm.so.6\n' >$list ;;
    no_newline) printf 'libm.so.6' >$list ;;
    esac
    [ ! -e $list ] || { chmod 604 $list; cp -a $list "$work/before"; }

    ctl 0 "cat                      works" enable --system --library "$library"
    true_that "$contents: hakmem is the first line" [ "$(head -n 1 $list)" = "$library" ]
    true_that "$contents: a program that starts has it" served
    ctl 0 "names hakmem already" enable --system --library "$library"
    ctl 0 "enabled for the whole system" status --system
    ctl 0 "it was before" disable --system
    if [ -e "$work/before" ]; then
        true_that "$contents: the file is the same" cmp $list "$work/before"
        true_that "$contents: its mode is the same" [ "$(stat -c %a $list)" = 604 ]
    else
        true_that "$contents: the file does not exist" [ ! -e $list ]
    fi
    true_that "$contents: nothing is left beside it" [ "$(ls -A /etc | grep -c ld.so.preload)" = "$(ls -A "$work" | grep -c before)" ]
    true_that "$contents: a program that starts does not have it" not_served
    ctl 0 "nothing to do" disable --system
done

# edited in between
printf 'libm.so.6\n' >$list
ctl 0 "every program" enable --system --library "$library"
printf 'librt.so.1\n' >>$list
ctl 0 "edited since" disable --system
true_that "what was added stays, ours is gone" [ "$(cat $list)" = $'libm.so.6\nlibrt.so.1' ]

# written by hand
printf 'libm.so.6 %s librt.so.1\n' "$library" >$list
ctl 0 "did not write it" disable --system
true_that "the others stay" [ "$(cat $list)" = 'libm.so.6 librt.so.1' ]

# what fails in the trial, or before it, changes nothing
rm -f $list
ctl 1 "cannot be read by every user" enable --system --library "$work/hidden/libhakmem.so.1"
ctl 1 "No such file" enable --system --library "$work/none.so.1"
cc=${CC:-cc}
echo 'void *malloc(unsigned long n) { (void)n; return 0; } void free(void *p) { (void)p; }' >"$work/bad.c"
if $cc -shared -fPIC -o "$work/bad.so" "$work/bad.c" 2>/dev/null; then
    cp "$work/bad.so" "$work/libhakmem.so.9"
    ctl 1 "nothing was changed" enable --system --library "$work/libhakmem.so.9"
fi
true_that "the file was not made" [ ! -e $list ]
printf 'libm.so.6\0\n' >$list
ctl 1 "leaving it alone" enable --system --library "$library"
rm -f $list

# a machine with 32-bit programs, where each of them would write an error
cat >"$work/small.c" <<'PROGRAM'
void _start(void) { __asm__("movl $1, %%eax\n xorl %%ebx, %%ebx\n int $0x80" ::: "eax", "ebx"); }
PROGRAM
mkdir "$work/bin"
if $cc -m32 -nostdlib -fno-pic -no-pie -Wl,--no-as-needed,-dynamic-linker,/lib/ld-linux.so.2 -o "$work/bin/small" "$work/small.c" \
    /lib32/libc.so.6 2>/dev/null && "$work/bin/small"; then
    mount --bind "$work/bin" /usr/local/bin
    ctl 1 "32-bit programs cannot load the library" enable --system --library "$library"
    true_that "the file was not made" [ ! -e $list ]
    ctl 0 "every program" enable --system --force --library "$library"
    true_that "a program that starts has it" served
    ctl 0 "does not exist" disable --system
    umount /usr/local/bin
fi

# no namespace: LD_PRELOAD takes its place, and it is said
if command -v setpriv >/dev/null; then
    ctl_here=$ctl
    cat >"$work/without" <<SCRIPT
#!/bin/sh
exec setpriv --bounding-set -sys_admin --inh-caps -sys_admin "$ctl_here" "\$@"
SCRIPT
    chmod +x "$work/without"
    ctl=$work/without
    ctl 0 "a setuid program         was not tried" enable --system --library "$library"
    true_that "a program that starts has it" served
    ctl 0 "does not exist" disable --system
    ctl=$ctl_here
fi

# a full file system, and one that refuses
mount -t tmpfs -o size=8k tmpfs /var/lib
dd if=/dev/zero of=/var/lib/full bs=4096 count=4 2>/dev/null || true
printf 'libm.so.6\n' >$list
ctl 1 "make room" enable --system --library "$library"
true_that "the file is as it was" [ "$(cat $list)" = libm.so.6 ]
umount /var/lib
rm -f $list
mount -o remount,bind,ro /etc
ctl 1 "read-only" enable --system --library "$library"
mount -o remount,bind,rw /etc
true_that "the file was not made" [ ! -e $list ]

[ $failed -eq 0 ] && echo "$count are as they should be"
exit $failed
