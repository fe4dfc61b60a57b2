"""How strongly two cells' measure seeds say that one is better than the other by more than a margin.

A claim about accuracies asks whether `a`, whose better seeds would favour it, lies above `b` by more than a margin,
which is negative in "not worse by more than". Better seeds of `a` must never weaken the claim, which the interval of
the seeds as they are does not grant: one seed that rises far makes the interval wider, and a cell some of whose seeds
succeed is judged on success rates. So a claim is also supported where it is supported for a cell that did no better
than `a`, seed by seed and class by class:

- as it is: the interval of the IQMs' difference, where neither cell is mixed;
- lowered: the same after all seeds of `a` above a level are counted as that level, for levels at its seeds'
  accuracies and between them; of a mixed `a` the lowest succeeding seed is first counted as just short of success,
  which makes it a cell that is not mixed;
- in success: the difference of success rates, if every success of `a` is worth more than the margin (`_worth`).

The p-value is the least of these. It can still rise with a seed of `a` by what is lost between two levels, and where
the seed improves in a few classes only, since a lowered seed loses in all classes alike. At the margin itself lowering
adds nothing measurable to the wrong verdicts, see docs/coverage.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from analysis.findings import summary
from analysis.findings.summary import CellSummary
from analysis.statistics.estimates import ALPHA, FloatArray, iqm
from analysis.statistics.intervals import SampledCell, Spread, contrast
from analysis.statistics.resamples import Draws

Route = Literal["accuracy", "success rate"]
_BETWEEN = (0.01, 0.03, 0.1, 0.25, 0.5, 0.75)
"""Levels between two neighbouring seeds; they halve what is lost between levels."""


@dataclass(frozen=True)
class Evidence:
    """That `a` lies above `b` by more than a margin."""

    p_value: float | None
    """One-sided; None where nothing can be said about accuracies, because a cell is mixed."""
    route: Route
    """What decides, or would have to."""
    spread: Spread | None = None
    """Of the IQMs' difference a - b in the world that decides; None where success rates do."""
    level: float | None = None
    """Seeds of `a` above it were counted as it; None where they are as they are."""


def above(a: CellSummary, b: CellSummary, margin: float) -> Evidence:
    """Evidence that `a` lies above `b` by more than `margin`, better seeds of `a` not held against it."""
    rates = rates_above(a, b, margin)
    mixed = a.groups or b.groups
    as_is = Evidence(rates, "success rate") if mixed else accuracy_above(summary.gap(a, b), margin)
    found = [as_is]
    if rates is not None:
        found.append(Evidence(rates, "success rate"))
    if not b.groups and not _least(as_is):
        found += lowered_above(a.measured, b.sampled, margin, a.threshold if a.groups else None)
    best = min(found, key=lambda each: 1.0 if each.p_value is None else each.p_value)
    told = as_is if _decides(as_is) or not _decides(best) else best
    return Evidence(best.p_value, told.route, told.spread, told.level)


def accuracy_above(spread: Spread, margin: float, level: float | None = None) -> Evidence:
    """What the interval of one difference says."""
    return Evidence(spread.p_value(margin, "greater"), "accuracy", spread, level)


def lowered_above(a: Draws, b: SampledCell, margin: float, mixed_from: float | None = None) -> list[Evidence]:
    """Evidence from every lowered `a` whose IQM is still that far above `b`; `mixed_from`: see `_lowered`."""
    worlds = _lowered(a, b.value + margin, mixed_from)
    return [accuracy_above(contrast([world.iqm(), b], [1, -1]), margin, level) for level, world in worlds]


def rates_above(a: CellSummary, b: CellSummary, margin: float) -> float | None:
    """p-value that `a` is above `b` by `margin` in success rate; None where that says nothing about accuracies."""
    return summary.rate_p(a, b, margin) if _worth(a, b, margin) else None


def clears(cell: CellSummary, accuracy: float) -> bool:
    """Whether the cell's interval lies above `accuracy`, or would after its seeds were lowered; a mixed one does."""
    worlds = (world.iqm() for _, world in _lowered(cell.measured, accuracy, None))
    found = (accuracy_above(contrast([each], [1]), accuracy) for each in (cell.sampled, *worlds))
    return bool(cell.groups) or any(map(_decides, found))


def _decides(evidence: Evidence) -> bool:
    return evidence.p_value is not None and evidence.p_value <= ALPHA


def _least(evidence: Evidence) -> bool:
    """No world could give a smaller p-value."""
    return evidence.spread is not None and evidence.p_value == 1 / (len(evidence.spread.drawn) + 1)


def _lowered(a: Draws, least: float, mixed_from: float | None) -> Iterator[tuple[float, Draws]]:
    """Levels and the cell with all seeds above them counted as them, while its IQM is above `least`.

    The levels are the seeds' accuracies but for the highest, which lowers nothing, and some between neighbours.

    Args:
        mixed_from: of a mixed cell, where success starts: its lowest succeeding seed is counted as just short of it.
    """
    if mixed_from is not None:
        a = a.lowered(_bridged(a.accuracies, mixed_from))
        yield float(a.accuracies.max()), a
    ordered = np.sort(a.accuracies)
    for kept in range(len(ordered) - 1):
        top = ordered[len(ordered) - kept - 1]
        for low, high in pairwise(np.unique(ordered[: len(ordered) - kept])):
            for level in (float(low + part * (high - low)) for part in (0.0, *_BETWEEN)):
                to = np.where(a.accuracies > top, a.accuracies, np.minimum(a.accuracies, level))
                if iqm(to) > least:
                    yield level, a.lowered(to)


def _bridged(accuracies: FloatArray, solved_from: float) -> FloatArray:
    """The accuracies with the lowest succeeding one just short of success."""
    found = accuracies.copy()
    found[np.argmin(np.where(accuracies >= solved_from, accuracies, np.inf))] = np.nextafter(solved_from, 0)
    return found


def _worth(a: CellSummary, b: CellSummary, margin: float) -> bool:
    """Whether more successes of `a` mean that it lies above `b` by more than the margin in accuracy, too.

    Success must lie further than the margin above every failing seed of b. Where the margin is negative, each group
    of a must also be above that group of b by more than the margin.
    """
    mine, base = a.accuracies, b.accuracies
    failing, solved = base[base < b.threshold], base[base >= b.threshold]
    short = mine[mine < a.threshold]
    if failing.size and not a.threshold - failing.max() > margin:
        return False
    if margin >= 0:
        return True
    alike = not (short.size and failing.size) or short.min() - failing.max() > margin
    return alike and not (solved.size and not a.threshold - solved.max() > margin)
