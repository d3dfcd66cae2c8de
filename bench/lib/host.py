# SPDX-License-Identifier: MIT
"""What the machine, the kernel and the sources are: written into every record."""
import os
import platform
import subprocess


def _processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def _memory_mib():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1024 * 1024)


def _git(source, *arguments):
    try:
        done = subprocess.run(["git", "-C", source, *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _transparent_huge_pages():
    try:
        with open("/sys/kernel/mm/transparent_hugepage/enabled", encoding="utf-8") as file:
            return file.read().partition("[")[2].partition("]")[0]
    except OSError:
        return "unknown"


def describe(source):
    commit = _git(source, "rev-parse", "--short=12", "HEAD")
    if commit and _git(source, "status", "--porcelain", "--untracked-files=no"):
        commit += "+changes"
    return {
        "machine": _processor(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mib": _memory_mib(),
        "kernel": platform.release(),
        "thp": _transparent_huge_pages(),
        "commit": commit or "unknown",
    }


def load():
    return os.getloadavg()[0]
