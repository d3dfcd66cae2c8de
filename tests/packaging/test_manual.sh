#!/bin/bash
# SPDX-License-Identifier: MIT
# The manual: each public function is described, no page is stale against the tables and the header, the
# pages are clean, and every example in them works: C compiles and runs, commands run, settings are taken.
# (What needs a machine of its own, packaging/tests/machine runs; what needs an installation,
# test_installed.sh.)
set -euo pipefail
top=${top_srcdir:-.} build=${top_builddir:-.}
[ "${SANITIZER:-no}" = no ] || { echo "the manual is checked in a build without sanitizers"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

report() {
    echo "not true: $1"
    failed=1
}

# ---- each function is described (that it has a page of its name: test_installed.sh) ----
for name in $(nm -D --defined-only "$build/.libs/libhakmem.so.1" | sed -n 's/.* T \(hakmem_[a-z_]*\)$/\1/p'); do
    grep -q "^\.Fn $name\b" "$top/man/libhakmem.3" || report "libhakmem(3) describes $name"
    grep -q "^\.Nm $name\b" "$top/man/libhakmem.3" || report "libhakmem(3) names $name, so that apropos finds it"
done
# ---- not stale ----
"$top/man/update" --check "$build" || report 'the pages say what the tables say'

# ---- clean ----
for page in "$top"/man/*.[1-8]; do
    head -n 2 "$page" | grep -q 'SPDX-License-Identifier: MIT' || report "${page##*/} has a licence line"
    if command -v mandoc >/dev/null; then
        (cd "$top" && mandoc -Tlint -W warning "man/${page##*/}") >"$work/lint" 2>&1 ||
            report "mandoc has nothing to say about ${page##*/} ($(sed -n 1,3p "$work/lint"))"
    fi
    if man --version 2>/dev/null | grep -q '^man 2'; then # man-db; others know no --warnings
        LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" \
            2>"$work/lint" >/dev/null || report "man shows ${page##*/}"
        [ ! -s "$work/lint" ] || report "man has nothing to say about ${page##*/} ($(sed -n 1,3p "$work/lint"))"
    fi
done

# ---- examples ----
# examples PAGE KIND: the text of the examples that are marked so, one file each: $work/KIND.N
examples() {
    awk -v kind="$2" -v out="$work/$2." '
        $0 == ".\\\" test: " kind { wanted = 1; next }
        wanted && /^\.Bd / { n++; inside = 1; wanted = 0; next }
        inside && /^\.Ed/ { inside = 0; next }
        inside { gsub(/\\e/, "\\"); gsub(/\\-/, "-"); sub(/^\\&/, ""); print >(out n) }' "$1"
}
# An example without a mark is one that nobody runs.
for page in "$top"/man/*.[1-8]; do
    awk '/^\.\\" test: / { marked = 1; next }
        /^\.Bd / { if (!marked) { print FILENAME ":" FNR ": an example that no test runs"; bad = 1 } }
        { marked = 0 }
        END { exit bad }' "$page" || report "every example of ${page##*/} is run by a test"
done

cc=${CC:-cc}
examples "$top/man/libhakmem.3" c
[ -s "$work/c.1" ] || report 'libhakmem(3) has an example in C'
for source in "$work"/c.*; do
    [ -e "$source" ] || continue
    cp "$source" "$work/program.c"
    $cc -Wall -Wextra -Werror -o "$work/program" -I"$top/include" "$work/program.c" \
        -L"$build/.libs" -lhakmem -Wl,-rpath,"$build/.libs"
    "$work/program" || report "the example $(sed -n 1p "$work/program.c")... runs"
done


# commands: run as they stand, with the tools and the library of this build
build=$(cd "$build" && pwd)
export PATH="$build/src/hakmemctl:$PATH" LD_LIBRARY_PATH="$build/.libs"
for page in "$top"/man/*.[1-8]; do
    rm -f "$work"/run.*
    examples "$page" run
    for commands in "$work"/run.*; do
        [ -e "$commands" ] || continue
        if grep -q python3 "$commands" && ! command -v python3 >/dev/null; then continue; fi
        if grep -q hakmemctl "$commands" && [ ! -x "$build/src/hakmemctl/hakmemctl" ]; then continue; fi
        sh -e "$commands" >"$work/said" 2>&1 ||
            report "this example of ${page##*/} runs: $(cat "$commands") ($(sed -n 1,5p "$work/said"))"
        if grep -q 'cannot be preloaded' "$work/said"; then report "the library is found: $(cat "$commands")"; fi
    done

    # settings: hakmem itself has nothing to say about them
    rm -f "$work"/conf.*
    examples "$page" conf
    for settings in "$work"/conf.*; do
        [ -e "$settings" ] || continue
        HAKMEM_CONF="$settings" LD_PRELOAD="$build/.libs/libhakmem.so.1" env true 2>"$work/said" ||
            report "a program starts with these settings: $(cat "$settings")"
        [ ! -s "$work/said" ] || report "hakmem takes this example of ${page##*/}: $(cat "$work/said")"
    done
done

[ $failed -eq 0 ] && echo "the manual is complete, fresh and clean"
exit $failed
