# SPDX-License-Identifier: MIT
"""One run of one line on one allocator: start it, prove who served it, return what it cost."""
import os
import re
import signal
import subprocess
import tempfile
import time

TIMEOUT = 120          # seconds of one run
LIBC_HEAP_KIB = 1024   # what the C library's own heap may hold when another allocator serves


class Failed(Exception):
    """A run that does not count, and why."""


class Missing(Exception):
    """A program or file that this line needs is not here: the line is left out."""


def same_file(a, b):
    try:
        return os.path.samefile(a, b)
    except OSError:
        return False


def check_bound(allocator, actual):
    """malloc was bound to `actual`: is that the named allocator?"""
    if allocator.path and not same_file(actual, allocator.path):
        raise Failed(f"malloc came from {actual or 'nowhere'}, not from {allocator.path}")
    if allocator.is_libc and not re.match(r"(libc|ld-musl)[.-]", os.path.basename(actual)):
        raise Failed(f"malloc came from {actual or 'nowhere'}, not from the C library")


def parse_values(text):
    """`key value` lines as a dict of numbers; other lines are left out."""
    values = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        try:
            values[key] = float(value)
        except ValueError:
            continue
    return values


def check_witnesses(text, allocator, expected):
    """The lines of bench/witness.c: every process was served, the expected program among them.

    Returns the largest resident size that a process reported at its end, in KiB, and a proof in words.
    """
    seen, peak, ended, served_by = False, 0, 0, ""
    for line in text.splitlines():
        fields = line.split(" ")
        if fields[0] == "start" and len(fields) >= 5:
            if fields[2] != fields[3]:
                raise Failed(f"malloc and free of {fields[4]} come from {fields[2]} and {fields[3]}")
            check_bound(allocator, fields[2])
            served_by = fields[2]
            seen |= re.search(expected, os.path.basename(fields[4])) is not None
        elif fields[0] == "end" and len(fields) == 4:
            ended += 1
            peak = max(peak, int(fields[2]))
            if not allocator.is_libc and allocator.name != "recorder" and int(fields[3]) > LIBC_HEAP_KIB:
                raise Failed(f"{fields[3]} KiB came from the C library's heap")
    if not seen:
        raise Failed(f"no process of {expected} told who served it")
    return peak, f"{os.path.basename(served_by)}, told by {ended} processes at their end"


class Launcher:
    """Runs commands under an allocator; a directory of its own for what it writes."""

    def __init__(self, build, allocator, directory):
        self.build, self.allocator, self.directory = build, allocator, directory
        self.libc_first = False
        self.count = 0
        self.witnesses = os.path.join(directory, "witnesses")
        self.started = []

    def tool(self, name):
        return os.path.join(self.build, "bench", name)

    def preload(self, witness):
        libraries = [self.allocator.path] if self.allocator.path else []
        if self.allocator.is_libc and self.libc_first:
            # A program that is linked with an allocator of its own gets the C library's by this.
            libraries = ["libc.so.6"]
        if witness:
            libraries.append(os.path.join(self.build, "bench", ".libs", "libhakmem-witness.so"))
        return ":".join(libraries)

    def command(self, command, witness, strace=None):
        """The words that run `command` on the allocator, and where the report will be."""
        self.count += 1
        report = os.path.join(self.directory, f"report.{self.count}")
        words = [self.tool("launch")]
        preload = self.preload(witness)
        if preload:
            words += ["-p", preload]
        if witness:
            if not os.path.exists(self.witnesses):
                with open(self.witnesses, "w", encoding="utf-8"):
                    pass
                os.chmod(self.witnesses, 0o666)
            words += ["-w", self.witnesses]
        words += [report, *command]
        if strace:
            words = ["strace", "-f", "-c", "-U", "calls,name", "-o", strace, *words]
        return words, report

    def run(self, command, witness=False, strace=None, environment=None, **options):
        """Run to the end. Returns (standard output, report)."""
        words, report = self.command(command, witness, strace)
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   errors="replace", start_new_session=True,
                                   env=clean_environment(environment), **options)
        try:
            output, errors = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            kill_group(process)
            raise Failed(f"not done after {TIMEOUT} s") from None
        except KeyboardInterrupt:
            kill_group(process)
            raise
        if process.returncode != 0:
            message = (errors.strip().splitlines() or ["no message"])[-1]
            raise Failed(f"exit status {process.returncode}: {message}")
        return output, read_report(report)

    def start(self, command, log, strace=None, environment=None, **options):
        """Start a server; `stop` ends it."""
        words, report = self.command(command, True, strace)
        with open(log, "wb") as file:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                       start_new_session=True, env=clean_environment(environment), **options)
        process.report = report
        process.traced = strace is not None
        self.started.append(process)
        return process

    def stop(self, process, number=signal.SIGTERM, leave=False):
        """End a server (with `leave`, it was told to leave in its own way). Returns its report."""
        if not leave:
            # strace itself must stay; the launcher below it passes the signal on
            os.kill(children(process.pid)[0] if process.traced else process.pid, number)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            kill_group(process)
            raise Failed("the server did not end") from None
        return read_report(process.report)

    def close(self):
        """Nothing that was started here survives."""
        for process in self.started:
            if process.poll() is None:
                kill_group(process)

    def proof(self, expected):
        with open(self.witnesses, encoding="utf-8", errors="replace") as file:
            return check_witnesses(file.read(), self.allocator, expected)


