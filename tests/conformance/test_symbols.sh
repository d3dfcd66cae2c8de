#!/bin/bash
# SPDX-License-Identifier: MIT
# What the shared object exports is what is listed here, without a version; and in a program that was
# started with the preload, the program, the C library itself and libstdc++ bind to it.
set -euo pipefail
export LC_ALL=C
[ "${SANITIZER:-no}" = no ] || { echo "no shared object in a sanitizer build"; exit 77; }
library=$(readlink -f "${top_builddir:-.}/.libs/libhakmem.so")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

report() {
    echo "not true: $1"
    failed=1
}

# ---- the list ----
# The _libc_ names are what glibc's own parts and old programs call directly.
cat >"$work/expected" <<'LIST'
__libc_calloc
__libc_free
__libc_malloc
__libc_memalign
__libc_pvalloc
__libc_realloc
__libc_valloc
__posix_memalign
aligned_alloc
calloc
cfree
free
free_aligned_sized
free_sized
hakmem_audit
hakmem_option_get
hakmem_option_origin
hakmem_page
hakmem_owns
hakmem_prewarm
hakmem_stats_get
hakmem_stats_print
hakmem_trim
hakmem_version
mallinfo
mallinfo2
malloc
malloc_info
malloc_stats
malloc_trim
malloc_usable_size
mallopt
memalign
posix_memalign
pvalloc
realloc
reallocarray
valloc
operator delete(void*)
operator delete(void*, std::align_val_t)
operator delete(void*, std::align_val_t, std::nothrow_t const&)
operator delete(void*, std::nothrow_t const&)
operator delete(void*, unsigned long)
operator delete(void*, unsigned long, std::align_val_t)
operator delete[](void*)
operator delete[](void*, std::align_val_t)
operator delete[](void*, std::align_val_t, std::nothrow_t const&)
operator delete[](void*, std::nothrow_t const&)
operator delete[](void*, unsigned long)
operator delete[](void*, unsigned long, std::align_val_t)
operator new(unsigned long)
operator new(unsigned long, std::align_val_t)
operator new(unsigned long, std::align_val_t, std::nothrow_t const&)
operator new(unsigned long, std::nothrow_t const&)
operator new[](unsigned long)
operator new[](unsigned long, std::align_val_t)
operator new[](unsigned long, std::align_val_t, std::nothrow_t const&)
operator new[](unsigned long, std::nothrow_t const&)
LIST
sort -o "$work/expected" "$work/expected"
nm -D --defined-only -C "$library" | cut -d' ' -f3- | sort >"$work/exported"
if ! diff "$work/expected" "$work/exported" >"$work/difference"; then
    cat "$work/difference"
    report "the exported names (>) are the listed names (<)"
fi
if nm -D --defined-only "$library" | grep -F '@'; then
    report "no exported name has a version"
fi

# ---- what binds to it ----
bindings() { # PROGRAM ARGUMENTS...: lines "FROM TO NAME" of the names that we export
    LD_DEBUG=bindings LD_DEBUG_OUTPUT="$work/debug" LD_BIND_NOW=1 LD_PRELOAD="$library" \
        "$@" >"$work/output" 2>&1 || report "$* runs (it wrote: $(tail -n 3 "$work/output"))"
    cat "$work"/debug.* | sed -nE \
        "s/.*binding file ([^ ]+) \[0\] to ([^ ]+) \[0\]: normal symbol .([A-Za-z_0-9]+)'.*/\1 \2 \3/p"
    rm -f "$work"/debug.*
}

expect_binding() { # FROM (pattern) NAME: among the lines on standard input
    grep -qE "^[^ ]*$1 $library $2\$" "$work/bindings" || report "$2 of $1 binds to hakmem"
}

bindings /bin/ls / >"$work/bindings"
for name in malloc free calloc realloc; do
    expect_binding '/bin/ls' $name
    expect_binding '/libc\.so\.6' $name
done

libstdcxx=$(ldconfig -p 2>/dev/null | awk '/libstdc\+\+\.so\.6 / && !found { found = 1; print $NF }')
if [ -n "$libstdcxx" ] && command -v c++ >/dev/null; then
    cat >"$work/program.cc" <<'PROGRAM'
#include <string>
#include <vector>
int main(int argc, char **) { return std::vector<std::string>(argc * 100, "x").empty(); }
PROGRAM
    c++ -o "$work/program" "$work/program.cc"
    bindings "$work/program" >"$work/bindings"
    expect_binding '/program' _Znwm
    expect_binding '/program' '_ZdlPvm?'
    expect_binding '/libstdc[+]+\.so\.6' malloc
    expect_binding '/libstdc[+]+\.so\.6' free
    expect_binding '/libstdc[+]+\.so\.6' '_ZdlPv'
fi

# Every name of the family that any library uses binds to us and not to the C library.
while read -r from to name; do
    [ "$to" = "$library" ] || report "$name of $from binds to hakmem, not to $to"
done < <(grep -E ' (malloc|calloc|realloc|free|memalign|posix_memalign|aligned_alloc|malloc_usable_size)$' \
    "$work/bindings")

[ $failed -eq 0 ] && echo "all names are exported as listed and bind to hakmem"
exit $failed
