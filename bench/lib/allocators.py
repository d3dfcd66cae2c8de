# SPDX-License-Identifier: MIT
"""Which allocators are compared: found in the usual directories, or given as NAME=PATH."""
import glob
import hashlib
import os
import re
import subprocess
from dataclasses import dataclass

DIRECTORIES = ("/usr/lib/*-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib")
# name, the file names that packages give it
PACKAGED = (
    ("mimalloc", ("libmimalloc.so.2*", "libmimalloc.so.3*", "libmimalloc.so")),
    ("jemalloc", ("libjemalloc.so.2",)),
    ("tcmalloc", ("libtcmalloc_minimal.so.4",)),
    ("tbbmalloc", ("libtbbmalloc_proxy.so.2",)),
)


@dataclass(frozen=True)
class Allocator:
    name: str
    path: str     # "" is the C library
    version: str

    @property
    def is_libc(self):
        return not self.path


def _first(patterns):
    for directory in DIRECTORIES:
        for pattern in patterns:
            found = sorted(glob.glob(os.path.join(directory, pattern)))
            if found:
                return found[0]
    return None


def _output(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def version_of(name, path):
    """A text beside it (NAME.version), what it says of itself, the package's version, or its checksum."""
    if not path:
        return _output(["getconf", "GNU_LIBC_VERSION"]) or "the C library"
    beside = os.path.splitext(path)[0] + ".version"
    if os.path.exists(beside):
        with open(beside, encoding="utf-8") as file:
            return file.readline().strip()
    with open(path, "rb") as file:
        digest = "sha256 " + hashlib.sha256(file.read()).hexdigest()[:12]
    if name.startswith("hakmem") and os.access(path, os.X_OK):
        first = _output([path]).splitlines()[:1]
        return f"{first[0]}, {digest}" if first else digest
    package = _output(["dpkg-query", "-S", os.path.realpath(path)]).partition(":")[0]
    if package and re.fullmatch(r"[\w.+-]+", package):
        return f"{package} {_output(['dpkg-query', '-W', '-f=${Version}', package])}"
    return digest


def make(name, path):
    path = os.path.abspath(path) if path else ""
    if path and not os.access(path, os.R_OK):
        raise SystemExit(f"{name}: cannot be read: {path}")
    return Allocator(name, path, version_of(name, path))


def find(build, given, only, peers):
    """hakmem of the build, glibc, what packages have installed, *.so of a directory, and NAME=PATH."""
    paths = {"hakmem": os.path.join(build, ".libs", "libhakmem.so.1"), "glibc": ""}
    if not os.path.exists(paths["hakmem"]):
        del paths["hakmem"]
    if peers:
        for path in sorted(glob.glob(os.path.join(peers, "*.so"))):
            paths[os.path.basename(path)[:-3]] = path
    for name, patterns in PACKAGED:
        path = _first(patterns)
        # a newer build of the same in the directory of peers goes first
        if path and not (peers and any(have.startswith(name) for have in paths)):
            paths[name] = path
    floor = os.path.join(build, "bench", ".libs", "libhakmem-floor.so")
    if os.path.exists(floor):
        paths["floor"] = floor
    for text in given:
        name, separator, path = text.partition("=")
        if not separator or not name:
            raise SystemExit(f"not NAME=PATH: {text}")
        paths[name] = path
    if only:
        unknown = [name for name in only if name not in paths]
        if unknown:
            raise SystemExit(f"not found: {', '.join(unknown)} (there are: {', '.join(paths)})")
        paths = {name: paths[name] for name in only}
    return [make(name, path) for name, path in paths.items()]
