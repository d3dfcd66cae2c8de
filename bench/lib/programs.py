# SPDX-License-Identifier: MIT
"""Real programs as lines: redis, PostgreSQL, Python, a C++ compiler, ruby, sqlite, perl, git, node, java.

Each is started anew for each run, as a process of our own with its data in a temporary directory; no
service of the system is touched. What a run needs and does not measure (a database, a repository) is
made once and kept until the driver ends. `amount` scales the work: 100 is a line of the comparison.
"""
import atexit
import glob
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib

from . import measure
from .measure import Failed, Missing

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOADS = os.path.join(SOURCE, "bench", "loads")
TEST_LOADS = os.path.join(SOURCE, "tests", "programs")


def need(*commands):
    for command in commands:
        if not shutil.which(command):
            raise Missing(f"{command} is not installed")


# ---- what is made once ----

_prepared = {}


def prepared(name, make):
    """The directory that `make(directory)` filled, once for each name."""
    if name not in _prepared:
        directory = tempfile.mkdtemp(prefix="hakmem-bench-data.")
        os.chmod(directory, 0o755)
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
        make(directory)
        _prepared[name] = directory
    return _prepared[name]


def quietly(command, **options):
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
                          env=measure.clean_environment(), **options)
    if done.returncode != 0:
        raise Failed(f"{command[0]}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")


# ---- what programs share ----

_outputs = {}


def same_output(name, output):
    """The program says the same on every allocator."""
    digest = zlib.crc32(output.encode())
    if not output or _outputs.setdefault(name, digest) != digest:
        raise Failed("its output is not what it was on the allocator before")


def combined(reports):
    """One report of several commands: times and counts are added, the peak is the largest."""
    total = {key: sum(r.get(key, 0) for r in reports) for key in reports[0]}
    total["peak_kib"] = max(r["peak_kib"] for r in reports)
    return total


def run_commands(context, name, commands, expected, **options):
    """Commands that end by themselves, one after the other."""
    reports, outputs = [], []
    for command in commands:
        output, report = context.launcher.run(command, witness=True, strace=context.strace, **options)
        outputs.append(output)
        reports.append(report)
    same_output((name, context.amount), "".join(outputs))
    return combined(reports), expected


