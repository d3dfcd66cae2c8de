# SPDX-License-Identifier: MIT
"""The lines of the comparison and their weights: one table, fixed before anything is optimised.

A line is not taken out because hakmem loses it. The weight is what the line counts in the geometric
means; the lines of a family share what the family counts. Lines of weight 0 are shown, drawn, and
judged, but not part of the means: they repeat a load that counts already, with other thread counts.
"""
from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True)
class Line:
    name: str
    family: str
    weight: float
    command: str            # a program of bench/ with arguments, or a name of programs.PROGRAMS
    kind: str = "synthetic"  # synthetic, real, or replay
    metric: str = "seconds"  # the value that is compared: less is better
    threads: int = 1
    quick: bool = False     # part of --quick
    # Bytes of the floor allocator's ring in each thread, where a turn of it outlasts every block; 0: none
    # does. With N slots chosen at random, a block outlives 20 x N choices once in 5 x 10^8: the ring has
    # 20 x the bytes that are live at a time, rounded up to a power of two.
    floor: int = 0


def _fixed():
    """LIFO and FIFO of one size each."""
    for size, name in ((16, "16"), (64, "64"), (256, "256"), (1024, "1k"), (4096, "4k"), (8192, "8k"),
                       (16384, "16k"), (32768, "32k")):
        pairs = 20000000 if size <= 1024 else 10000000 if size <= 4096 else 5000000
        for order in ("lifo", "fifo"):
            yield Line(f"fixed-{name}-{order}", "fixed", 2 / 16, f"fixed -n {pairs} -s {name} -o {order} -w 100",
                       floor=128 * size, quick=name in ("64", "256") and order == "lifo")


def _mid_large():
    """8 to 64 KiB: the range of 8 to 32, single sizes, and thread counts."""
    for threads in (1, 2, 4, 8, 16):
        yield Line(f"mid-large-mt-t{threads}", "mid_large_mt", 2 / 10, f"mid_large_mt -n 8000000 -t {threads}",
                   threads=threads, quick=threads == 4, floor=16 * MIB)
    for size, floor in (("8k", 8), ("16k", 16), ("24k", 16), ("32k", 32), ("64k", 64)):
        yield Line(f"mid-large-mt-{size}", "mid_large_mt", 2 / 10,
                   f"mid_large_mt -n 8000000 -t 4 -a {size} -z {size}", threads=4, floor=floor * MIB)


def _pool():
    for threads in (1, 2, 4, 16):
        yield Line(f"pool-t{threads}", "pool", 1 / 4, f"pool -n 6000000 -t {threads}", threads=threads,
                   quick=threads == 1, floor=32 * MIB)


def _larson():
    for threads in (1, 2, 4, 16):
        yield Line(f"larson-t{threads}", "larson", 2 / 4, f"larson -n 24000000 -t {threads}", threads=threads,
                   quick=threads in (1, 4), floor=16 * MIB)


