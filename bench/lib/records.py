# SPDX-License-Identifier: MIT
"""The file of runs: a JSON object a line, added to as the runs end, read again by --from."""
import json
from collections import defaultdict


class Writer:
    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8")

    def add(self, record):
        self.file.write(json.dumps(record, sort_keys=True) + "\n")
        self.file.flush()

    def close(self):
        self.file.close()


class Results:
    """runs[line][allocator] = list of records that count, in the order of the rounds."""

    def __init__(self):
        self.runs = defaultdict(lambda: defaultdict(list))
        self.errors = defaultdict(lambda: defaultdict(list))
        self.syscalls = defaultdict(dict)
        self.versions = {}
        self.hosts = []
        self.first = self.last = ""

    def add(self, record):
        line, allocator = record["line"], record["allocator"]
        self.versions[allocator] = record.get("version", "")
        host = {k: record.get(k) for k in ("machine", "cpus", "kernel", "commit", "thp")}
        if host not in self.hosts:
            self.hosts.append(host)
        date = record.get("started", "")
        self.first, self.last = min(self.first or date, date), max(self.last, date)
        if "error" in record:
            self.errors[line][allocator].append(record["error"])
        elif "syscalls" in record:
            self.syscalls[line][allocator] = record["syscalls"]
        else:
            self.runs[line][allocator].append(record)

    def values(self, line, allocator, key="value"):
        """A list without what a run does not have."""
        return [r[key] for r in self.runs[line][allocator] if r.get(key) is not None]

    def rounds(self):
        """The number of the round that is to follow, counted from 0."""
        return 1 + max((r.get("round", 0) for line in self.runs.values() for runs in line.values() for r in runs),
                       default=-1)

    def allocators(self):
        names = {name for line in self.runs.values() for name, runs in line.items() if runs}
        names |= {name for line in self.errors.values() for name in line}
        return sorted(names, key=lambda n: (n != "hakmem", n == "floor", n))


def read(paths):
    results = Results()
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    results.add(json.loads(line))
                except (ValueError, KeyError) as error:
                    raise SystemExit(f"{path}:{number}: not a record: {error}") from None
    return results