class Context:
    """One run: where, on what, how much."""

    def __init__(self, launcher, directory, amount, strace):
        self.launcher, self.directory, self.amount, self.strace = launcher, directory, amount, strace

    def scaled(self, count):
        return str(max(1, count * self.amount // 100))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ---- programs that end by themselves ----

def run_python(context):
    command = [os.path.realpath(sys.executable), os.path.join(LOADS, "load.py"), context.scaled(150)]
    return run_commands(context, "python", [command], r"^python3",
                        environment={"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "1"})


def run_perl(context):
    need("perl")
    return run_commands(context, "perl", [["perl", os.path.join(LOADS, "load.pl"), context.scaled(100)]], "^perl",
                        environment={"PERL_HASH_SEED": "0"})


def run_compiler(context):
    """cc1plus is the process that allocates; the assembler and collect2 are not started (-S)."""
    need("g++")
    command = ["g++", "-std=c++17", "-O1", f"-DTABLES={max(1, 5 * context.amount // 100)}", "-S",
               os.path.join(LOADS, "templates.cc"), "-o", "-"]
    return run_commands(context, "c++", [command], r"^cc1plus")


def run_ruby(context):
    need("ruby")
    return run_commands(context, "ruby", [["ruby", os.path.join(TEST_LOADS, "load.rb")]], r"^ruby")


def run_sqlite(context):
    need("sqlite3")
    database = os.path.join(context.directory, "data.db")
    command = ["sqlite3", database, f".read {os.path.join(TEST_LOADS, 'load.sql')}"]
    return run_commands(context, "sqlite", [command], r"^sqlite3")


def run_node(context):
    need("node")
    return run_commands(context, "node", [["node", os.path.join(TEST_LOADS, "load.js")]], r"^node")


def run_java(context):
    need("java", "javac")
    classes = prepared("java", lambda directory: quietly(
        ["javac", "-d", directory, os.path.join(TEST_LOADS, "Load.java")]))
    command = ["java", "-Xmx256m", "-XX:MaxDirectMemorySize=128m", "-XX:+UseSerialGC", "-cp", classes, "Load"]
    return run_commands(context, "java", [command], r"^java")


def make_repository(directory):
    """A history of 400 commits over 60 files, by git fast-import."""
    lines = []
    for n in range(400):
        message = f"change {n}"
        lines.append(f"commit refs/heads/main\ncommitter a <a@b> {1700000000 + n} +0000\n"
                     f"data {len(message)}\n{message}")
        for k in range(3):
            text = "".join(f"{i} {i * (n + k + 1) % 7919}\n" for i in range(200 + n % 50))
            lines.append(f"M 100644 inline file{(n * 3 + k) % 60}.txt\ndata {len(text)}\n{text}")
    quietly(["git", "init", "-q", "-b", "main", directory])
    subprocess.run(["git", "-C", directory, "fast-import", "--quiet"], input="\n".join(lines) + "\n", text=True,
                   check=True, env=measure.clean_environment())


def run_git(context):
    need("git")
    repository = prepared("git", make_repository)
    git = ["git", "-c", "safe.directory=*", "-C", repository]
    commands = [[*git, "log", "-p", "--stat", "--format=%H%n%s", "main"],
                [*git, "fsck", "--full", "--strict"],
                [*git, "blame", "main", "--", "file3.txt"],
                [*git, "grep", "-c", "77", "main~3"],
                ["sh", "-c", 'git "$@" pack-objects --all --stdout --no-reuse-delta --window=20 --threads=2 '
                             '</dev/null | wc -c >/dev/null', "git", *git[1:]]]
    return run_commands(context, "git", commands, r"^git$",
                        environment={"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"})


# ---- servers ----

def run_redis(context):
    """The server is measured; redis-benchmark runs on the C library's malloc."""
    need("redis-server", "redis-benchmark", "redis-cli")
    # Debian's redis-server is a link to redis-check-rdb, which looks at its own name.
    port = str(free_port())
    launcher = context.launcher
    launcher.libc_first = True
    server = launcher.start(["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly",
                             "no", "--dir", context.directory], os.path.join(context.directory, "redis.log"),
                            strace=context.strace)
    cli = ["redis-cli", "-p", port]
    measure.wait_until(lambda: b"PONG" in subprocess.run([*cli, "ping"], capture_output=True, check=False).stdout,
                       10, "redis does not answer")
    begin = time.monotonic()
    for size in ("24", "200", "1500"):
        quietly(["redis-benchmark", "-p", port, "-q", "-c", "50", "-P", "16", "-r", "20000", "-d", size,
                 "-n", context.scaled(50000), "-t", "set,get,lpush,lpop,sadd,hset,zadd"])
        quietly(["redis-benchmark", "-p", port, "-q", "-c", "50", "-P", "16", "-r", "20000",
                 "-n", context.scaled(50000), "del", "key:__rand_int__"])
    seconds = time.monotonic() - begin
    quietly([*cli, "shutdown", "nosave"])
    report = launcher.stop(server, leave=True)
    return {**report, "seconds": seconds}, r"^redis"


class Sampler:
    """The most private memory that a process and its descendants held at one time, looked at now and then."""

    def __init__(self, pid):
        self.pid, self.peak_kib = pid, 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def descendants(self, pid):
        for child in measure.children(pid):
            yield child
            yield from self.descendants(child)

    @staticmethod
    def private_kib(pid):
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                return sum(int(n) for n in re.findall(r"^Pss_Anon: *(\d+)", file.read(), re.MULTILINE))
        except OSError:
            return 0

    def work(self):
        while not self.done.wait(0.2):
            self.peak_kib = max(self.peak_kib, sum(map(self.private_kib, [self.pid, *self.descendants(self.pid)])))

    def stop(self):
        self.done.set()
        self.thread.join()
        return self.peak_kib


def postgresql_directory():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: int(re.findall(r"\d+", p)[-1]))
    directory = found[-1] if found else os.path.dirname(shutil.which("postgres") or "")
    if not os.path.exists(os.path.join(directory, "initdb")):
        raise Missing("PostgreSQL's server is not installed")
    need("setpriv")
    return directory


def as_user():
    """PostgreSQL does not run as root."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("nobody")
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def postgres_command(programs, data, sockets):
    settings = {"listen_addresses": "", "fsync": "off", "shared_buffers": "64MB", "work_mem": "32MB", "jit": "off",
                "autovacuum": "off", "max_parallel_workers_per_gather": "0", "log_min_messages": "warning"}
    words = [os.path.join(programs, "postgres"), "-D", data, "-k", sockets]
    for key, value in settings.items():
        words += ["-c", f"{key}={value}"]
    return [*as_user(), *words]


def wait_for_postgres(programs, sockets):
    command = [os.path.join(programs, "pg_isready"), "-q", "-h", sockets]
    measure.wait_until(lambda: subprocess.run(command, check=False).returncode == 0, 20, "PostgreSQL does not answer")


def make_database(directory):
    """A cluster with pgbench's tables and one of text, made on the C library's malloc."""
    programs, data = postgresql_directory(), os.path.join(directory, "data")
    if os.geteuid() == 0:
        shutil.chown(directory, "nobody")
    quietly([*as_user(), os.path.join(programs, "initdb"), "-D", data, "-A", "trust", "-U", "bench", "--locale=C",
             "-E", "UTF8", "--no-sync"])
    with subprocess.Popen(postgres_command(programs, data, directory), stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, env=measure.clean_environment()) as server:
        try:
            wait_for_postgres(programs, directory)
            quietly([os.path.join(programs, "pgbench"), "-h", directory, "-U", "bench", "-i", "-q", "-s", "4",
                     "postgres"])
            quietly([os.path.join(programs, "psql"), "-h", directory, "-U", "bench", "-qX", "-c",
                     "CREATE TABLE load_text AS SELECT i, md5(i::text) AS m, repeat(chr(65 + i % 26), i % 500) AS r "
                     "FROM generate_series(1, 20000) i", "-c", "CREATE INDEX ON load_text (i)",
                     "-c", "VACUUM ANALYZE", "postgres"])
        finally:
            server.send_signal(2)
            server.wait()


def run_postgresql(context):
    """The server with all its processes is measured; peak memory is what they hold privately, together."""
    programs = postgresql_directory()
    database = prepared("postgresql", make_database)
    launcher = context.launcher
    server = launcher.start(postgres_command(programs, os.path.join(database, "data"), database),
                            os.path.join(context.directory, "postgres.log"), strace=context.strace)
    wait_for_postgres(programs, database)
    sampler = Sampler(server.pid)
    pgbench = [os.path.join(programs, "pgbench"), "-h", database, "-U", "bench", "-n", "--random-seed=1"]
    begin = time.monotonic()
    quietly([*pgbench, "-S", "-c", "4", "-j", "1", "-t", context.scaled(4000), "postgres"])
    quietly([*pgbench, "-f", os.path.join(LOADS, "queries.sql"), "-c", "2", "-j", "1", "-t", context.scaled(6),
             "postgres"])
    seconds = time.monotonic() - begin
    peak = sampler.stop()
    report = launcher.stop(server, number=2)
    return {**report, "seconds": seconds, "peak_kib": peak}, r"^postgres$"


PROGRAMS = {
    "redis": run_redis, "postgresql": run_postgresql, "python": run_python, "c++": run_compiler, "ruby": run_ruby,
    "sqlite": run_sqlite, "perl": run_perl, "git": run_git, "node": run_node, "java": run_java,
}


def run_program(name, build, allocator, directory, amount=100, strace=None):
    """One run of a real program. Returns (values, proof of who served it)."""
    launcher = measure.Launcher(build, allocator, directory)
    try:
        values, expected = PROGRAMS[name](Context(launcher, directory, amount, strace))
        _, proof = launcher.proof(expected)
    finally:
        launcher.close()
    return values, proof
