#!/bin/bash
# SPDX-License-Identifier: MIT
# Makes ./configure out of configure.ac, in a checkout of the repository.
set -euo pipefail
cd "$(dirname "$0")"
command -v autoreconf >/dev/null ||
    { echo "autogen.sh: autoreconf is missing: install autoconf, automake and libtool (or run ./quickstart)" >&2; exit 1; }
autoreconf --install --force
