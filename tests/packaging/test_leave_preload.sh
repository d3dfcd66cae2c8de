#!/bin/bash
# SPDX-License-Identifier: MIT
# What runs before the library is removed takes it out of /etc/ld.so.preload and of the drop-ins that
# hakmemctl made, and leaves everything else; it does nothing on an upgrade, and nothing while another
# architecture's library stays. Run on a copy that looks into a directory instead of /etc.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

mkdir -p "$work/bin"
printf '#!/bin/sh\n' >"$work/bin/systemctl"
chmod +x "$work/bin/systemctl"
export PATH=$work/bin:$PATH
sed "s,/etc/,$work/etc/,g" "${top_srcdir:-.}/packaging/leave-preload.sh" >"$work/script"
grep -q "^preload=$work/etc/ld.so.preload$" "$work/script"
preload=$work/etc/ld.so.preload
units=$work/etc/systemd/system
clusters=$work/etc/postgresql

report() {
    echo "not true: $1"
    failed=1
}

# becomes CONTENT CONTENT-AFTER SENTENCE (- is: no file)
becomes() {
    rm -rf "$work/etc"
    mkdir -p "$units"
    [ "$1" = - ] || printf '%b' "$1" >"$preload"
    sh "$work/script" remove >"$work/said" 2>&1 || report "$3 (it failed: $(cat "$work/said"))"
    if [ "$2" = - ]; then
        [ ! -e "$preload" ] || report "$3 (there is a file: $(cat "$preload"))"
    else
        printf '%b' "$2" | cmp -s - "$preload" || report "$3 (it is: $(cat "$preload"))"
    fi
    [ "$1" = "$2" ] || [ -s "$work/said" ] || report "$3, and it is said"
    [ -z "$(find "$work/etc" -name 'ld.so.preload.*')" ] || report "$3, and nothing is left lying"
}

becomes - - 'no file stays no file'
becomes 'libhakmem.so.1\n' - 'a file that names nothing else goes'
becomes '/usr/lib/x86_64-linux-gnu/libhakmem.so.1' - 'a path is known, also without a newline'
becomes '/lib/a.so\n' '/lib/a.so\n' 'a file without hakmem is left alone'
becomes '/lib/a.so libhakmem.so.1 /lib/b.so\n' '/lib/a.so /lib/b.so\n' 'what stands around it stays'
becomes '/lib/a.so\n\nlibhakmem.so.1\n/lib/b.so\n' '/lib/a.so\n\n/lib/b.so\n' 'its line goes, other lines stay as they are'
becomes '# about libhakmem.so\n/lib/a.so\n' '# about libhakmem.so\n/lib/a.so\n' 'a comment is left alone'
becomes 'libhakmem.so.1:libhakmem.so.1:/lib/a.so # libhakmem.so\n' '/lib/a.so # libhakmem.so\n' 'every mention goes, with its colon'

