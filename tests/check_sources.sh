#!/bin/bash
# SPDX-License-Identifier: MIT
# Every source file under src/, tests/ and bench/ is named in a makefile, so that none is forgotten
# in the build or the tarball, and every file of the project carries its licence line.
set -euo pipefail
export LC_ALL=C
cd "${top_srcdir:-$(dirname "$0")/..}"
failed=0

makefiles=(Makefile.am src/Makefile.inc src/hakmemctl/Makefile.inc tests/Makefile.inc tests/programs/Makefile.inc
    bench/Makefile.inc man/Makefile.inc packaging/Makefile.inc)
named=$(cat "${makefiles[@]}" | tr -s ' \t=\\' '\n\n\n\n')
while read -r file; do
    grep -qxF -- "$file" <<<"$named" ||
        { echo "$file is in no makefile (one of: ${makefiles[*]})"; failed=1; }
done < <(find src tests bench man -name '*.[ch]' -o -name '*.cc' -o -name '*.cpp' | sort)

while read -r file; do
    head -n 5 -- "$file" | grep -qF 'SPDX-License-Identifier: MIT' ||
        { echo "$file has no licence line (SPDX-License-Identifier: MIT)"; failed=1; }
done < <(find src tests bench include man packaging build-aux/write-identity quickstart autogen.sh \
    \( -name '*.[ch]' -o -name '*.cc' -o -name '*.cpp' -o -name '*.sh' -o -name quickstart \
    -o -name '*.py' -o -name write-identity -o -name build -o -name update -o -name rules -o -name '*.map' \) -type f | sort)

[ $failed -eq 0 ] && echo "all source files are built and licensed"
exit $failed