SYNTHETIC = [
    # pairs of a malloc and a free of the same block: the hit path and nothing else
    Line("pair-64", "pair", 0.5, "pair -n 40000000 -s 64", floor=64 * KIB),
    Line("pair-1k", "pair", 0.5, "pair -n 40000000 -m 1024", floor=64 * KIB),
    Line("random-mixed-1k", "random_mixed", 0.5, "random_mixed -n 10000000", quick=True, floor=2 * MIB),
    Line("random-mixed-256", "random_mixed", 0.5, "random_mixed -n 10000000 -z 256", quick=True, floor=512 * KIB),
    Line("random-mixed-server", "random_mixed", 0.5, "random_mixed -n 10000000 -d server", quick=True,
         floor=4 * MIB),
    Line("random-mixed-1k-t4", "random_mixed", 0.5, "random_mixed -n 20000000 -t 4", threads=4, floor=2 * MIB),
    Line("random-mixed-server-t4", "random_mixed", 0.5, "random_mixed -n 20000000 -t 4 -d server", threads=4,
         floor=4 * MIB),
    Line("random-mixed-10k-slots", "random_mixed", 0.5, "random_mixed -n 10000000 -w 10000"),
    *_fixed(),
    *_larson(),
    *_mid_large(),
    *_pool(),
    Line("producer-consumer-1-1", "producer_consumer", 0.5, "producer_consumer -n 8000000", threads=4, quick=True),
    Line("producer-consumer-4-1", "producer_consumer", 0.5, "producer_consumer -n 4000000 -p 4 -g 1", threads=5),
    Line("producer-consumer-1-4", "producer_consumer", 0.5, "producer_consumer -n 4000000 -c 4 -g 1", threads=5),
    Line("producer-consumer-16k", "producer_consumer", 0.5, "producer_consumer -n 2000000 -z 16k",
         threads=4),
    Line("thread-churn", "thread_churn", 0.5, "thread_churn -n 10000", threads=4, quick=True),
    Line("thread-churn-16", "thread_churn", 0.5, "thread_churn -n 10000 -t 16 -b 1000", threads=16),
    Line("dead-threads", "dead_threads", 1, "dead_threads -t 200", threads=8),
    Line("realloc-growth", "realloc_growth", 0.5, "realloc_growth -n 20000", quick=True),
    Line("realloc-strings", "realloc_growth", 0.5, "realloc_growth -n 4000000 -g 110 -z 8k"),
    Line("calloc-big", "calloc_big", 1, "calloc_big -n 2000", quick=True),
    Line("huge", "huge", 0.5, "huge -n 40", quick=True),
    Line("huge-1m-4m", "huge", 0.5, "huge -n 2000 -z 4M"),
    Line("mixed-lifetime", "mixed_lifetime", 0.5, "mixed_lifetime -n 300000", threads=4, quick=True),
    Line("mixed-lifetime-long", "mixed_lifetime", 0.5, "mixed_lifetime -n 2000000 -l 32M -c 12", threads=4),
    Line("drift", "drift", 0.5, "drift -n 2000000", threads=4),
    Line("superslabs", "drift", 0.5, "superslabs -n 3000000 -w 25"),
    Line("nearly-full", "nearly_full", 1, "nearly_full -n 3000000 -l 100M"),
    Line("startup", "startup", 1, "startup -n 200", metric="median_us", quick=True),
    Line("fork-server", "fork_server", 1, "fork_server -n 40", quick=True),
    Line("latency-p99", "latency", 0.5, "latency -n 3000000", metric="call_p99_ns", threads=4),
    Line("latency-p99.9", "latency", 0.5, "latency -n 3000000", metric="call_p99_9_ns", threads=4, quick=True),
]

REAL = [
    Line("redis", "real", 1, "redis", kind="real", threads=2),
    Line("postgresql", "real", 1, "postgresql", kind="real", threads=5),
    Line("python", "real", 1, "python", kind="real", quick=True),
    Line("c++", "real", 1, "c++", kind="real", quick=True),
    Line("ruby", "real", 1, "ruby", kind="real", threads=8),
    Line("sqlite", "real", 1, "sqlite", kind="real"),
    Line("perl", "real", 1, "perl", kind="real"),
    Line("git", "real", 1, "git", kind="real", quick=True),
    Line("node", "real", 1, "node", kind="real", threads=4),
    Line("java", "real", 1, "java", kind="real", threads=4),
]

# Recorded by bench/record_traces: bench/traces/NAME.trace.xz, or that of --traces. As many passes as take
# half a second.
REPLAY = [
    Line("replay-redis", "replay", 0.5, "replay -n 16 redis", kind="replay"),
    Line("replay-postgresql", "replay", 0.5, "replay -n 200 postgresql", kind="replay"),
    Line("replay-python", "replay", 0.5, "replay -n 12 python", kind="replay", quick=True),
    Line("replay-c++", "replay", 0.5, "replay -n 12 c++", kind="replay", quick=True),
    Line("replay-node", "replay", 0.5, "replay -n 2 node", kind="replay", threads=10, quick=True),
    Line("replay-java", "replay", 0.5, "replay -n 4 java", kind="replay", threads=522),
]


def _scaling():
    """The same work, shared by more and more threads."""
    for family, command, floor in (
            ("random_mixed", "random_mixed -n 16000000 -t {}", 2 * MIB),
            ("larson", "larson -n 16000000 -t {}", 16 * MIB),
            ("mid_large_mt", "mid_large_mt -n 4000000 -t {}", 16 * MIB),
            ("producer_consumer", "producer_consumer -n 4000000 -g {}", 0),
            ("thread_churn", "thread_churn -n 6400 -t {}", 0)):
        for threads in (1, 2, 4, 8, 16, 32, 64):
            yield Line(f"scaling-{family}-{threads}", f"scaling-{family}", 0, command.format(threads),
                       threads=threads, floor=floor)


SCALING = list(_scaling())

LINES = SYNTHETIC + REAL + REPLAY + SCALING


def choose(names, quick=False, scaling=True):
    """The lines of these names, families or kinds; all when none is named."""
    lines = [line for line in LINES if (line.quick if quick else scaling or line not in SCALING)]
    if not names:
        return lines
    chosen = [line for line in LINES if {line.name, line.family, line.kind} & set(names)
              or "scaling" in names and line in SCALING]
    known = {key for line in LINES for key in (line.name, line.family, line.kind)} | {"scaling"}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no such line or family: {', '.join(unknown)} (bench/compare --list)")
    return chosen