# ---- drop-ins ----
made() { # a machine on which it is enabled
    rm -rf "$work/etc"
    mkdir -p "$units/redis.service.d" "$units/nginx.service.d" "$units/cron.service.d" "$units/other.service.d"
    printf '%s\n' '# Made by hakmemctl enable; hakmemctl disable takes it away.' '# The directory was made with it.' \
        '[Service]' 'Environment="LD_PRELOAD=libhakmem.so.1"' >"$units/redis.service.d/zz-hakmem.conf"
    printf '%s\n' '# Made by hakmemctl enable; hakmemctl disable takes it away.' '[Service]' \
        'Environment="LD_PRELOAD=libhakmem.so.1:/lib/a.so"' \
        "EnvironmentFile=$units/nginx.service.d/zz-hakmem.env" >"$units/nginx.service.d/zz-hakmem.conf"
    printf '%s\n' '# Made by hakmemctl enable; hakmemctl disable takes it away.' 'LD_PRELOAD="libhakmem.so.1:/lib/a.so"' \
        >"$units/nginx.service.d/zz-hakmem.env"
    printf '%s\n' '# Made by hakmemctl enable; hakmemctl disable takes it away.' '# The directory was made with it.' \
        '[Service]' 'Environment="LD_PRELOAD=libhakmem.so.1"' 'Nice=5' >"$units/cron.service.d/zz-hakmem.conf"
    printf '[Service]\nEnvironment=LD_PRELOAD=libhakmem.so.1\n' >"$units/other.service.d/own.conf"
    mkdir -p "$clusters/15/main" "$clusters/15/other"
    printf '%s\n' '# mine' "LD_PRELOAD = 'a.so'" '# Made by hakmemctl enable; hakmemctl disable takes it away.' \
        "LD_PRELOAD = 'libhakmem.so.1:a.so'" 'B = 1' >"$clusters/15/main/environment"
    chmod 640 "$clusters/15/main/environment"
    printf '%s\n' '# mine' "LD_PRELOAD = 'a.so'" >"$clusters/15/other/environment"
    printf 'libhakmem.so.1\n' >"$preload"
}
made
sh "$work/script" remove >"$work/said" 2>&1 || report 'the removal succeeds'
[ ! -e "$units/redis.service.d" ] || report 'a drop-in goes, and the directory that was made for it'
[ -d "$units/nginx.service.d" ] || report 'a directory that was there before stays'
[ -z "$(ls "$units/nginx.service.d")" ] || report 'a drop-in goes with its environment file'
printf '[Service]\nNice=5\n' | cmp -s - "$units/cron.service.d/zz-hakmem.conf" ||
    report 'what somebody added to a drop-in stays'
[ -e "$units/other.service.d/own.conf" ] || report 'a drop-in that somebody else made stays'
for name in redis nginx cron; do
    grep -q "$name.service.d/zz-hakmem.conf" "$work/said" || report "the drop-in of $name is named"
done
grep -q 'other.service.d/own.conf.*please' "$work/said" || report 'the one that needs a hand is named'

printf '%s\n' '# mine' "LD_PRELOAD = 'a.so'" 'B = 1' | cmp -s - "$clusters/15/main/environment" ||
    report 'its line goes out of a PostgreSQL cluster, and no other'
[ "$(stat -c %a "$clusters/15/main/environment")" = 640 ] || report 'the file of the cluster keeps its mode'
printf '%s\n' '# mine' "LD_PRELOAD = 'a.so'" | cmp -s - "$clusters/15/other/environment" ||
    report 'a cluster that was not enabled is left alone'
grep -q '15/main/environment' "$work/said" || report 'the cluster is named'
! grep -q '15/other/environment' "$work/said" || report 'a cluster that was not enabled is not named'
printf '%s\n' '# Made by hakmemctl enable; hakmemctl disable takes it away.' 'B = 1' >"$clusters/15/other/environment"
printf '%s\n' 'C = 1' '# Made by hakmemctl enable; hakmemctl disable takes it away.' >"$clusters/15/main/environment"
sh "$work/script" remove >"$work/said" 2>&1 || report 'the removal succeeds when the line is gone already'
[ "$(cat "$clusters"/15/*/environment)" = $'C = 1\nB = 1' ] || report 'a mark without its line goes, and nothing else'

# ---- when nothing is to be done ----
unchanged() { # SENTENCE VARIABLE=VALUE... ARGUMENT
    local sentence=$1
    shift
    made
    cp -a "$work/etc" "$work/before"
    env "${@:1:$#-1}" sh "$work/script" "${@: -1}" >"$work/said" 2>&1 || report "$sentence (it failed)"
    diff -r "$work/before" "$work/etc" >/dev/null || report "$sentence"
    [ ! -s "$work/said" ] || report "$sentence, in silence"
    rm -rf "$work/before"
}
unchanged 'nothing happens on an upgrade of the Debian package' A=1 upgrade
unchanged 'nothing happens on an upgrade of the RPM' A=1 1
unchanged 'nothing happens while another architecture stays' DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=2 remove
made
sh "$work/script" 0 >/dev/null 2>&1
[ ! -e "$preload" ] || report 'the last removal of the RPM takes it out'

[ $failed -eq 0 ] && echo "a removed library leaves no preload behind"
exit $failed
