"""Comparisons that need no resamples. Pure: arrays in, numbers out.

Seeds of two cells are never paired: seed 3 of one has nothing to do with seed 3 of the other. (What they share,
the test machines, pairs their intervals, see intervals.py.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from scipy import optimize
from scipy import stats as scipy_stats

from analysis.statistics.estimates import ALPHA, MIN_SEEDS, Estimate, FloatArray, Interval


def probability_of_improvement(a: FloatArray, b: FloatArray, units_a: int, units_b: int) -> Estimate:
    """Probability that a seed of `a` (n,) beats one of `b` (m,), ties counted half: Mann and Whitney's U / (n m).

    The interval is Newcombe's (2006, method 5), a score interval with Hanley and McNeil's variance, so that it has a
    width where every seed of one cell beats all of the other; Student's t stands for z. It rests on the seeds alone.

    Args:
        units_a: how many independent seeds, or searches, there are of `a`; so `units_b`.
    """
    value = float(((a[:, None] > b) + 0.5 * (a[:, None] == b)).mean())
    units = min(units_a, units_b)
    if units < MIN_SEEDS:
        return Estimate(value, None, units)
    high = _score_end(value, units_a, units_b)
    return Estimate(value, Interval(1 - _score_end(1 - value, units_a, units_b), high), units)


def _score_end(value: float, n: int, m: int) -> float:
    """The highest probability from which `value` lies no further than t standard errors."""
    t, more = float(scipy_stats.t.ppf(1 - ALPHA, n + m - 2)), (n + m) / 2 - 1

    def beyond(p: float) -> float:
        variance = p * (1 - p) * (1 + more * ((1 - p) / (2 - p) + p / (1 + p))) / (n * m)
        return p - value - t * math.sqrt(variance)

    # At 0 the variance is 0, too: the end that is meant lies above.
    return 1.0 if value == 1.0 else float(optimize.brentq(beyond, max(value, 1e-9), 1.0))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p-values by claim, adjusted for their number as Holm (1979) steps down."""
    adjusted: dict[str, float] = {}
    highest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = highest
    return adjusted
