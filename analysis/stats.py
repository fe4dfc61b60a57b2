"""Estimates and intervals. Pure: arrays and a generator in, frozen dataclass out.

Letters: C test classes (machines up to relabelling), n seeds of one cell, K columns (seeds of all cells),
R resamples. Accuracies are fractions, not points. Intervals are at 95 %. A unit is what is drawn: a seed, or,
where a cell was searched several times, a search with all its seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats as scipy_stats

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer[Any]]

NUM_RESAMPLES = 20_000
"""The expanded tail at 5 seeds is .00095: 19 resamples lie beyond it on each side."""
MIN_SEEDS = 5
"""Below it no interval is honest: points only."""
PLAIN_SEEDS = 10
"""From here on plain percentiles cover; below it they cover only 88-93 %, expanded ones 93-94 %."""
_CHUNK = 2_000_000
"""Class draws held at once (16 MB)."""


@dataclass(frozen=True)
class Interval:
    """Both ends of a 95 % interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """A number, and its interval where there are enough units for one."""

    value: float
    interval: Interval | None
    num_units: int
    """Seeds, or searches, of the cell; of the smallest cell in a comparison."""


@dataclass(frozen=True)
class Rate:
    """`successes` of `total` seeds, with Wilson's interval."""

    successes: int
    total: int
    interval: Interval

    @property
    def value(self) -> float:
        """successes / total."""
        return self.successes / self.total

    @property
    def mixed(self) -> bool:
        """Some succeed and others fail."""
        return 0 < self.successes < self.total


@dataclass(frozen=True)
class Score:
    """What stands beside every IQM, because an IQM of five hides a failing seed."""

    iqm: Estimate
    mean: float
    minimum: float
    maximum: float
    success: Rate | None
    """None where the ceiling is unknown, as for imported results."""


def iqm(values: FloatArray) -> float:
    """Interquartile mean: the mean without the int(n / 4) smallest and largest values."""
    return float(scipy_stats.trim_mean(values, 0.25))


def tail(num_units: int, level: float = 0.025) -> float:
    """Share of the resamples beyond each end of an interval that shall miss with probability `level` there.

    Below 10 seeds Phi(-t(n-1, .975) sqrt(n / (n - 1))), the expanded percentiles of Hesterberg (2015): a
    bootstrap's variance lacks the factor n / (n - 1), and its percentiles lack Student's tails.
    """
    if num_units >= PLAIN_SEEDS:
        return level
    t = scipy_stats.t.ppf(level, num_units - 1)
    return float(scipy_stats.norm.cdf(t * np.sqrt(num_units / (num_units - 1))))


def percentile_interval(resamples: FloatArray, num_units: int) -> Interval | None:
    """Interval from resamples (R,); None below 5 units."""
    if num_units < MIN_SEEDS:
        return None
    share = tail(num_units)
    low, high = np.quantile(resamples, [share, 1 - share])
    return Interval(float(low), float(high))


def wilson(successes: int, total: int) -> Rate:
    """Success rate with Wilson's score interval."""
    ci = scipy_stats.binomtest(successes, total).proportion_ci(method="wilson")
    return Rate(successes, total, Interval(float(ci.low), float(ci.high)))


def newcombe(a: Rate, b: Rate) -> Estimate:
    """Difference a - b of two independent success rates (Newcombe 1998, method 10)."""
    difference = a.value - b.value
    down = np.hypot(a.value - a.interval.low, b.interval.high - b.value)
    up = np.hypot(a.interval.high - a.value, b.value - b.interval.low)
    units = min(a.total, b.total)
    interval = Interval(float(difference - down), float(difference + up)) if units >= MIN_SEEDS else None
    return Estimate(difference, interval, units)


def sum_by_class(counts: npt.ArrayLike, classes: npt.ArrayLike) -> FloatArray:
    """Counts by machine -> counts by class (C,), so that a drawn class brings all its machines."""
    by_class = np.bincount(np.asarray(classes), weights=np.asarray(counts, dtype=np.float64))
    return by_class.astype(np.float64)


def resample_accuracies(
    correct: FloatArray, total: FloatArray, generator: np.random.Generator, num_resamples: int = NUM_RESAMPLES
) -> FloatArray:
    """Accuracy of every seed on each of R test sets whose classes are drawn with replacement.

    Args:
        correct: correct predictions by class and seed (C, K); all columns see the same draws.
        total: predictions by class (C,), the same for all seeds.
    Returns:
        (R, K). The draws depend on the generator, C and R only, so a further column changes no other.
    """
    num_classes = len(total)
    chunk = max(1, _CHUNK // num_classes)
    parts = []
    for start in range(0, num_resamples, chunk):
        rows = min(chunk, num_resamples - start)
        drawn = generator.integers(num_classes, size=(rows, num_classes))
        drawn += np.arange(rows)[:, None] * num_classes
        times = np.bincount(drawn.ravel(), minlength=rows * num_classes).reshape(rows, num_classes)
        times = times.astype(np.float64)  # integers below 2^53: the products are exact on every BLAS
        parts.append((times @ correct) / (times @ total)[:, None])
    return np.concatenate(parts)


def draw_seeds(units: npt.ArrayLike, generator: np.random.Generator, num_resamples: int = NUM_RESAMPLES) -> IntArray:
    """Seeds of each resample: units drawn with replacement, each with all its seeds.

    Whole units, not seeds drawn again within them, which would count the spread inside a search twice (Davison
    and Hinkley 1997, section 3.8). A unit with fewer seeds than the largest one gives some of them twice.

    Args:
        units: to which unit each seed belongs (n,).
    Returns:
        places of seeds (R, units x seeds of the largest unit).
    """
    names, unit = np.unique(np.asarray(units), return_inverse=True)
    width = int(np.bincount(unit).max())
    members = np.stack([np.resize(np.flatnonzero(unit == number), width) for number in range(len(names))])
    members = members.astype(np.int16)  # kept for every cell of a sweep, and a cell has at most 1,000 seeds
    drawn = generator.integers(len(names), size=(num_resamples, len(names)))
    return members[drawn].reshape(num_resamples, -1)


def resample_iqm(accuracies: FloatArray, drawn: IntArray) -> FloatArray:
    """IQM (R,) over the `drawn` seeds (R, m), from a cell's accuracies (R, n) on R drawn test sets."""
    resampled = np.take_along_axis(accuracies, drawn, axis=1)
    return np.asarray(scipy_stats.trim_mean(resampled, 0.25, axis=1), dtype=np.float64)


def score(values: FloatArray, resamples: FloatArray, solved_from: float | None, num_units: int) -> Score:
    """Everything said of one cell.

    Args:
        values: test accuracy by seed (n,).
        resamples: bootstrap of their IQM (R,).
        solved_from: accuracy from which a seed counts as success; None where that is unknown.
        num_units: how many seeds, or searches, were drawn from.
    """
    return Score(
        iqm=Estimate(iqm(values), percentile_interval(resamples, num_units), num_units),
        mean=float(np.mean(values)),
        minimum=float(np.min(values)),
        maximum=float(np.max(values)),
        success=None if solved_from is None else wilson(int(np.sum(values >= solved_from)), len(values)),
    )


def share(low: FloatArray, mid: FloatArray, high: FloatArray) -> FloatArray:
    """(mid - low) / (high - low), resample by resample; a gap of exactly 0 gives an infinite share."""
    gap = high - low
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gap == 0, np.copysign(np.inf, mid - low), (mid - low) / gap)
