"""What a few seeds say: a mean with its interval, and whether one configuration differs from another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

# Of an interval; and above which p a difference is not shown.
CONFIDENCE, SIGNIFICANT = 0.95, 0.05


@dataclass(frozen=True)
class Summary:
    """Of a score over seeds. sd: the sample standard deviation (n - 1). low, high: the interval in which the mean of
    many seeds lies with 95 % confidence, by Student's t. None where there are too few."""

    mean: float
    sd: float | None
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True)
class Paired:
    """A two-sided paired t-test over the seeds that two configurations share.

    difference: the mean of the differences. p: None for fewer than two pairs. pairs: how many there are.
    """

    difference: float | None
    p: float | None
    pairs: int

    @property
    def shown(self) -> bool:
        """Whether the seeds show a difference."""
        return self.p is not None and self.p < SIGNIFICANT


def summary(values: Sequence[float]) -> Summary:
    """Mean, deviation and interval of at least one value (Student, "The probable error of a mean", 1908)."""
    mean, count = fmean(values), len(values)
    if count < 2:
        return Summary(mean, None, None, None, count)
    from scipy.special import stdtrit  # scipy.stats has the same and takes a second longer to import.

    sd = stdev(values)
    half = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * sd / math.sqrt(count)
    return Summary(mean, sd, mean - half, mean + half, count)


def paired(ours: Mapping[int, float], others: Mapping[int, float]) -> Paired:
    """Compare two configurations by their scores per seed; seeds that only one of them has do not count."""
    seeds = sorted(ours.keys() & others.keys())
    differences = [ours[seed] - others[seed] for seed in seeds]
    if len(seeds) < 2:
        return Paired(differences[0] if differences else None, None, len(seeds))
    mean, error = fmean(differences), stdev(differences) / math.sqrt(len(seeds))
    if error == 0:  # Every seed differs by the same: by nothing, or for certain.
        return Paired(mean, 0.0 if mean else 1.0, len(seeds))
    from scipy.special import stdtr

    return Paired(mean, 2 * float(stdtr(len(seeds) - 1, -abs(mean / error))), len(seeds))
