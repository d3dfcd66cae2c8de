#!/bin/bash
# SPDX-License-Identifier: MIT
# A C and a C++ program that are linked with -static and libhakmem.a run, are served by hakmem, and may
# have functions that are called as some inside of it are.
set -euo pipefail
[ "${SANITIZER:-no}" = no ] || { echo "no archive in a sanitizer build"; exit 77; }
archive=${top_builddir:-.}/.libs/libhakmem.a
include=${top_srcdir:-.}/include
[ -e "$archive" ] || { echo "configured without a static library"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc=${CC:-cc} cxx=${CXX:-c++}

cat >"$work/program.c" <<'PROGRAM'
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hakmem/hakmem.h>

int lock_take(int n) { return n + 1; }
int pool_give(int n) { return n - 1; }

static void *thread(void *unused)
{
    for (size_t i = 0; i < 3000; i++)
        free(malloc(i * 50));
    return unused;
}

static void must_serve(void *p)
{
    if (p == NULL || !hakmem_owns(p)) {
        puts("not a block of hakmem");
        exit(1);
    }
    free(p);
}

int main(void)
{
    pthread_t other;
    void *p;
    pthread_create(&other, NULL, thread, NULL);
    pthread_join(other, NULL);
    must_serve(malloc(100));
    must_serve(realloc(calloc(10, 20000), 300000));
    must_serve(strdup("what the C library allocates"));
    must_serve(memalign(4096, 5000));
    must_serve(aligned_alloc(64, 128));
    must_serve(valloc(10));
    must_serve(pvalloc(10));
    must_serve(posix_memalign(&p, 256, 1000) == 0 ? p : NULL);
    mallinfo2();
    malloc_trim(0);
    return strncmp(hakmem_version(), "hakmem ", 7) != 0 || lock_take(pool_give(0)) != 0;
}
PROGRAM

cat >"$work/program.cc" <<'PROGRAM'
#include <cstdio>
#include <map>
#include <new>
#include <string>
#include <thread>

#include <hakmem/hakmem.h>

int main()
{
    std::map<int, std::string> map;
    for (int i = 0; i < 10000; i++)
        map[i] = std::string(static_cast<std::size_t>(i % 300), 'x');
    std::thread([] { delete new int; }).join();
    if (!hakmem_owns(map[299].data()))
        return 1;
    try {
        static_cast<void>(::operator new(static_cast<std::size_t>(1) << 62));
        return 2;
    } catch (const std::bad_alloc &) {
    }
    return new (std::nothrow) char[static_cast<std::size_t>(1) << 61] != nullptr ? 3 : 0;
}
PROGRAM

libraries=("$archive" -lurcu-bp -lurcu-common -pthread -ldl)
echo 'int main(void) { return 0; }' >"$work/empty.c"
$cc -static -o "$work/empty" "$work/empty.c" -lurcu-bp -lurcu-common -pthread 2>/dev/null ||
    { echo "there is no static C library or liburcu"; exit 77; }
$cc -static -o "$work/c" "$work/program.c" -I"$include" "${libraries[@]}"
"$work/c"
$cxx -static -o "$work/c++" "$work/program.cc" -I"$include" "${libraries[@]}"
"$work/c++"
