#!/bin/bash
# SPDX-License-Identifier: MIT
# What `make install` puts into a root: each function has a page; the library is found through pkg-config and through CMake, and a C and a C++
# program that are built with it, shared and wholly static, run on hakmem. The commands are those of
# libhakmem(3).
set -euo pipefail
top=${top_srcdir:-.} build=${top_builddir:-.}
[ "${SANITIZER:-no}" = no ] || { echo "a sanitizer build installs no library"; exit 77; }
command -v pkg-config >/dev/null || { echo "pkg-config is missing"; exit 77; }
top=$(cd "$top" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

report() {
    echo "not true: $1"
    failed=1
}

env -u MAKEFLAGS -u MFLAGS make -C "$build" install DESTDIR="$work/root" >"$work/log" 2>&1 ||
    { tail -n 20 "$work/log"; exit 1; }
pc=$(find "$work/root" -name hakmem.pc)
libdir=${pc%/pkgconfig/hakmem.pc}
cd "$work"

for name in $(nm -D --defined-only "$libdir/libhakmem.so.1" | sed -n 's/.* T \(hakmem_[a-z_]*\)$/\1/p'); do
    [ -s "$(find root -name "$name.3" | sed -n 1p)" ] || report "$name has a page"
done
for page in $(find root -name 'hakmem_*.3'); do
    name=${page##*/}
    nm -D --defined-only "$libdir/libhakmem.so.1" | grep -q " ${name%.3}\$" || report "$name is the page of a function"
done

# ---- examples of the manual, built with what was installed ----
# examples KIND: writes those of all pages to KIND.1, KIND.2, ...
examples() {
    "$top/man/examples" "$1" "$work" "$top"/man/*.[1-8] >/dev/null
}
examples c
cp c.1 program.c
cat >program.cc <<'PROGRAM'
#include <hakmem/hakmem.h>
#include <memory>
#include <string>

int main()
{
    auto text = std::make_unique<std::string>(1000, 'x');
    return hakmem_owns(text.get()) && hakmem_owns(text->data()) ? 0 : 1;
}
PROGRAM

# pkg-config looks into the root alone for hakmem.pc, and at the machine for liburcu's
export PKG_CONFIG_PATH="$work/pc" LD_LIBRARY_PATH="$libdir"
mkdir pc
sed "s,^prefix=,prefix=$work/root," "$pc" | sed -E "s,^(libdir|includedir)=/,\1=$work/root/,;" >pc/hakmem.pc
[ "$(pkg-config --variable=libdir hakmem)" -ef "$libdir" ] || report "hakmem.pc names the directory of the library"
static=yes
echo 'int main(void) { return 0; }' >empty.c
cc -static -o empty empty.c -lurcu-bp -lurcu-common -pthread 2>/dev/null || static=no
[ -e "$libdir/libhakmem.a" ] || static=no

while read -r command; do
    case $command in
    *-static*) [ $static = yes ] || { echo "(no static libraries here: $command)"; continue; } ;;
    esac
    rm -f program
    sh -c "$command" || { report "this builds: $command"; continue; }
    ./program >output 2>&1 || report "what this built runs: $command ($(cat output))"
done < <(examples compile && cat compile.[0-9]*)

# ---- CMake ----
if command -v cmake >/dev/null; then
    examples cmake
    for project in cmake.[0-9]*; do
        cp "$project" CMakeLists.txt
        rm -rf cmake-build
        if ! { cmake -S . -B cmake-build -Dhakmem_DIR="$libdir/cmake/hakmem" && cmake --build cmake-build; } >log 2>&1; then
            report "CMake builds with it ($(tail -n 5 log))"
            continue
        fi
        cmake-build/program >output 2>&1 || report "what CMake linked with the shared library runs ($(cat output))"
        cmake-build/program-static >output 2>&1 || report "what CMake linked with the archive runs ($(cat output))"
        if ldd cmake-build/program-static | grep -q libhakmem; then report 'hakmem::static is the archive'; fi
    done
else
    echo "(cmake is missing: its package file was not tried)"
fi

[ $failed -eq 0 ] && echo "what is installed can be built with"
exit $failed
