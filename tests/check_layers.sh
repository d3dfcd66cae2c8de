#!/bin/bash
# SPDX-License-Identifier: MIT
# Proves that the sources keep to their layers (src/LAYERS).
#
#   check_layers.sh [SRC]       SRC: the directory that holds LAYERS (default: src of this project)
#
# - a file includes headers of its own layer and of lower ones; siblings do not include each other;
# - of another layer only its face, layer/layer.h (all headers of the layers in `open` are faces);
# - hakmemctl, another program, includes of the library only what reads options, and counters/table.h;
# - what stands for one place in the house is used in that place only (system calls, liburcu, atomics).
#
# Prints file:line and the rule for each break of it; exit status 1 when there is one.
set -euo pipefail
export LC_ALL=C

src=${1:-${top_srcdir:-$(cd "$(dirname "$0")/.." && pwd)}/src}
[ -f "$src/LAYERS" ] || { echo "check_layers: $src/LAYERS is missing" >&2; exit 2; }
cd "$src"

# Line comments and block comments become blanks, so that the text may speak of mmap; lines stay.
mapfile -t files < <(find . -mindepth 2 -name '*.[ch]' -printf '%P\n' | sort)
[ ${#files[@]} -gt 0 ] || { echo "check_layers: no sources under $src" >&2; exit 2; }

awk -v open="base os" '
function broken(what) { printf "src/%s:%d: %s\n", file, FNR, what; bad++ }

BEGIN { n = split(open, list, " "); for (i = 1; i <= n; i++) face_of_all[list[i]] = 1 }

# --- LAYERS: names in front of two blanks, siblings on one line ---
FILENAME == "LAYERS" {
    if ($0 ~ /^#/ || $0 ~ /^[ \t]*$/) next
    line = $0
    split(line, part, /  +/)
    names = (index(line, "  ") > 0) ? part[1] : line
    rank++
    # a line of several names may be followed by its text after one blank only: stop at a non-directory
    m = split(names, name, " ")
    for (i = 1; i <= m; i++) rank_of[name[i]] = rank
    next
}

FNR == 1 {
    file = FILENAME; in_comment = 0
    layer = file; sub(/\/.*/, "", layer)
    if (!(layer in rank_of)) { broken("directory " layer " is not in LAYERS") }
}

{
    # take comments and string literals out, keep the includes
    text = $0; clean = ""
    is_include = (text ~ /^[ \t]*#[ \t]*include/)
    while (length(text) > 0) {
        if (in_comment) {
            i = index(text, "*/")
            if (i == 0) { text = ""; break }
            text = substr(text, i + 2); in_comment = 0
            continue
        }
        if (match(text, /\/\*|\/\/|"/) == 0) { clean = clean text; break }
        clean = clean substr(text, 1, RSTART - 1)
        what = substr(text, RSTART, RLENGTH)
        text = substr(text, RSTART + RLENGTH)
        if (what == "/*") in_comment = 1
        else if (what == "//") break
        else if (is_include) clean = clean "\""
        else if (match(text, /^([^"\\]|\\.)*"/)) text = substr(text, RLENGTH + 1)
    }
}

is_include && match(clean, /"[^"\/]+\/[^"]+"/) {
    header = substr(clean, RSTART + 1, RLENGTH - 2)
    other = header; sub(/\/.*/, "", other)
    if (!(other in rank_of)) {
        if (other != "hakmem") broken("\"" header "\": " other " is not a layer")
    } else if (layer == "hakmemctl" && other != layer) {
        if (other != "options" && header != "counters/table.h")
            broken("\"" header "\": hakmemctl includes public headers, the tables, and what reads options")
    } else if (other != layer) {
        if (rank_of[other] > rank_of[layer])
            broken("\"" header "\" is above layer " layer)
        else if (rank_of[other] == rank_of[layer])
            broken("\"" header "\" is a sibling of layer " layer)
        else if (!(other in face_of_all) && header != other "/" other ".h")
            broken("\"" header "\" is private to layer " other ": include \"" other "/" other ".h\"")
    }
}

is_include && /<(urcu|rcu)[^>]*>/ && layer != "registry" { broken("liburcu belongs to layer registry") }
is_include && /<stdatomic\.h>/ && file != "base/atomic.h" { broken("atomics belong to base/atomic.h") }
is_include { next }

clean ~ /(^|[^A-Za-z0-9_])(mmap|mmap64|munmap|madvise|process_madvise|mprotect|mremap|msync|mlock|sbrk|brk|syscall)[ \t]*\(/ && layer != "os" {
    broken("a system call for memory, or syscall(), belongs to layer os")
}
clean ~ /(^|[^A-Za-z0-9_])(rcu_|urcu_|synchronize_rcu|call_rcu|cds_)[a-z_]*[ \t]*\(/ && layer != "registry" {
    broken("liburcu belongs to layer registry")
}
clean ~ /__atomic_|__sync_[a-z]|atomic_(load|store|exchange|fetch|compare)[a-z_]*[ \t]*\(|_Atomic/ && file != "base/atomic.h" {
    broken("atomics belong to base/atomic.h")
}

END {
    if (bad) { printf "%d breaks of the layers\n", bad; exit 1 }
}' LAYERS "${files[@]}"

echo "${#files[@]} files keep to the layers"
