# SPDX-License-Identifier: MIT
"""The tables on the terminal."""
import statistics

from . import stats

OURS = "hakmem"
NO_PEERS = ("hakmem", "floor")
# A second hakmem beside the first (hakmem-2=PATH) shows what the noise is: it is no peer.
WORDS = {"faster": "FASTER than", "slower": "SLOWER than", "same": "inside the noise of",
         "undecided": "undecided (too few runs) against"}


def is_peer(name):
    return name not in NO_PEERS and not name.startswith(OURS + "-")


def number(value, unit=""):
    for limit, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.2f}{prefix}{unit}"
    return f"{value:.4g}{unit}"


def unit_of(metric):
    return {"seconds": "s", "median_us": "us"}.get(metric, "ns" if metric.endswith("_ns") else "")


def judge(results, line, key="value"):
    """(best peer, interval of hakmem's ratio to it, verdict), or None when one of them is missing."""
    ours = results.values(line, OURS, key)
    peers = {name: values for name in results.allocators() if is_peer(name)
             for values in [results.values(line, name, key)] if values}
    if not ours or not peers or min(min(v) for v in peers.values()) <= 0:
        return None
    best, interval = stats.ratio_to_best(ours, peers)
    return best, interval, stats.verdict(interval, min(len(ours), len(peers[best])))


def median_or_dash(values, scale=1.0, spec="10.1f"):
    width = int(spec.partition(".")[0])
    return f"{statistics.median(values) / scale:{spec}}" if values else f"{'-':>{width}}"


def print_line(results, line, out):
    """Everything that was measured on one line, the fastest first."""
    metric = next((r["metric"] for runs in results.runs[line.name].values() for r in runs), line.metric)
    print(f"\n== {line.name}: {line.command}   weight {line.weight:.3g}, {metric}", file=out)
    names = [n for n in results.allocators() if results.runs[line.name][n]]
    judged = judge(results, line.name)
    best = judged[0] if judged else None
    print(f"{'allocator':14}{'median':>10}{'mean':>10}{'sd':>10}{'cv %':>7}  {'of best peer':24}"
          f"{'peak MiB':>10}{'faults':>10}{'syscalls':>10}{'runs':>6}", file=out)
    medians = {name: statistics.median(results.values(line.name, name)) for name in names}
    for name in sorted(names, key=medians.get):
        values = results.values(line.name, name)
        s = stats.summarise(values)
        against = "-"
        if best:
            against = "1" if name == best else f"{stats.ratio(values, results.values(line.name, best))}"
        calls = results.syscalls[line.name].get(name)
        unit = unit_of(metric)
        peak = [] if name == "floor" else results.values(line.name, name, "peak_kib")
        print(f"{name:14}{number(s.median, unit):>10}{number(s.mean, unit):>10}{number(s.deviation, unit):>10}"
              f"{s.variation:7.2f}  {against:24}{median_or_dash(peak, 1024)}"
              f"{median_or_dash(results.values(line.name, name, 'minor_faults'), 1, '10.0f')}"
              f"{sum(calls.values()) if calls else '-':>10}{s.count:6}", file=out)
    for name, errors in sorted(results.errors[line.name].items()):
        print(f"{name}: {len(errors)} failed: {errors[-1]}", file=out)
    for name in names:
        if name.startswith(OURS + "-") and OURS in names:
            same = stats.ratio(results.values(line.name, OURS), results.values(line.name, name))
            print(f"{OURS} against {name}: {same} of its time", file=out)
    if judged:
        peer, interval, word = judged
        print(f"{OURS} is {WORDS[word]} {peer}: {interval} of its time", file=out)


def comparable(results, lines, peer, key):
    """(ours, theirs, weight) of each line that both have."""
    pairs = []
    for line in lines:
        ours, theirs = results.values(line.name, OURS, key), results.values(line.name, peer, key)
        if line.weight > 0 and ours and theirs and min(min(ours), min(theirs)) > 0:
            pairs.append((ours, theirs, line.weight))
    return pairs


