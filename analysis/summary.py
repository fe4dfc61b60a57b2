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
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis import contrasts, stats
from analysis.load import Sweep
from analysis.stats import Estimate, FloatArray, IntArray, Score
from fsm_icl.records import METRICS, ManifestCell, TrialRecord

WORST = METRICS["test/accuracy"].worst


@dataclass(frozen=True)
class CellSummary:
    """What the measure trials of one cell scored."""

    cell: ManifestCell
    ceiling: float | None
    """None where the task is not known well enough, as that of imported results."""
    accuracies: FloatArray
    """Test accuracy by seed (n,), ended measure trials by repeat and index."""
    outcomes: tuple[str, ...]
    """How each of them ended, in the same order."""
    units: tuple[int, ...]
    """What each of them is drawn with: itself, or, with several searches a cell, the repeat it belongs to."""
    drawn: IntArray
    """Places of the seeds in each resample (R, .). Empty without seeds."""
    resamples: FloatArray
    """Bootstrap of their IQM (R,), the same classes drawn for every cell of a task. Empty without seeds."""
    score: Score | None
    """None while no measure trial has ended."""
    steps_to_threshold: tuple[int | None, ...]
    """By seed the step of its first report at or above `solved_from` on the validation set; None: never."""
    solved_from: float | None
    """Accuracy from which a seed counts as success: success_margin below the ceiling; None where that is unknown."""

    @property
    def label(self) -> str:
        """The cell's label."""
        return self.cell.label

    @property
    def num_seeds(self) -> int:
        """Measure trials that have ended."""
        return len(self.accuracies)

    @property
    def num_units(self) -> int:
        """Seeds, or searches, that intervals are drawn from."""
        return len(set(self.units))

    def successes(self) -> npt.NDArray[np.bool_]:
        """Whether each seed succeeded (n,)."""
        assert self.solved_from is not None, "imported results, of which that is unknown, have no claims"
        return self.accuracies >= self.solved_from

    def by_unit(self, values: npt.NDArray[Any] | None = None) -> FloatArray:
        """Mean of `values` by seed, accuracies if none are given, in each unit: what a permutation may exchange."""
        units, values = np.asarray(self.units), self.accuracies if values is None else values
        return np.array([values[units == unit].mean() for unit in dict.fromkeys(self.units)])


