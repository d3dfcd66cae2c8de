#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs before the files of the library are removed (Debian's prerm, the %preun of the RPM): nothing that
# stays on the machine may preload a library that is gone, or every program would complain at start.
#
# hakmem is taken out of /etc/ld.so.preload, and out of the drop-ins and the environment files of
# PostgreSQL's clusters in which `hakmemctl enable` wrote. It does not need the tool, which may be gone already. Not on an upgrade, and only when the last
# architecture goes.
set -eu

case ${1-} in
remove) # Debian: another architecture's library answers to the same name
    [ "${DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT:-1}" -le 1 ] || exit 0
    ;;
0) ;; # RPM: how many of this package stay
*) exit 0 ;;
esac

preload=/etc/ld.so.preload
units=/etc/systemd/system
clusters=/etc/postgresql

# Standard input without the word libhakmem. The loader takes blanks and colons between words, and # as
# the start of a comment. A line of which nothing is left goes.
without_hakmem() {
    sed -E -e '/libhakmem\.so/!b' -e ':again' \
        -e 's,^([^#]*[[:space:]:])?[^[:space:]:#]*libhakmem\.so[^[:space:]:#]*[[:space:]:]*,\1,; t again' \
        -e '/^[[:space:]:]*$/d'
}

leave_preload() {
    [ -f "$preload" ] || return 0
    grep -q 'libhakmem\.so' "$preload" || return 0
    new=$(mktemp "$preload.XXXXXX")
    without_hakmem <"$preload" >"$new"
    if cmp -s "$new" "$preload"; then # named in a comment only
        rm -f "$new"
        return 0
    fi
    if [ -s "$new" ]; then
        chmod --reference="$preload" "$new"
        mv -f "$new" "$preload"
        echo "hakmem: taken out of $preload"
    else
        rm -f "$new" "$preload"
        echo "hakmem: $preload named nothing else and was removed"
    fi
}

# made FILE: did `hakmemctl enable` make it
made() {
    [ -f "$1" ] && sed -n 1p "$1" | grep -q '^# Made by hakmemctl enable'
}

# What somebody added to a drop-in of ours stays.
leave_unit() {
    own_directory=no
    ! grep -q '^# The directory was made with it' "$1" || own_directory=yes
    rest=$(sed -E -e '/^# Made by hakmemctl|^# The directory was made/d' -e '/^Environment="LD_PRELOAD=/d' \
        -e '/^EnvironmentFile=.*\/zz-hakmem\.env$/d' "$1")
    if [ "$rest" = '[Service]' ] || [ -z "$rest" ]; then
        rm -f "$1"
        echo "hakmem: removed $1; the service leaves hakmem when it is restarted"
    else
        printf '%s\n' "$rest" >"$1.new"
        mv -f "$1.new" "$1"
        echo "hakmem: taken out of $1; the service leaves hakmem when it is restarted"
    fi
    ! made "${1%.conf}.env" || rm -f "${1%.conf}.env"
    [ $own_directory = no ] || rmdir "${1%/*}" 2>/dev/null || true
}

leave_units() {
    changed=no
    for file in "$units"/*.d/*.conf; do
        [ -f "$file" ] && grep -q 'libhakmem\.so' "$file" || continue
        if made "$file"; then
            leave_unit "$file"
            changed=yes
        else
            echo "hakmem: $file preloads libhakmem.so and was not made by hakmemctl: please edit it" >&2
        fi
    done
    if [ $changed = yes ] && [ -d /run/systemd/system ]; then
        systemctl daemon-reload || true
    fi
}

# `sed -i` keeps mode and owner, and replaces a link instead of writing where it leads: the directory
# belongs to the server's user.
leave_clusters() {
    for file in "$clusters"/*/*/environment; do
        [ -f "$file" ] && grep -q '^# Made by hakmemctl enable' "$file" || continue
        sed -i -e '/^# Made by hakmemctl enable/!b' -e '$d' -e 'N; s/.*\n//; /^LD_PRELOAD = .*libhakmem\.so/d' "$file"
        echo "hakmem: taken out of $file; the cluster leaves hakmem when it is restarted"
    done
}

leave_preload
leave_units
leave_clusters