def print_means(results, lines, out):
    peers = [name for name in results.allocators() if is_peer(name)]
    if OURS not in results.allocators() or not peers:
        return
    whole = sum(line.weight for line in lines)
    print(f"\n== {OURS} relative to each peer: weighted geometric means, less is better\n"
          f"{'peer':14}{'time':24}{'peak memory':24}{'lines':>6}{'weight':>14}   version", file=out)
    for peer in peers:
        times = comparable(results, lines, peer, "value")
        peaks = comparable(results, lines, peer, "peak_kib")
        if not times:
            continue
        memory = f"{stats.geometric_ratio(peaks)}" if peaks else "-"
        weight = f"{sum(w for _, _, w in times):.3g} of {whole:.3g}"
        print(f"{peer:14}{f'{stats.geometric_ratio(times)}':24}{memory:24}{len(times):6}{weight:>14}"
              f"   {results.versions[peer]}", file=out)


def print_verdicts(results, lines, out):
    """How many lines are led, and which are lost, in time and in peak memory."""
    for key, what in (("value", "time"), ("peak_kib", "peak memory")):
        judged = [(line, judge(results, line.name, key)) for line in lines]
        judged = [(line, j) for line, j in judged if j]
        if not judged:
            continue
        count = {word: sum(1 for _, (_, _, v) in judged if v == word) for word in WORDS}
        print(f"\n== {what} against the best peer of each line: {count['faster']} better, {count['same']} inside "
              f"the noise, {count['slower']} worse, {count['undecided']} undecided", file=out)
        for line, (peer, interval, word) in sorted(judged, key=lambda j: -j[1][1].value):
            if word == "slower":
                print(f"  worse: {line.name:28} {interval} of {peer}", file=out)


def order(results, line):
    """The allocators by their median, the fastest first; no floor, no second hakmem."""
    medians = {n: statistics.median(results.values(line, n)) for n in results.allocators()
               if (is_peer(n) or n == OURS) and results.values(line, n)}
    return sorted(medians, key=medians.get)


def agreement(results, real, replay):
    """(pairs of allocators that differ beyond the noise on both lines, those of them in the same order)."""
    names = [n for n in order(results, real) if results.values(replay, n)]
    decided = same = 0
    for i, a in enumerate(names):
        for b in names[i + 1:]:
            verdicts = []
            for line in (real, replay):
                ours, theirs = results.values(line, a), results.values(line, b)
                verdicts.append(stats.verdict(stats.ratio(ours, theirs), min(len(ours), len(theirs))))
            if set(verdicts) <= {"faster", "slower"}:
                decided += 1
                same += verdicts[0] == verdicts[1]
    return decided, same


def print_agreement(results, lines, out):
    """Does the replay of a trace put the allocators in the order of the program that it was recorded of?"""
    for line in lines:
        real = line.command.split()[-1]
        if line.kind == "replay" and order(results, real) and order(results, line.name):
            decided, same = agreement(results, real, line.name)
            print(f"\n== {real} against its replay: {same} of {decided} pairs that differ beyond the noise on both "
                  f"are in the same order\n  program: {' '.join(order(results, real))}\n"
                  f"  replay:  {' '.join(order(results, line.name))}", file=out)


def print_header(results, out):
    for host in results.hosts:
        print(f"{host['machine']}, {host['cpus']} processors, Linux {host['kernel']}, "
              f"transparent huge pages {host['thp']}, hakmem commit {host['commit']}", file=out)
    for name in results.allocators():
        print(f"  {name:14} {results.versions[name]}", file=out)
    print(f"measured {results.first} to {results.last}", file=out)


def print_all(results, lines, out):
    lines = [line for line in lines if results.runs[line.name] or results.errors[line.name]]
    print_header(results, out)
    for line in lines:
        print_line(results, line, out)
    print_agreement(results, lines, out)
    print_means(results, lines, out)
    print_verdicts(results, lines, out)
