"""Measure trials of a sweep -> every cell's estimates, and comparisons of cells.

A measure trial that diverged or failed is a result: it counts with the metric's declared worst value
(accuracy 0) and as not succeeded. Left out, an architecture that blows up on half its seeds would look as
good as the other half.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from analysis import stats
from analysis.load import Sweep
from analysis.stats import Estimate, FloatArray, Score
from fsm_icl.records import METRICS, ManifestCell, TrialRecord

WORST = METRICS["test/accuracy"].worst


@dataclass(frozen=True)
class CellSummary:
    """What the measure trials of one cell scored."""

    cell: ManifestCell
    ceiling: float
    accuracies: FloatArray
    """Test accuracy by seed (n,), ended measure trials by repeat and index."""
    outcomes: tuple[str, ...]
    """How each of them ended, in the same order."""
    resamples: FloatArray
    """Bootstrap of their IQM (R,), the same classes drawn for every cell of a task. Empty without seeds."""
    score: Score | None
    """None while no measure trial has ended."""

    @property
    def label(self) -> str:
        """The cell's label."""
        return self.cell.label

    @property
    def num_seeds(self) -> int:
        """Measure trials that have ended."""
        return len(self.accuracies)


def generator(seed: int, *name: str) -> np.random.Generator:
    """A fresh generator for the stream `name` of a sweep's seed: no other draw and no other cell moves it."""
    digest = hashlib.sha256(json.dumps(["analysis", seed, *name]).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


@lru_cache(maxsize=2)
def summarise(sweep: Sweep) -> Mapping[str, CellSummary]:
    """Every cell's summary, by label, in the order of the manifest."""
    found: dict[str, CellSummary] = {}
    for task in sweep.manifest.tasks:
        labels = [cell.label for cell in sweep.manifest.cells if cell.task == task]
        found |= _summarise_task(sweep, task, labels)
    return {label: found[label] for label in sweep.cells}


def _summarise_task(sweep: Sweep, task: str, labels: list[str]) -> dict[str, CellSummary]:
    ended = {label: sweep.ended(label, "measure") for label in labels}
    tests = [record.end.test for records in ended.values() for record in records if record.end.test]
    total = stats.sum_by_class(tests[0].machine_total, tests[0].machine_class) if tests else np.ones(1)
    columns = [_correct(record, total) for records in ended.values() for record in records]
    seed = sweep.manifest.seed
    drawn = np.empty((0, 0))
    if columns:
        drawn = stats.resample_accuracies(np.stack(columns, axis=1), total, generator(seed, "classes", task))
    entry = sweep.manifest.tasks[task]
    summaries, start = {}, 0
    for label, records in ended.items():
        values = np.array([r.end.test.accuracy if r.end.test else WORST for r in records])
        mine = drawn[:, start : start + len(records)]
        start += len(records)
        resamples = stats.resample_iqm(mine, generator(seed, "seeds", label)) if records else np.empty(0)
        solved = entry.ceiling - sweep.manifest.success_margin
        score = stats.score(values, resamples, solved) if records else None
        outcomes = tuple(record.end.outcome for record in records)
        summaries[label] = CellSummary(sweep.cells[label], entry.ceiling, values, outcomes, resamples, score)
    return summaries


def _correct(record: TrialRecord, total: FloatArray) -> FloatArray:
    test = record.end.test
    return stats.sum_by_class(test.machine_correct, test.machine_class) if test else WORST * total


def difference(a: CellSummary, b: CellSummary) -> Estimate:
    """IQM of a minus IQM of b, as a fraction. Raises ValueError where a cell has no ended measure trial."""
    seeds = min(a.num_seeds, b.num_seeds)
    gap = value(a) - value(b)
    return Estimate(gap, stats.percentile_interval(a.resamples - b.resamples, seeds), seeds)


def share(low: CellSummary, mid: CellSummary, high: CellSummary) -> Estimate:
    """Part of the way from low to high that mid goes; only of use where `difference(high, low)` is not 0."""
    seeds = min(low.num_seeds, mid.num_seeds, high.num_seeds)
    resamples = stats.share(low.resamples, mid.resamples, high.resamples)
    part = (value(mid) - value(low)) / (value(high) - value(low))
    return Estimate(part, stats.percentile_interval(resamples, seeds), seeds)


def value(cell: CellSummary) -> float:
    """The cell's IQM. Raises ValueError where no measure trial has ended: absent is absent."""
    if cell.score is None:
        raise ValueError(f"no measure trial of {cell.label} has ended")
    return cell.score.iqm.value
