#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What bench/compare calculates: medians, intervals, verdicts, means, proofs. Nothing is measured here."""
import collections
import io
import os
import sys

sys.dont_write_bytecode = True
SOURCE = os.environ.get("top_srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(SOURCE, "bench"))
# pylint: disable=wrong-import-position
from lib import allocators, lines, measure, records, report, stats  # noqa: E402

NOISY = [1.00, 1.03, 0.98, 1.01, 0.97, 1.02, 1.00, 0.99, 1.04, 0.96]
LIBC = allocators.Allocator("glibc", "", "")


def scaled(values, factor):
    return [v * factor for v in values]


def close(a, b, tolerance=1e-9):
    return abs(a - b) <= tolerance * max(abs(a), abs(b))


def refuses(call, *arguments):
    try:
        call(*arguments)
    except (measure.Failed, SystemExit):
        return True
    return False


def summary_of_known_values():
    s = stats.summarise([1, 2, 3, 4])
    return s.median == 2.5 and s.mean == 2.5 and close(s.deviation, 1.2909944487358056) and s.count == 4 \
        and close(s.variation, 51.63977794943222)


def one_run_has_no_deviation():
    s = stats.summarise([3.0])
    return s.deviation == 0 and s.variation == 0


def interval_holds_the_ratio():
    i = stats.ratio(scaled(NOISY, 0.8), NOISY)
    return close(i.value, 0.8) and i.low <= i.value <= i.high and 0.75 < i.low and i.high < 0.85


def the_same_runs_give_the_same_interval():
    return stats.ratio(NOISY, NOISY[::-1]) == stats.ratio(NOISY, NOISY[::-1])


def a_clear_lead_is_a_win():
    _, i = stats.ratio_to_best(scaled(NOISY, 0.8), {"a": NOISY, "b": scaled(NOISY, 1.5)})
    return stats.verdict(i, 10) == "faster"


def a_clear_loss_is_a_loss():
    _, i = stats.ratio_to_best(scaled(NOISY, 1.2), {"a": NOISY, "b": scaled(NOISY, 1.5)})
    return stats.verdict(i, 10) == "slower"


def inside_the_noise_is_no_win():
    _, i = stats.ratio_to_best(scaled(NOISY[::-1], 0.995), {"a": NOISY})
    return stats.verdict(i, 10) == "same"


def less_than_the_noise_is_no_win_however_sure():
    exact = [1.0] * 10
    _, i = stats.ratio_to_best(scaled(exact, 0.995), {"a": exact})
    return i.high < 1 and stats.verdict(i, 10) == "same"


def few_runs_are_undecided():
    _, i = stats.ratio_to_best(scaled(NOISY, 0.5), {"a": NOISY})
    return stats.verdict(i, 4) == "undecided"


def the_best_peer_is_the_fastest():
    best, i = stats.ratio_to_best(NOISY, {"slow": scaled(NOISY, 2), "fast": scaled(NOISY, 0.5)})
    return best == "fast" and close(i.value, 2)


def weighted_geometric_mean():
    return close(stats.geometric_mean([2, 8], [1, 1]), 4) and close(stats.geometric_mean([2, 8], [1, 3]), 2 ** 2.5)


def geometric_ratio_leaves_weight_zero_out():
    pairs = [([2.0] * 5, [1.0] * 5, 1), ([8.0] * 5, [1.0] * 5, 1), ([1.0] * 5, [100.0] * 5, 0)]
    return close(stats.geometric_ratio(pairs).value, 4)


def every_round_begins_with_another():
    turns = [stats.in_turn(["a", "b", "c"], n) for n in range(3)]
    return [t[0] for t in turns] == ["a", "b", "c"] and all(sorted(t) == ["a", "b", "c"] for t in turns)


def each_follows_each_other_one_equally_often():
    for n in range(1, 12):
        followed = collections.Counter()
        for turn in range(2 * n):
            order = stats.in_turn(list(range(n)), turn)
            followed.update(zip(order, order[1:]))
        if any(followed[a, b] != 2 for a in range(n) for b in range(n) if a != b):
            return False
    return True


def lines_are_unambiguous():
    names = [line.name for line in lines.LINES]
    return len(names) == len(set(names)) and all(line.weight >= 0 for line in lines.LINES) \
        and not set(names) & {"synthetic", "real", "replay", "scaling"}


def scaling_lines_have_no_weight():
    return all(line.weight == 0 for line in lines.SCALING) and len(lines.choose(["scaling"])) == len(lines.SCALING)


def unknown_lines_are_refused():
    return refuses(lines.choose, ["no-such-line"])


def another_allocator_is_refused():
    return refuses(measure.check_bound, allocators.Allocator("x", "/bin/sh", ""), "/bin/ls") \
        and refuses(measure.check_bound, LIBC, "/usr/lib/libjemalloc.so.2") \
        and measure.check_bound(LIBC, "/lib/x86_64-linux-gnu/libc.so.6") is None


def witnesses_prove():
    libc = "/lib/x86_64-linux-gnu/libc.so.6"
    good = f"start 7 {libc} {libc} /usr/bin/perl\nend 7 5000 900\n"
    peak, _ = measure.check_witnesses(good, LIBC, "^perl")
    return peak == 5000 and refuses(measure.check_witnesses, good, LIBC, "^ruby") \
        and refuses(measure.check_witnesses, "", LIBC, "^perl") \
        and refuses(measure.check_witnesses, f"start 7 {libc} /usr/bin/perl /usr/bin/perl\n", LIBC, "^perl")


def libc_heap_under_another_allocator_is_refused():
    sh = allocators.Allocator("x", "/bin/sh", "")
    return refuses(measure.check_witnesses, "start 7 /bin/sh /bin/sh /usr/bin/perl\nend 7 5000 9000\n", sh, "^perl")


def values_of_a_program():
    return measure.parse_values("allocator /x\nseconds 0.5\npeak_kib 100\n") == {"seconds": 0.5, "peak_kib": 100}


def sample_results():
    results = records.Results()
    for name, factor in (("hakmem", 0.8), ("glibc", 1.0), ("floor", 0.5), ("hakmem-2", 0.7)):
        for turn, value in enumerate(NOISY):
            results.add({"line": "larson-t1", "allocator": name, "metric": "seconds", "value": value * factor,
                         "peak_kib": 1000 / factor, "minor_faults": 10, "round": turn, "started": "2024-01-01"})
    results.add({"line": "larson-t1", "allocator": "glibc", "error": "exit status 1: no message"})
    return results


def floor_and_second_hakmem_are_no_peers():
    best, interval, verdict = report.judge(sample_results(), "larson-t1")
    return best == "glibc" and close(interval.value, 0.8) and verdict == "faster"


def tables_tell_failures_and_verdicts():
    out = io.StringIO()
    report.print_all(sample_results(), lines.choose(["larson"]), out)
    text = out.getvalue()
    return "hakmem is FASTER than glibc: 0.800" in text and "glibc: 1 failed: exit status 1" in text \
        and "1 better, 0 inside the noise, 0 worse" in text


def a_replay_agrees_with_its_program():
    results = records.Results()
    for line, factors in (("redis", (0.8, 1.0, 1.2)), ("replay-redis", (0.5, 2.0, 1.5))):
        for name, factor in zip(("hakmem", "glibc", "jemalloc"), factors):
            for value in NOISY:
                results.add({"line": line, "allocator": name, "metric": "seconds", "value": value * factor})
    return report.agreement(results, "redis", "replay-redis") == (3, 2) \
        and report.order(results, "redis") == ["hakmem", "glibc", "jemalloc"]


TESTS = [
    summary_of_known_values, one_run_has_no_deviation, interval_holds_the_ratio,
    the_same_runs_give_the_same_interval, a_clear_lead_is_a_win, a_clear_loss_is_a_loss, inside_the_noise_is_no_win,
    less_than_the_noise_is_no_win_however_sure, few_runs_are_undecided, the_best_peer_is_the_fastest,
    weighted_geometric_mean, geometric_ratio_leaves_weight_zero_out, every_round_begins_with_another,
    each_follows_each_other_one_equally_often,
    lines_are_unambiguous, scaling_lines_have_no_weight, unknown_lines_are_refused, another_allocator_is_refused,
    witnesses_prove, libc_heap_under_another_allocator_is_refused, values_of_a_program,
    floor_and_second_hakmem_are_no_peers, tables_tell_failures_and_verdicts,
    a_replay_agrees_with_its_program,
]


def main():
    print(f"1..{len(TESTS)}")
    failed = False
    for number, test in enumerate(TESTS, 1):
        passed = test()
        failed |= not passed
        print(f"{'ok' if passed else 'not ok'} {number} {test.__name__.replace('_', ' ')}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
