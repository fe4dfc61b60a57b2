"""What a hyperparameter search cost and brought. Pure: numbers of one cell's proposals in, frozen dataclass out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.statistics.estimates import FloatArray


@dataclass(frozen=True)
class ExpectedBest:
    """Best validation accuracy to expect of 1, 2, ... proposals."""

    values: tuple[float, ...]
    unbiased: bool
    """False where proposals were pruned or learnt from each other: then it describes this search only."""


@dataclass(frozen=True)
class Saving:
    """Optimiser steps that a cell's search took."""

    steps: int
    full: int
    """What the same proposals would have taken unpruned."""

    @property
    def factor(self) -> float:
        """full / steps. Raises ZeroDivisionError where nothing has run."""
        return self.full / self.steps


@dataclass(frozen=True)
class Tolerance:
    """How wide the range of good learning rates is."""

    lowest: float
    highest: float

    @property
    def factor(self) -> float:
        """highest / lowest: 1 where a single proposal is good."""
        return self.highest / self.lowest


def expected_best(values: Sequence[float], unbiased: bool) -> ExpectedBest:
    """The mean, over all subsets of k of the N values, of their maximum; k = 1 .. N.

    The largest of a subset is the i-th smallest value in C(i - 1, k - 1) of the C(N, k) subsets. Unlike the
    estimator with replacement (Dodge et al. 2019) it has no bias for independent proposals (Tang et al. 2020).
    """
    rising, total = np.sort(values), len(values)
    place, weights = np.arange(total), np.full(total, 1 / total)
    means = [float(weights @ rising)]
    for k in range(2, total + 1):
        weights = weights * np.maximum(place - k + 2, 0) * (k / ((k - 1) * (total - k + 1)))
        means.append(float(weights @ rising))
    return ExpectedBest(tuple(means), unbiased)


def saving(steps: Sequence[int], budget: int) -> Saving:
    """Steps of each ended proposal against the full budget of as many."""
    return Saving(sum(steps), budget * len(steps))


def tolerance(rates: FloatArray, accuracies: FloatArray, margin: float) -> Tolerance:
    """The good learning rates' extremes: those of proposals (n,) within `margin` of the best one's accuracy."""
    good = rates[accuracies >= np.max(accuracies) - margin]
    return Tolerance(float(np.min(good)), float(np.max(good)))
