#!/bin/bash
# SPDX-License-Identifier: MIT
# The manual: each public function is described, no page is stale against the tables and the header, the
# pages are clean, and every example in them is run by a test (man/examples --kinds): here C compiles and
# runs, commands run, and settings are taken.
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

# ---- examples: each is of a kind, and the test of that kind asks for all of them ----
"$top/man/examples" --check "$top"/man/*.[1-8] || report 'every example is run by a test'
while read -r kind runner; do
    grep -Eq "^[^#]*examples\"? $kind([ )]|\$)" "$top/$runner" || report "$runner runs the examples of the kind $kind"
done < <("$top/man/examples" --kinds)

ran=0 passed_over=0
# examples KIND: writes all of them to $work/KIND.N, and their names to the output
examples() {
    "$top/man/examples" "$1" "$work" "$top"/man/*.[1-8] >/dev/null
    ls "$work/$1".[0-9]*
}
pass_over() {
    echo "(not run, $1: $(sed -n 1p "$example"))"
    passed_over=$((passed_over + 1))
}

cc=${CC:-cc}
for example in $(examples c); do
    ran=$((ran + 1))
    cp "$example" "$work/program.c"
    if ! $cc -Wall -Wextra -Werror -o "$work/program" -I"$top/include" "$work/program.c" \
        -L"$build/.libs" -lhakmem -Wl,-rpath,"$build/.libs" >"$work/said" 2>&1; then
        report "this example compiles: $(sed -n 1,5p "$work/said")"
    elif ! "$work/program" >"$work/said" 2>&1; then
        report "this example runs: $(cat "$example" "$work/said")"
    fi
done

# commands: run as they stand, with the tools and the library of this build
build=$(cd "$build" && pwd)
export PATH="$build/src/hakmemctl:$PATH" LD_LIBRARY_PATH="$build/.libs"
hakmemctl=no
[ ! -x "$build/src/hakmemctl/hakmemctl" ] || hakmemctl=yes
for example in $(examples run); do
    if grep -q python3 "$example" && ! command -v python3 >/dev/null; then
        pass_over 'python3 is missing'
        continue
    fi
    if grep -q hakmemctl "$example" && [ $hakmemctl = no ]; then
        pass_over 'hakmemctl was not built'
        continue
    fi
    ran=$((ran + 1))
    sh -e "$example" >"$work/said" 2>&1 ||
        report "this example runs: $(cat "$example") ($(sed -n 1,5p "$work/said"))"
    if grep -q 'cannot be preloaded' "$work/said"; then report "the library is found: $(cat "$example")"; fi
done

# what the tool says of a command is what the page shows: the first word is its name
for example in $(examples help); do
    if [ $hakmemctl = no ]; then
        pass_over 'hakmemctl was not built'
        continue
    fi
    ran=$((ran + 1))
    name=$(sed -n '1s/:.*//p' "$example")
    hakmemctl "$name" --help 2>&1 | diff "$example" - >"$work/said" ||
        report "hakmemctl $name --help says what its page shows ($(sed -n 1,5p "$work/said"))"
done

# settings: hakmem itself has nothing to say about them
for example in $(examples conf); do
    ran=$((ran + 1))
    HAKMEM_CONF="$example" LD_PRELOAD="$build/.libs/libhakmem.so.1" env true 2>"$work/said" ||
        report "a program starts with these settings: $(cat "$example")"
    [ ! -s "$work/said" ] || report "hakmem takes this example: $(cat "$example" "$work/said")"
done
echo "$ran examples were run, $passed_over passed over; run by other tests (man/examples --kinds):"
for kind in compile cmake machine unit; do
    echo "    $kind: $("$top/man/examples" $kind "$work" "$top"/man/*.[1-8])"
done

[ $failed -eq 0 ] && echo "the manual is complete, fresh and clean"
exit $failed
