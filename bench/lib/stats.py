# SPDX-License-Identifier: MIT
"""Means, intervals, and what may be called a difference. No clock, no files: tests call these."""
import math
import random
import statistics
from dataclasses import dataclass

RESAMPLES = 1000
CONFIDENCE = 0.95
NOISE = 0.01      # no difference below this is called one, however narrow the interval
FEWEST_RUNS = 5   # with less, an interval says nothing


@dataclass(frozen=True)
class Summary:
    count: int
    median: float
    mean: float
    deviation: float

    @property
    def variation(self):
        """Coefficient of variation, in percent."""
        return 100 * self.deviation / self.mean if self.mean else 0.0


def summarise(values):
    values = list(values)
    return Summary(len(values), statistics.median(values), statistics.fmean(values),
                   statistics.stdev(values) if len(values) > 1 else 0.0)


@dataclass(frozen=True)
class Interval:
    value: float
    low: float
    high: float

    def __format__(self, spec):
        spec = spec or ".3f"
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def _percentiles(samples, value):
    samples = sorted(samples)
    tail = (1 - CONFIDENCE) / 2
    low = samples[int(tail * (len(samples) - 1))]
    high = samples[math.ceil((1 - tail) * (len(samples) - 1))]
    return Interval(value, min(low, value), max(high, value))


def _resampled_median(generator, values):
    return statistics.median(generator.choices(values, k=len(values)))


def ratio(ours, theirs, resamples=RESAMPLES, seed=1):
    """Ratio of the medians, and its bootstrap interval: what chance made of the runs it may make again."""
    generator = random.Random(seed)
    samples = [_resampled_median(generator, ours) / _resampled_median(generator, theirs) for _ in range(resamples)]
    return _percentiles(samples, statistics.median(ours) / statistics.median(theirs))


def ratio_to_best(ours, peers, resamples=RESAMPLES, seed=1):
    """(name of the best peer, ratio of ours to the best).

    The best is chosen anew in each resample: the least of several noisy medians is below what each
    of them is, and the interval has to say so.
    """
    generator = random.Random(seed)
    medians = {name: statistics.median(values) for name, values in peers.items()}
    best = min(medians, key=medians.get)
    samples = [_resampled_median(generator, ours) /
               min(_resampled_median(generator, values) for values in peers.values())
               for _ in range(resamples)]
    return best, _percentiles(samples, statistics.median(ours) / medians[best])


def verdict(interval, runs, noise=NOISE):
    """'faster', 'slower', 'same' (inside the noise), or 'undecided' (too few runs to say)."""
    if runs < FEWEST_RUNS:
        return "undecided"
    if interval.high < 1 and interval.value < 1 - noise:
        return "faster"
    if interval.low > 1 and interval.value > 1 + noise:
        return "slower"
    return "same"


def geometric_mean(values, weights):
    total = sum(weights)
    if total <= 0:
        raise ValueError("no weight")
    return math.exp(sum(w * math.log(v) for v, w in zip(values, weights)) / total)


def geometric_ratio(pairs, resamples=RESAMPLES, seed=1):
    """Weighted geometric mean of ratios of medians; `pairs` has (ours, theirs, weight) of each line."""
    generator = random.Random(seed)
    pairs = [(list(ours), list(theirs), weight) for ours, theirs, weight in pairs if weight > 0]
    weights = [weight for _, _, weight in pairs]
    value = geometric_mean([statistics.median(o) / statistics.median(t) for o, t, _ in pairs], weights)
    # Each median is resampled a hundred times, then the lines are combined at random: as good, and faster.
    drawn = [[(_resampled_median(generator, o) / _resampled_median(generator, t)) for _ in range(100)]
             for o, t, _ in pairs]
    samples = [geometric_mean([generator.choice(d) for d in drawn], weights) for _ in range(resamples)]
    return _percentiles(samples, value)


def in_turn(items, turn):
    """
    Who runs in which order in round `turn`. Each round begins with another one, and in as many rounds as there are
    items (twice as many if their number is odd) each follows each other one equally often: what one leaves behind,
    such as pages that the host still has, falls on all alike. (Williams, 1949: designs balanced for residual effects.)
    """
    n = len(items)
    zigzag = [(i + 1) // 2 if i % 2 else (n - i // 2) % n for i in range(n)]
    order = [items[(at + turn) % n] for at in zigzag]
    return order[::-1] if n % 2 and turn // n % 2 else order
