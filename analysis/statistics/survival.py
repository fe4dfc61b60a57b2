"""Time to breakthrough: how many steps until a measure trial reaches the threshold. Pure.

A trial that never does is censored at its budget, also one that diverged on the way: more steps would not have
helped it. Only measure trials enter; pruning depends on the accuracy, so pruned search trials would bias a curve.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats as scipy_stats

from analysis.statistics.estimates import FloatArray, IntArray

NUM_PERMUTATIONS = 9_999
"""Drawn where there are more distinct ones; up to 7 against 7 seeds (3,432) all are looked at."""


@dataclass(frozen=True)
class Survival:
    """Kaplan-Meier's share of seeds still short of the threshold after each step at which one reaches it."""

    steps: tuple[int, ...]
    surviving: tuple[float, ...]
    low: tuple[float, ...]
    """95 % interval at each step (log-log); NaN where it does not exist, as after the last seed's breakthrough."""
    high: tuple[float, ...]
    reached: int
    total: int
    budget: int

    @property
    def median(self) -> int | None:
        """The first step by which at least half of the seeds have reached the threshold; None where fewer ever do.

        With an even number of seeds that is the step of the lower one of the middle two, not halfway between them:
        of 10, 20, 30 and never it is 20.
        """
        return next((step for step, share in zip(self.steps, self.surviving, strict=True) if share <= 0.5), None)


def kaplan_meier(steps: Sequence[int | None], budget: int) -> Survival:
    """The curve of one cell: by seed the step at which it reached the threshold, None where it never did."""
    known = sorted(step for step in steps if step is not None)
    if not known:
        return Survival((), (), (), (), 0, len(steps), budget)
    sample: Any = scipy_stats.CensoredData(uncensored=known, right=[budget] * (len(steps) - len(known)))
    curve: Any = scipy_stats.ecdf(sample).sf
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # a share of 0 or 1 has no log-log interval: NaN is meant
        ends = curve.confidence_interval(method="log-log")
    events = [i for i, step in enumerate(curve.quantiles) if step in known]
    surviving, low, high = (
        tuple(float(share) for share in function.probabilities[events]) for function in (curve, ends.low, ends.high)
    )
    times = tuple(int(step) for step in curve.quantiles[events])
    return Survival(times, surviving, low, high, len(known), len(steps), budget)


def logrank_p(a: Sequence[int | None], b: Sequence[int | None], generator: np.random.Generator) -> float:
    """Two-sided p-value of a permutation log-rank test: do two cells need the same number of steps?

    The usual chi-square limit is far off with five seeds, so seeds change places between the cells instead.
    """
    at_risk, events = _counts([*a, *b])
    if not events.any():
        return 1.0
    places = np.arange(len(a)), np.arange(len(a), len(a) + len(b))
    found = scipy_stats.permutation_test(
        places,
        lambda x, y, axis: _logrank(x, at_risk, events, axis),
        vectorized=True,
        n_resamples=NUM_PERMUTATIONS,
        batch=1_000,
        rng=generator,
    )
    return float(found.pvalue)


def _counts(steps: Sequence[int | None]) -> tuple[FloatArray, FloatArray]:
    """By trial and distinct event time (N, K): 1 where it is still at risk, 1 where it reaches the threshold."""
    time = np.array([np.inf if step is None else step for step in steps])
    at = np.unique(time[np.isfinite(time)])
    return (time[:, None] >= at).astype(np.float64), (time[:, None] == at).astype(np.float64)


def _logrank(group: IntArray, at_risk: FloatArray, events: FloatArray, axis: int) -> Any:
    """Standardised observed minus expected events of the trials in `group` (..., n), Mantel (1966)."""
    group = np.moveaxis(group, axis, -1).astype(np.int64)
    risk, event = at_risk.sum(0), events.sum(0)
    mine, seen = at_risk[group].sum(-2), events[group].sum(-2)
    share = mine / risk
    spread = event * share * (1 - share) * (risk - event) / np.maximum(risk - 1, 1)
    variance = spread.sum(-1)
    gap = (seen - event * share).sum(-1)
    # Rounded: permutations that tie must tie in floating point too.
    return np.round(np.divide(gap, np.sqrt(variance), out=np.zeros_like(gap), where=variance > 1e-12), 9)