def generator(seed: int | None, *name: str) -> np.random.Generator:
    """A fresh generator for the stream `name` of a sweep's seed: no other draw and no other cell moves it."""
    digest = hashlib.sha256(json.dumps(["analysis", seed, *name]).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


@lru_cache(maxsize=4)
def summarise(sweep: Sweep, seed: int | None = None, side: str = "") -> Mapping[str, CellSummary]:
    """Every cell's summary, by label, in the order of the manifest.

    `seed` is the sweep's own unless it is compared with another one: then both draw the same classes by the same
    seed, and `side` keeps their seeds' draws apart.
    """
    found: dict[str, CellSummary] = {}
    for task in sweep.manifest.tasks:
        labels = [cell.label for cell in sweep.manifest.cells if cell.task == task]
        found |= _summarise_task(sweep, task, labels, sweep.manifest.seed if seed is None else seed, side)
    return {label: found[label] for label in sweep.cells}


def _summarise_task(sweep: Sweep, task: str, labels: list[str], seed: int | None, side: str) -> dict[str, CellSummary]:
    ended = {label: sweep.ended(label, "measure") for label in labels}
    tests = [record.end.test for records in ended.values() for record in records if record.end.test]
    counts = (tests[0].machine_total, tests[0].machine_class) if tests else (None, None)
    # Without counts by machine there is one class, so that every draw of classes is the test set as it is.
    total = np.ones(1) if counts[0] is None or counts[1] is None else stats.sum_by_class(counts[0], counts[1])
    columns = [_correct(record, total) for records in ended.values() for record in records]
    accuracies = np.empty((0, 0))
    if columns:
        accuracies = stats.resample_accuracies(np.stack(columns, axis=1), total, generator(seed, "classes", task))
    summaries, start = {}, 0
    for label, records in ended.items():
        mine = accuracies[:, start : start + len(records)]
        start += len(records)
        summaries[label] = _summary(sweep, label, mine, generator(seed, "seeds", *filter(None, [side]), label))
    return summaries


def _summary(sweep: Sweep, label: str, resampled: FloatArray, draw: np.random.Generator) -> CellSummary:
    """One cell, from its seeds' accuracies on the resampled test sets (R, n)."""
    records, ceiling = sweep.ended(label, "measure"), sweep.task(label).ceiling
    values = np.array([r.end.test.accuracy if r.end.test else WORST for r in records])
    margin = sweep.manifest.success_margin
    solved = None if ceiling is None or margin is None else ceiling - margin
    units = _units(sweep, label)
    drawn = stats.draw_seeds(units, draw) if records else np.empty((0, 0), dtype=np.int16)
    resamples = stats.resample_iqm(resampled, drawn) if records else np.empty(0)
    return CellSummary(
        cell=sweep.cells[label],
        ceiling=ceiling,
        accuracies=values,
        outcomes=tuple(record.end.outcome for record in records),
        units=units,
        drawn=drawn,
        resamples=resamples,
        score=stats.score(values, resamples, solved, len(set(units))) if records else None,
        steps_to_threshold=tuple(_first_step(record, solved) for record in records),
        solved_from=solved,
    )


def _units(sweep: Sweep, label: str) -> tuple[int, ...]:
    """Of every ended measure trial, in their order."""
    trials = sorted(sweep.cells[label].wanted, key=lambda trial: (trial.repeat, trial.index))
    ended = [trial for trial in trials if trial.phase == "measure" and trial.hash in sweep.records]
    return tuple(t.repeat for t in ended) if sweep.manifest.repeats > 1 else tuple(range(len(ended)))


def _first_step(record: TrialRecord, threshold: float | None) -> int | None:
    if threshold is None:
        return None
    reports = (r for r in record.reports if r.metrics.get("val/accuracy", WORST) >= threshold)
    return next((report.step for report in reports), None)


def _correct(record: TrialRecord, total: FloatArray) -> FloatArray:
    test = record.end.test
    if test is None:
        return WORST * total
    if test.machine_correct is None or test.machine_class is None:
        return test.accuracy * total
    return stats.sum_by_class(test.machine_correct, test.machine_class)


def difference(a: CellSummary, b: CellSummary) -> Estimate:
    """IQM of a minus IQM of b, as a fraction. Raises ValueError where a cell has no ended measure trial."""
    units = min(a.num_units, b.num_units)
    gap = value(a) - value(b)
    return Estimate(gap, stats.percentile_interval(a.resamples - b.resamples, units), units)


def rate_difference(a: CellSummary, b: CellSummary) -> Estimate:
    """Success rate of a minus that of b, by Newcombe; over several searches no narrower than searches drawn give it."""
    if a.score is None or b.score is None:
        raise ValueError(f"no measure trial of {(a if a.score is None else b).label} has ended")
    if a.score.success is None or b.score.success is None:
        raise ValueError(f"what counts as success is unknown for {(a if a.score.success is None else b).label}")
    found, units = stats.newcombe(a.score.success, b.score.success), min(a.num_units, b.num_units)
    rates = [cell.successes()[cell.drawn].mean(1) for cell in (a, b)]
    drawn = stats.percentile_interval(rates[0] - rates[1], units)
    if found.interval is None or drawn is None:
        return Estimate(found.value, None, units)
    if a.num_units == a.num_seeds and b.num_units == b.num_seeds:
        return found
    hull = stats.Interval(min(found.interval.low, drawn.low), max(found.interval.high, drawn.high))
    return Estimate(found.value, hull, units)


def step_ratio(a: CellSummary, b: CellSummary) -> tuple[Estimate, FloatArray]:
    """Steps to threshold of a over those of b, and resamples (R,). Every seed of both must have reached it."""
    steps = [[step for step in cell.steps_to_threshold if step is not None] for cell in (a, b)]
    assert len(steps[0]) == a.num_seeds  # the caller looks, because what to say instead is its to choose
    assert len(steps[1]) == b.num_seeds
    return contrasts.ratio(steps[0], steps[1], a.drawn, b.drawn, min(a.num_units, b.num_units))


def improvement(a: CellSummary, b: CellSummary) -> Estimate:
    """Probability that a seed of a beats one of b on the test set as it is, ties counted half."""
    units = min(a.num_units, b.num_units)
    return contrasts.improvement(a.accuracies, b.accuracies, a.drawn, b.drawn, units)


def share(low: CellSummary, mid: CellSummary, high: CellSummary) -> tuple[Estimate, FloatArray]:
    """Part of the way from low to high that mid goes, and its resamples (R,).

    Only of use where `difference(high, low)` is not 0.
    """
    units = min(low.num_units, mid.num_units, high.num_units)
    resamples = stats.share(low.resamples, mid.resamples, high.resamples)
    part = (value(mid) - value(low)) / (value(high) - value(low))
    return Estimate(part, stats.percentile_interval(resamples, units), units), resamples


def value(cell: CellSummary) -> float:
    """The cell's IQM. Raises ValueError where no measure trial has ended: absent is absent."""
    if cell.score is None:
        raise ValueError(f"no measure trial of {cell.label} has ended")
    return cell.score.iqm.value
