"""Tests of declared contrasts between two cells. Pure: arrays and a generator in, numbers out.

Seeds of two cells are never paired: seed 3 of one has nothing to do with seed 3 of the other. (What they share,
the test machines, pairs their intervals, see summary.py.) All tests are one-sided, against a margin; p-values are
conditional on the test set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from scipy import stats as scipy_stats

from analysis.stats import Estimate, FloatArray, IntArray, percentile_interval
from fsm_icl.records import Direction

Statistic = Literal["iqm", "mean"]
NUM_PERMUTATIONS = 9_999
"""Drawn where there are more distinct ones; up to 7 against 7 seeds (3,432) all are looked at."""


def permutation_p(
    a: FloatArray,
    b: FloatArray,
    margin: float,
    direction: Direction,
    generator: np.random.Generator,
    statistic: Statistic = "iqm",
) -> float:
    """p-value of an unpaired permutation test of a - b against `margin`, by seeds (n,) and (m,).

    `a` is shifted by the margin, and then seeds of both change places. Exact where the two cells differ by a
    shift alone; where their spreads differ it holds for equal numbers of seeds and many of them (Romano 1990).
    `within` is equivalence by two one-sided tests (TOST): the larger p of "above -margin" and "below margin".
    """
    if direction == "within":
        low = permutation_p(a, b, -margin, "greater", generator, statistic)
        return max(low, permutation_p(a, b, margin, "less", generator, statistic))
    found = scipy_stats.permutation_test(
        (a - margin, b),
        _mean_gap if statistic == "mean" else _iqm_gap,
        vectorized=True,
        n_resamples=NUM_PERMUTATIONS,
        alternative=direction,
        rng=generator,
    )
    return float(found.pvalue)


def _iqm_gap(a: FloatArray, b: FloatArray, axis: int) -> Any:
    return scipy_stats.trim_mean(a, 0.25, axis=axis) - scipy_stats.trim_mean(b, 0.25, axis=axis)


def _mean_gap(a: FloatArray, b: FloatArray, axis: int) -> Any:
    return np.mean(a, axis=axis) - np.mean(b, axis=axis)


def bootstrap_p(resamples: FloatArray, bound: float, direction: Direction, num_units: int) -> float:
    """The smallest one-sided level at which the interval of `resamples` (R,) excludes `bound`.

    For quantities that no permutation leaves alone, such as a share of a gap; below 10 units the expansion of
    the percentiles is undone (`stats.tail` read backwards). Never below 1 / (R + 1).
    """
    if direction == "within":
        low = bootstrap_p(resamples, -bound, "greater", num_units)
        return max(low, bootstrap_p(resamples, bound, "less", num_units))
    beyond = resamples <= bound if direction == "greater" else resamples >= bound
    share = (np.sum(beyond) + 1) / (len(resamples) + 1)
    if num_units >= 10:
        return float(share)
    shrunk = scipy_stats.norm.ppf(share) * np.sqrt((num_units - 1) / num_units)
    return float(scipy_stats.t.cdf(shrunk, num_units - 1))


def improvement(a: FloatArray, b: FloatArray, drawn_a: IntArray, drawn_b: IntArray, num_units: int) -> Estimate:
    """Probability that a seed of `a` (n,) beats one of `b` (m,), ties counted half: Mann and Whitney's U / (n m).

    Args:
        drawn_a: places of the seeds of each resample (R, .), as `stats.draw_seeds` gives them; so `drawn_b`.
    """
    wins = (a[:, None] > b) + 0.5 * (a[:, None] == b)
    # Mean over drawn rows and columns of `wins`, by how often each seed was drawn: no (R, n, m) array.
    times_a, times_b = _times(drawn_a, len(a)), _times(drawn_b, len(b))
    resamples = np.einsum("ri,ij,rj->r", times_a, wins, times_b, optimize=True)
    return Estimate(float(wins.mean()), percentile_interval(resamples, num_units), num_units)


def _times(drawn: IntArray, count: int) -> FloatArray:
    """How often each of `count` seeds occurs in each resample, as a share (R, count)."""
    rows = np.arange(len(drawn))[:, None] * count
    times = np.bincount((drawn + rows).ravel(), minlength=len(drawn) * count)
    return np.asarray(times.reshape(len(drawn), count) / drawn.shape[1], dtype=np.float64)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p-values by claim, adjusted for their number as Holm (1979) steps down."""
    adjusted: dict[str, float] = {}
    highest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = highest
    return adjusted


def ratio(
    a: Sequence[int], b: Sequence[int], drawn_a: IntArray, drawn_b: IntArray, num_units: int
) -> tuple[Estimate, FloatArray]:
    """Ratio a / b of typical step counts: exp of the difference of the IQMs of their logarithms; and resamples (R,)."""
    logs = np.log(np.asarray(a, dtype=np.float64)), np.log(np.asarray(b, dtype=np.float64))
    middle = [scipy_stats.trim_mean(x, 0.25) for x in logs]
    drawn = [scipy_stats.trim_mean(x[i], 0.25, axis=1) for x, i in zip(logs, (drawn_a, drawn_b), strict=True)]
    resamples = np.exp(drawn[0] - drawn[1])
    value = float(np.exp(middle[0] - middle[1]))
    return Estimate(value, percentile_interval(resamples, num_units), num_units), resamples
