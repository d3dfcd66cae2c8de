# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What quickstart and tests/programs/run share. Sourced, not run.

say() { printf '%s\n' "$*"; }
step() { printf '\n== %s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# Fedora's name of a Debian package, or names, or nothing when it has none of its own.
rpm_name() {
    case $1 in
    autoconf | automake | git | libtool | make | memcached | nginx | perl | ruby | wrk | golang | curl | binutils) echo "$1" ;;
    # Debian's have the sanitizers and the static libraries with them
    gcc) echo gcc libasan libubsan libtsan ;;
    g++) echo gcc-c++ libstdc++-static ;;
    libc6-dev) echo glibc-devel glibc-static ;;
    pkg-config) echo pkgconf-pkg-config ;;
    liburcu-dev) echo userspace-rcu-devel ;;
    libcmocka-dev) echo libcmocka-devel ;;
    libjansson-dev) echo jansson-devel ;;
    libncurses-dev) echo ncurses-devel ;;
    redis-server | redis-tools) echo redis ;;
    postgresql) echo postgresql-server postgresql-contrib ;;
    python3) echo python3 ;;
    libpython3-testsuite) echo python3-test ;;
    sqlite3) echo sqlite ;;
    nodejs) echo nodejs ;;
    golang-go) echo golang ;;
    default-jdk-headless) echo java-latest-openjdk-devel ;;
    util-linux) echo util-linux ;;
    procps) echo procps-ng ;;
    *) echo "$1" ;;
    esac
}

is_installed() {
    if command -v dpkg-query >/dev/null; then
        dpkg-query -W -f='${db:Status-Status}\n' "${1/#libpython3-/libpython3.*-}" 2>/dev/null | grep -qx installed
    else
        rpm -q --whatprovides "$1" >/dev/null 2>&1 # newer Fedoras have redis under another name
    fi
}

# Debian's test suite of Python has the version in its name: take the newest there is.
versioned_packages() { # changes `missing` of install_packages
    local i
    for i in "${!missing[@]}"; do
        [ "${missing[i]}" != libpython3-testsuite ] ||
            missing[i]=$(apt-cache search --names-only '^libpython3\.[0-9]+-testsuite$' | sed 's/ .*//' | sort -V | tail -n 1)
    done
}

# install_packages NAME...: by Debian's names. Says what it installs, starts no service.
install_packages() {
    local name missing=() manager log
    if command -v apt-get >/dev/null; then
        manager=apt
    elif command -v dnf >/dev/null; then
        manager=dnf
    else
        die "neither apt-get nor dnf is here: install by hand what is needed: $*"
    fi
    for name in "$@"; do
        if [ $manager = dnf ]; then
            local rpm
            for rpm in $(rpm_name "$name"); do
                is_installed "$rpm" || [[ " ${missing[*]} " == *" $rpm "* ]] || missing+=("$rpm")
            done
        else
            is_installed "$name" || missing+=("$name")
        fi
    done
    [ ${#missing[@]} -gt 0 ] || { say "installed already: $*"; return 0; }
    say "installing with $manager: ${missing[*]}"
    [ "$(id -u)" = 0 ] ||
        die "root is needed to install packages: run as root, or install these first: ${missing[*]}"
    log=$(mktemp)
    local status=0
    if [ $manager = dnf ]; then
        dnf install -y -q "${missing[@]}" >"$log" 2>&1 </dev/null || status=$?
    else
        # A package must not start its service here: this is what invoke-rc.d asks.
        local policy=/usr/sbin/policy-rc.d made=no
        if [ ! -e $policy ]; then
            printf '#!/bin/sh\nexit 101\n' >$policy
            chmod 755 $policy
            made=yes
        fi
        {
            apt-get -o DPkg::Lock::Timeout=300 update -qq &&
                versioned_packages &&
                DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq \
                    --no-install-recommends "${missing[@]}"
        } >"$log" 2>&1 </dev/null || status=$?
        [ $made = no ] || rm -f $policy
    fi
    if [ $status -ne 0 ]; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "the packages could not be installed (above: the end of $manager's output): check the network and the package sources, then run this again"
    fi
    rm -f "$log"
}

# free_port: a TCP port of the loopback that nobody listens on
free_port() {
    local port
    for _ in $(seq 100); do
        port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo $port; return 0; }
    done
    die "no free TCP port between 20000 and 32000 on 127.0.0.1"
}

# wait_for SECONDS COMMAND...: until the command succeeds
wait_for() {
    local tries=$(($1 * 10))
    shift
    for _ in $(seq $tries); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    return 1
}

# peak_kib PID: the most memory the process ever held, in KiB
peak_kib() { sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"; }
resident_kib() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"; }

# libc_path: the C library that programs are linked with
libc_path() { ldd /bin/sh | sed -n 's/.*libc\.so\.6 => \([^ ]*\).*/\1/p'; }

now_ms() { echo $(($(date +%s%N) / 1000000)); }
