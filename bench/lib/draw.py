# SPDX-License-Identifier: MIT
"""Bar charts and scaling curves, as PNG and SVG."""


def check():
    raise SystemExit("not written yet")


def draw_all(results, lines, directory):
    """See check."""
