"""Estimates and intervals. Pure: arrays and a generator in, frozen dataclass out.

Letters: C test classes (machines up to relabelling), n seeds of one cell, K columns (seeds of all cells),
R resamples. Accuracies are fractions, not points. Intervals are at 95 %, see intervals.py. A unit is what is drawn:
a seed, or, where a cell was searched several times, a search with all its seeds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize
from scipy import stats as scipy_stats

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer[Any]]

NUM_RESAMPLES = 4_000
"""Of units, and again of classes: the ends of an interval then move by 2 % of its width from seed to seed."""
MIN_SEEDS = 5
"""Below it no interval is honest: points only."""
ALPHA = 0.025
"""Level of every one-sided test, and what a 95 % interval leaves out on either side."""
MIXED_GAP = 0.05
"""A cell is mixed only where at least this lies between its failing and its succeeding seeds."""
_Z = float(scipy_stats.norm.ppf(1 - ALPHA))
_MOST_Z = 12.0
"""No p-value is taken below the normal tail beyond it."""
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
    def split(self) -> bool:
        """Some succeed and others fail."""
        return 0 < self.successes < self.total


@dataclass(frozen=True)
class Groups:
    """The two groups of a mixed cell's seeds: accuracies of those that fail and of those that succeed."""

    failing: tuple[float, ...]
    succeeding: tuple[float, ...]


@dataclass(frozen=True)
class Score:
    """What stands beside every IQM, because an IQM of five hides a failing seed."""

    iqm: Estimate
    mean: float
    minimum: float
    maximum: float
    success: Rate | None
    """None where the ceiling is unknown, as for imported results."""
    groups: Groups | None
    """Of a mixed cell; its IQM has no interval, because no rule covers there."""


def iqm(values: FloatArray) -> float:
    """Interquartile mean: the mean without the int(n / 4) smallest and largest values."""
    return float(iqms(values))


def iqms(values: FloatArray) -> FloatArray:
    """Interquartile means along the last axis. (scipy.stats.trim_mean takes 3 to 12 times as long.)"""
    cut = values.shape[-1] // 4
    middle = np.sort(values, axis=-1)[..., cut : values.shape[-1] - cut]
    return np.asarray(middle.mean(axis=-1), dtype=np.float64)


def two_groups_of(values: FloatArray, solved_from: float, success_margin: float) -> Groups | None:
    """The two groups of a mixed cell, None of any other.

    Mixed means bimodal: some seeds succeed, others fail, and more than MIXED_GAP and twice the success margin lie
    between the lowest succeeding and the highest failing one. Seeds that only straddle the margin are one group.
    """
    succeeds = values >= solved_from
    if succeeds.all() or not succeeds.any():
        return None
    failing, succeeding = np.sort(values[~succeeds]), np.sort(values[succeeds])
    if succeeding[0] - failing[-1] <= max(MIXED_GAP, 2 * success_margin):
        return None
    return Groups(tuple(map(float, failing)), tuple(map(float, succeeding)))


def wilson(successes: int, total: int) -> Rate:
    """Success rate with Wilson's score interval."""
    return Rate(successes, total, _wilson_ends(successes / total, total, _Z))


def newcombe(a: Rate, b: Rate) -> Estimate:
    """Difference a - b of two independent success rates (Newcombe 1998, method 10)."""
    units = min(a.total, b.total)
    ends = Interval(_newcombe_low(a, b, _Z), -_newcombe_low(b, a, _Z)) if units >= MIN_SEEDS else None
    return Estimate(a.value - b.value, ends, units)


def newcombe_p(a: Rate, b: Rate, bound: float) -> float:
    """One-sided p-value of "a - b is not above `bound`": the level whose interval by Newcombe ends there."""
    if a.value - b.value < bound:
        return 1 - newcombe_p(b, a, -bound)
    if _newcombe_low(a, b, _MOST_Z) > bound:
        return float(scipy_stats.norm.sf(_MOST_Z))
    return float(scipy_stats.norm.sf(optimize.brentq(lambda z: _newcombe_low(a, b, z) - bound, 0, _MOST_Z)))


def _newcombe_low(a: Rate, b: Rate, z: float) -> float:
    """Lower end of the interval of a - b that leaves out the normal tail beyond `z`."""
    down, up = a.value - _wilson_ends(a.value, a.total, z).low, _wilson_ends(b.value, b.total, z).high - b.value
    return a.value - b.value - math.hypot(down, up)


def _wilson_ends(share: float, total: int, z: float) -> Interval:
    middle, whole = share + z * z / (2 * total), 1 + z * z / total
    half = z * math.sqrt(share * (1 - share) / total + (z / (2 * total)) ** 2)
    return Interval(max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole))


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


def score_of(values: FloatArray, estimate: Estimate, solved_from: float | None, success_margin: float) -> Score:
    """Everything said of one cell.

    Args:
        values: test accuracy by seed (n,).
        estimate: their IQM, with the interval that it has if the cell is not mixed.
        solved_from: accuracy from which a seed counts as success; None where that is unknown.
        success_margin: how far below the ceiling that lies.
    """
    two = None if solved_from is None else two_groups_of(values, solved_from, success_margin)
    return Score(
        iqm=replace(estimate, interval=None) if two else estimate,
        mean=float(np.mean(values)),
        minimum=float(np.min(values)),
        maximum=float(np.max(values)),
        success=None if solved_from is None else wilson(int(np.sum(values >= solved_from)), len(values)),
        groups=two,
    )