def kill_group(process):
    """A process that was started as the leader of its session, and what it has started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def clean_environment(more=None):
    environment = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "MALLOC_CONF")}
    environment["LC_ALL"] = "C.UTF-8"
    environment.update(more or {})
    return environment


def read_report(path):
    try:
        with open(path, encoding="utf-8") as file:
            return parse_values(file.read())
    except OSError:
        raise Failed("no report: the command was killed") from None


def floor_environment(line):
    if not line.floor:
        raise Failed("not valid on this line")
    return {"HAKMEM_FLOOR_RING": str(line.floor), "HAKMEM_FLOOR_RINGS": str(line.threads + 1)}


def replay_words(line, traces):
    """The trace of a replay line is named without its directory."""
    *words, name = line.command.split()
    trace = os.path.join(traces, f"{name}.trace.xz")
    if not os.path.exists(trace):
        raise Missing(f"there is no {name}.trace.xz in {traces} (bench/record_traces makes it)")
    return [*words, trace]


def run_synthetic(line, launcher, build, traces, strace=None):
    words = replay_words(line, traces) if line.kind == "replay" else line.command.split()
    environment = floor_environment(line) if launcher.allocator.name == "floor" else {}
    output, report = launcher.run([os.path.join(build, "bench", words[0]), *words[1:]], strace=strace,
                                  environment=environment)
    served_by = re.match(r"allocator (.*)", output)
    check_bound(launcher.allocator, served_by.group(1) if served_by else "")
    values = {**report, **parse_values(output)}
    return values, f"{os.path.basename(served_by.group(1))}, bound to malloc and free"


def run_line(line, allocator, build, traces, run_program, strace=None):
    """One run. Returns the record's part that the run knows: metric, values, proof."""
    with tempfile.TemporaryDirectory(prefix="hakmem-bench.") as directory:
        os.chmod(directory, 0o755)
        if line.kind == "real":
            values, proof = run_program(line.command, build, allocator, directory, strace=strace)
        else:
            launcher = Launcher(build, allocator, directory)
            values, proof = run_synthetic(line, launcher, build, traces, strace)
    if line.metric not in values:
        raise Failed(f"the program did not print {line.metric}")
    return {"metric": line.metric, "value": values[line.metric], "peak_kib": values.get("peak_kib"),
            "minor_faults": values.get("minor_faults"), "values": values, "served_by": proof}


def read_strace(path):
    """{system call: count} of strace -c -U calls,name."""
    calls = {}
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            fields = line.split()
            if len(fields) == 2 and fields[0].isdigit() and fields[1] != "total":
                calls[fields[1]] = int(fields[0])
    return calls


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)
    raise Failed(f"{what} after {seconds} s")
