# SPDX-License-Identifier: MIT
"""What bench/compare and bench/record_traces are made of."""
