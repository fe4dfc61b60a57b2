"""The one interval rule, at every number of seeds. Pure: resamples in, frozen dataclass out.

s_c is the weight of cell c in a contrast D, theta_c its statistic (the IQM of its accuracies), n_c its number of
units (seeds, or searches), C the number of test classes. There are two independent sets of R resamples: of units on
the whole test set, S_c, and of test classes with all units, K_c; the same classes for every cell of a task.

    dS = sum of s_c sqrt(n_c / (n_c - 1)) (S_c - theta_c)     dK = sum of s_c (K_c - theta_c)
    v_c = s_c^2 Var(S_c) n_c / (n_c - 1)                      k = Var(dK)
    df = (sum of v_c + k)^2 / (sum of v_c^2 / (n_c - 1) + k^2 / (C - 1))     (Welch and Satterthwaite)
    interval = D + t(df) / z times the 2.5 and 97.5 percentiles of dS + dK

Drawing units and classes in one resample would count the noise of single predictions three times, and Student's
tails belong to the few units, not to the many classes. The p-values come from the same resamples as the interval:
one is at most ALPHA exactly where the interval lies wholly on one side of the bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats as scipy_stats

from analysis.statistics.estimates import ALPHA, MIN_SEEDS, Estimate, FloatArray, Interval

Side = Literal["greater", "less"]
_Z = float(scipy_stats.norm.ppf(1 - ALPHA))


@dataclass(frozen=True)
class SampledCell:
    """A statistic of one cell, and what two independent sets of resamples made of it."""

    value: float
    num_units: int
    units: FloatArray
    """Over drawn units on the whole test set (R,)."""
    classes: FloatArray | None
    """Over all units on drawn test classes (R,); None where there are no classes, or they are not known."""
    num_classes: int


@dataclass(frozen=True)
class Spread:
    """A number and where it may lie."""

    value: float
    drawn: FloatArray
    """D + t / z (dS + dK), resample by resample (R,). Empty below MIN_SEEDS units."""
    num_units: int

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval; None below MIN_SEEDS units.

        Its ends are the resamples of such ranks that `p_value` is at most ALPHA exactly for bounds beyond them.
        """
        if not len(self.drawn):
            return None
        rank = int(ALPHA * (len(self.drawn) + 1)) - 1
        ordered = np.partition(self.drawn, [rank, -1 - rank])
        return Interval(float(ordered[rank]), float(ordered[-1 - rank]))

    def p_value(self, bound: float, side: Side) -> float:
        """One-sided p-value of "not on this `side` of `bound`"; at least 1 / (R + 1)."""
        wrong = self.drawn <= bound if side == "greater" else self.drawn >= bound
        return float((1 + np.sum(wrong)) / (len(self.drawn) + 1))

    def estimate(self, low: float = -np.inf, high: float = np.inf) -> Estimate:
        """The number with its interval, cut off at bounds that the truth can't pass."""
        found = self.interval
        cut = found and Interval(max(found.low, low), min(found.high, high))
        return Estimate(self.value, cut, self.num_units)

    def negative(self) -> Spread:
        """The same of the number with the other sign."""
        return Spread(-self.value, -self.drawn, self.num_units)

    def exp(self) -> Spread:
        """Of logarithms: the same of the numbers."""
        return Spread(float(np.exp(self.value)), np.exp(self.drawn), self.num_units)


def contrast(cells: Sequence[SampledCell], weights: Sequence[float]) -> Spread:
    """The sum of weight x value over independent cells; the class part is left out unless all cells have one."""
    value = float(sum(w * c.value for w, c in zip(weights, cells, strict=True)))
    num_units = min(cell.num_units for cell in cells)
    if num_units < MIN_SEEDS:
        return Spread(value, np.empty(0), num_units)
    deviations = sum((w * d for w, d in zip(weights, _deviations(cells), strict=True)), np.zeros(1))
    return Spread(value, value + _inflation(cells, weights) * deviations, num_units)


def share_estimate(low: SampledCell, mid: SampledCell, high: SampledCell) -> Spread:
    """(mid - low) / (high - low); a gap of exactly 0 gives an infinite share.

    t / z is that of the contrast mid - s high - (1 - s) low at the estimate s.
    """
    cells = (low, mid, high)
    value = (mid.value - low.value) / (high.value - low.value)
    num_units = min(cell.num_units for cell in cells)
    if num_units < MIN_SEEDS:
        return Spread(value, np.empty(0), num_units)
    scale = _inflation(cells, (value - 1, 1.0, -value))
    bottom, middle, top = (c.value + scale * d for c, d in zip(cells, _deviations(cells), strict=True))
    gap, way = top - bottom, middle - bottom
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = np.where(gap == 0, np.copysign(np.inf, way), way / gap)
    return Spread(value, drawn, num_units)


def _deviations(cells: Sequence[SampledCell]) -> list[FloatArray]:
    """By cell sqrt(n / (n - 1)) (S - theta) + (K - theta), each (R,)."""
    whole = all(cell.classes is not None for cell in cells)
    found = []
    for cell in cells:
        part = np.sqrt(cell.num_units / (cell.num_units - 1)) * (cell.units - cell.value)
        found.append(part + (cell.classes - cell.value) if whole and cell.classes is not None else part)
    return found


def _inflation(cells: Sequence[SampledCell], weights: Sequence[float]) -> float:
    """t(df) / z."""
    units = np.array([cell.num_units for cell in cells])
    variances = np.array([w * w * c.units.var() for w, c in zip(weights, cells, strict=True)]) * units / (units - 1)
    parts = [w * c.classes for w, c in zip(weights, cells, strict=True) if c.classes is not None]
    k = float(np.sum(parts, axis=0).var()) if len(parts) == len(cells) else 0.0
    spread = float(np.sum(variances**2 / (units - 1))) + k * k / max(cells[0].num_classes - 1, 1)
    if spread == 0.0:  # nothing varies, so that there is nothing to inflate
        return 1.0
    df = (float(variances.sum()) + k) ** 2 / spread
    return float(scipy_stats.t.ppf(1 - ALPHA, df)) / _Z
