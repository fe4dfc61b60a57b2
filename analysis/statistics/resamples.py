"""One cell's seeds and what is drawn of them: its IQM resampled, as it is and with seeds lowered. Pure.

Seeds are drawn by rank, so that the same draws serve whichever seed is the better one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.statistics.estimates import NUM_RESAMPLES, FloatArray, IntArray, draw_seeds, iqm, iqms
from analysis.statistics.intervals import SampledCell


@dataclass(frozen=True)
class Draws:
    """The measure seeds of one cell with R resamples of units and R of test classes."""

    accuracies: FloatArray
    """On the whole test set, by seed (n,)."""
    places: IntArray
    """Which seeds each resample of units holds (R, .)."""
    on_classes: FloatArray | None
    """Every seed's accuracy on each of R test sets of drawn classes (R, n); None where classes are not known."""
    num_classes: int
    num_units: int

    def iqm(self) -> SampledCell:
        """IQM of the accuracies."""
        classes = None if self.on_classes is None else iqms(self.on_classes)
        return self._sampled(iqm(self.accuracies), iqms(self.accuracies[self.places]), classes)

    def iqm_of(self, values: FloatArray) -> SampledCell:
        """IQM of other numbers by seed (n,), which the test classes have no part in."""
        return self._sampled(iqm(values), iqms(values[self.places]), None)

    def mean_of(self, values: FloatArray) -> SampledCell:
        """Mean of other numbers by seed (n,), which the test classes have no part in."""
        return self._sampled(float(values.mean()), values[self.places].mean(axis=1), None)

    def lowered(self, to: FloatArray) -> Draws:
        """The cell if its seeds had scored no more than `to` (n,), and in each class by as much less."""
        values = np.minimum(self.accuracies, to)
        kept = np.divide(values, self.accuracies, out=np.ones_like(values), where=self.accuracies > 0)
        classes = None if self.on_classes is None else self.on_classes * kept
        return replace(self, accuracies=values, on_classes=classes)

    def _sampled(self, value: float, units: FloatArray, classes: FloatArray | None) -> SampledCell:
        return SampledCell(value, self.num_units, units, classes, self.num_classes)


def draw_resamples(
    accuracies: FloatArray,
    on_classes: FloatArray | None,
    num_classes: int,
    units: Sequence[int],
    generator: np.random.Generator,
    num_resamples: int = NUM_RESAMPLES,
) -> Draws:
    """Draw the seeds of a cell; `units` says what each is drawn with, itself or all seeds of its search."""
    names, unit = np.unique(np.asarray(units), return_inverse=True)
    means = np.bincount(unit, weights=accuracies) / np.bincount(unit)
    rank = np.argsort(np.argsort(means, kind="stable"), kind="stable")[unit]
    order = np.lexsort((accuracies, rank))
    places = order.astype(np.int16)[draw_seeds(rank[order], generator, num_resamples)]
    return Draws(accuracies, places, on_classes, num_classes, len(names))
