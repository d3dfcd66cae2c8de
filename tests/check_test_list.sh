#!/bin/bash
# SPDX-License-Identifier: MIT
# A test that no makefile builds proves nothing: every source below is a program of
# tests/Makefile.inc, and every test_* of them is run.
set -euo pipefail
export LC_ALL=C
cd "${top_srcdir:-$(dirname "$0")/..}"
failed=0
count=0

# The words of the lists, each on a line, without comments and without the lines of single programs.
listed=$(sed -e 's/#.*//' tests/Makefile.inc | sed -e ':a' -e '/\\$/N; s/\\\n/ /; ta' |
    grep -E '^[a-z_]+_(tests|programs|scripts) *\+?=' | sed 's/^[^=]*=//' | tr -s ' \t' '\n\n')

while read -r source; do
    case $source in
    tests/support/* | tests/programs/* | tests/models/*) continue ;; # no programs of their own here
    tests/hakmemctl/*.c) continue ;;                                 # what its scripts look at
    tests/lifecycle/plugin.cc) continue ;;                           # a module that a test loads
    esac
    count=$((count + 1))
    grep -qxF -- "${source%.*}" <<<"$listed" || grep -qxF -- "$source" <<<"$listed" ||
        { echo "$source is not built and run by tests/Makefile.inc"; failed=1; }
done < <(find tests -mindepth 2 \( -name '*.c' -o -name '*.cc' -o -name 'test_*.sh' \) | sort)

for list in unit_tests conformance_tests lifecycle_tests stress_tests misuse_tests prefixed_tests tool_unit_tests; do
    grep -qE "^TESTS \+=.*\\\$\($list\)" tests/Makefile.inc ||
        { echo "the tests in $list are not run"; failed=1; }
done

[ "$count" -gt 30 ] || { echo "found only $count sources: this check looks in the wrong place"; failed=1; }
[ $failed -eq 0 ] && echo "all $count tests are built and run"
exit $failed
