#!/bin/bash
# SPDX-License-Identifier: MIT
# What the fuzzer found worth keeping: no input breaks the parser of configuration files.
set -euo pipefail
"${top_builddir:-.}/tests/fuzz/fuzz_config" "${top_srcdir:-.}"/tests/fuzz/corpus/*
