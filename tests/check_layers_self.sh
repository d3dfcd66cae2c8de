#!/bin/bash
# SPDX-License-Identifier: MIT
# check_layers.sh finds what breaks its rules: each tree below has one break and must be refused
# with the message that belongs to it, and a tree without one must pass.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# tree FILE TEXT: a good tree, with one file added or replaced
tree() {
    rm -rf "$work/src"
    mkdir -p "$work/src"/{base,os,registry,pool,large,heap,hakmemctl}
    printf '%s\n' '# comment' 'base        bits' 'os          system calls' 'registry    map' \
        'pool large   runs and spans' 'heap        bins' 'hakmemctl   tool' >"$work/src/LAYERS"
    echo '/* mmap( is only spoken of */ extern int b;' >"$work/src/base/bits.h"
    echo '#define load(p) __atomic_load_n((p), 0)' >"$work/src/base/atomic.h"
    printf '#include "base/bits.h"\nvoid f(void) { mmap(0); }\n' >"$work/src/os/os.c"
    echo '#include <urcu-bp.h>' >"$work/src/registry/registry.c"
    touch "$work/src/registry/registry.h" "$work/src/registry/leaf.h" "$work/src/pool/pool.h" \
        "$work/src/large/large.h" "$work/src/heap/heap.h"
    printf '#include "registry/registry.h"\n#include "base/atomic.h"\nconst char *s = "mmap(";\n' \
        >"$work/src/pool/pool.c"
    [ $# -eq 0 ] || printf '%b\n' "$2" >"$work/src/$1"
}

passes() {
    tree
    "$here/check_layers.sh" "$work/src" >"$work/out" 2>&1 ||
        { echo "a tree without a break was refused:"; cat "$work/out"; failed=1; }
}

refused() { # FILE TEXT MESSAGE
    tree "$1" "$2"
    if "$here/check_layers.sh" "$work/src" >"$work/out" 2>&1; then
        echo "not found: $1: $2"; failed=1
    elif ! grep -qF "$1" "$work/out" || ! grep -qF "$3" "$work/out"; then
        echo "found, but without '$3':"; cat "$work/out"; failed=1
    fi
}

passes
refused base/up.c '#include "heap/heap.h"' 'is above layer base'
refused pool/side.c '#include "large/large.h"' 'is a sibling of layer pool'
refused heap/private.c '#include "registry/leaf.h"' 'is private to layer registry'
refused heap/unknown.c '#include "attic/attic.h"' 'is not a layer'
refused heap/map.c 'void *g(void) { return mmap(0, 1, 2, 3, 4, 5); }' 'belongs to layer os'
refused heap/call.c 'long h(void) { return syscall(39); }' 'belongs to layer os'
refused heap/rcu.c '#include <urcu-bp.h>' 'liburcu belongs to layer registry'
refused heap/read.c 'void r(void) { rcu_read_lock(); }' 'liburcu belongs to layer registry'
refused heap/atomic.c 'int a(int *p) { return __atomic_load_n(p, 5); }' 'belong to base/atomic.h'
refused heap/std.c '#include <stdatomic.h>' 'belong to base/atomic.h'
refused hakmemctl/tool.c '#include "heap/heap.h"' 'public headers, the tables'
refused heap/after.c '/* text */ int b; /* two\nlines */ void *m(void) { return mremap(0, 1, 2, 3); }' \
    'heap/after.c:2'

mkdir "$work/src/attic"
tree; mkdir -p "$work/src/attic"; touch "$work/src/attic/a.c"; echo 'int a;' >"$work/src/attic/a.c"
if "$here/check_layers.sh" "$work/src" >"$work/out" 2>&1; then
    echo "not found: a directory that is not in LAYERS"; failed=1
fi

[ $failed -eq 0 ] && echo "every break was found"
exit $failed
