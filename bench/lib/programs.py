# SPDX-License-Identifier: MIT
"""Real programs as lines. Each is started anew for each run; no service of the system is touched."""


class Missing(Exception):
    """A program that this line needs is not installed."""


def run(line, build, allocator, directory, strace=None):
    raise Missing("not written yet")
