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
from functools import cached_property
from typing import Any

import numpy as np

from analysis.sources.sweep import Sweep
from analysis.statistics import contrasts, estimates, resamples
from analysis.statistics.estimates import Estimate, FloatArray, Groups, Score
from analysis.statistics.intervals import Sampled, Spread, contrast
from analysis.statistics.intervals import share as share_of
from analysis.statistics.resamples import Draws
from fsm_icl.results.records import METRICS, ManifestCell, TestScore, TrialRecord

WORST = METRICS["test/accuracy"].worst
COUNTING = ("unigram", "per-state", "per-action")
"""Strategies of the ladder that only count: a cell that clears none of them has learnt nothing from its context."""


@dataclass(frozen=True, eq=False)
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
    draws: Draws | None
    """Resamples of its seeds, the same classes drawn for every cell of a task. None without seeds."""
    score: Score | None
    """None while no measure trial has ended."""
    steps_to_threshold: tuple[int | None, ...]
    """By seed the step of its first report at or above `solved_from` on the validation set; None: never."""
    solved_from: float | None
    """Accuracy from which a seed counts as success: success_margin below the ceiling; None where that is unknown."""
    counting: tuple[str, float] | None
    """The best strategy of the task's ladder that only counts, and its accuracy; None where there is none."""
    model: Mapping[str, Any]
    """The model's fields as its records have them; empty while no trial of the cell has ended."""
    still_rising: bool
    """It was still learning when its budget ended."""

    @property
    def coordinates(self) -> Mapping[str, Any]:
        """What the grid says of the cell; of a nonlinearity that it does not name, what its records' model says."""
        return {**self.model, **self.cell.fields}

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

    @property
    def threshold(self) -> float:
        """`solved_from`, where a claim needs it."""
        assert self.solved_from is not None, "imported results, of which that is unknown, have no claims"
        return self.solved_from

    @property
    def groups(self) -> Groups | None:
        """The two groups of its seeds where it is mixed."""
        return self.score.groups if self.score else None

    @property
    def classes_known(self) -> bool:
        """Whether its intervals rest on test classes, too."""
        return self.draws is None or self.draws.on_classes is not None

    @cached_property
    def sampled(self) -> Sampled:
        """The IQM of its accuracies with its resamples. Raises ValueError where no measure trial has ended."""
        return self.measured.iqm()

    @property
    def measured(self) -> Draws:
        """Its seeds. Raises ValueError where no measure trial has ended: absent is absent."""
        if self.draws is None:
            raise ValueError(f"no measure trial of {self.label} has ended")
        return self.draws


def generator(seed: int | None, *name: str) -> np.random.Generator:
    """A fresh generator for the stream `name` of a sweep's seed: no other draw and no other cell moves it."""
    digest = hashlib.sha256(json.dumps(["analysis", seed, *name]).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


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
    known = next(((t.machine_total, t.machine_class) for t in tests if t.machine_total and t.machine_class), None)
    total = estimates.sum_by_class(*known) if known else np.ones(1)
    counted = {label: [_correct(record, total) for record in records] for label, records in ended.items()}
    columns = [column for found in counted.values() if _whole(found) for column in found if column is not None]
    accuracies = np.empty((0, 0))
    if columns and known:
        accuracies = estimates.resample_accuracies(np.stack(columns, axis=1), total, generator(seed, "classes", task))
    summaries, start = {}, 0
    for label, found in counted.items():
        mine = None
        if known and _whole(found):
            mine = accuracies[:, start : start + len(found)]
            start += len(found)
        draw = generator(seed, "seeds", *filter(None, [side]), label)
        summaries[label] = _summary(sweep, label, mine, len(total), draw)
    return summaries


def _whole(counted: list[FloatArray | None]) -> bool:
    return all(column is not None for column in counted)


def _summary(
    sweep: Sweep, label: str, on_classes: FloatArray | None, num_classes: int, draw: np.random.Generator
) -> CellSummary:
    """One cell, from its seeds' accuracies on the resampled test sets (R, n)."""
    records, task, margin = sweep.ended(label, "measure"), sweep.task(label), sweep.manifest.success_margin
    values = np.array([r.end.test.accuracy if r.end.test else WORST for r in records])
    solved = None if task.ceiling is None or margin is None else task.ceiling - margin
    units = _units(sweep, label)
    drawn = resamples.draw(values, on_classes, num_classes, units, draw) if records else None
    counting = max(((task.ladder[name], name) for name in COUNTING if name in task.ladder), default=None)
    estimate = contrast([drawn.iqm()], [1]).estimate(0, 1) if drawn else None
    trials = [*records, *sweep.ended(label, "search")]
    return CellSummary(
        cell=sweep.cells[label],
        ceiling=task.ceiling,
        accuracies=values,
        outcomes=tuple(record.end.outcome for record in records),
        units=units,
        draws=drawn,
        score=estimates.score(values, estimate, solved, margin or 0.0) if estimate else None,
        steps_to_threshold=tuple(_first_step(record, solved) for record in records),
        solved_from=solved,
        counting=counting and (counting[1], counting[0]),
        model=trials[0].config.get("model", {}) if trials else {},
        still_rising=_still_rising(sweep, label),
    )


def _still_rising(sweep: Sweep, label: str) -> bool:
    """What its winners say; where nothing was searched, whether half of its measure trials or more still rose."""
    if (cell := sweep.cells[label]).winners:
        return any(winner.still_rising for winner in cell.winners)
    if (margin := sweep.manifest.success_margin) is None:  # imported results, of which nothing is known
        return False
    rises = [_rise(record) > margin for record in sweep.ended(label, "measure")]
    return bool(rises) and sum(rises) >= len(rises) / 2


def _rise(record: TrialRecord) -> float:
    """By how much validation accuracy rose in the last third of the trial."""
    known = [(r.step, r.metrics["val/accuracy"]) for r in record.reports if "val/accuracy" in r.metrics]
    earlier = [accuracy for step, accuracy in known if step <= known[-1][0] * 2 / 3]
    return known[-1][1] - earlier[-1] if earlier else 0.0


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


def _correct(record: TrialRecord, total: FloatArray) -> FloatArray | None:
    """Correct predictions by class (C,); None where the record has none by machine."""
    test: TestScore | None = record.end.test
    if test is None:
        return WORST * total
    if not test.machine_correct or not test.machine_class:
        return None
    return estimates.sum_by_class(test.machine_correct, test.machine_class)


def difference(a: CellSummary, b: CellSummary) -> Estimate:
    """IQM of a minus IQM of b, as a fraction, without an interval where one of the two is mixed.

    Raises ValueError where a cell has no ended measure trial.
    """
    found = gap(a, b).estimate()
    return Estimate(found.value, None, found.num_units) if a.groups or b.groups else found


def gap(a: CellSummary, b: CellSummary) -> Spread:
    """IQM of a minus IQM of b, whatever the cells are like."""
    return contrast([a.sampled, b.sampled], [1, -1])


def rate_spread(a: CellSummary, b: CellSummary) -> Spread | None:
    """Success rate of a minus that of b over drawn searches; None where every unit is a seed, which Newcombe covers."""
    if a.num_units == a.num_seeds and b.num_units == b.num_seeds:
        return None
    rates = [cell.measured.mean_of((cell.accuracies >= cell.threshold).astype(np.float64)) for cell in (a, b)]
    return contrast(rates, [1, -1])


def rate_difference(a: CellSummary, b: CellSummary) -> Estimate:
    """Success rate of a minus that of b, by Newcombe; over several searches no narrower than searches drawn give it."""
    found, drawn = estimates.newcombe(rate(a), rate(b)), rate_spread(a, b)
    if drawn is None:
        return found
    if found.interval is None or drawn.interval is None:
        return Estimate(found.value, None, drawn.num_units)
    low, high = min(found.interval.low, drawn.interval.low), max(found.interval.high, drawn.interval.high)
    return Estimate(found.value, estimates.Interval(low, high), drawn.num_units)


def rate_p(a: CellSummary, b: CellSummary, bound: float) -> float:
    """One-sided p-value of "the success rate of a is not above that of b by more than `bound`"."""
    drawn = rate_spread(a, b)
    alone = estimates.newcombe_p(rate(a), rate(b), bound)
    return alone if drawn is None else max(alone, drawn.p_value(bound, "greater"))


def step_ratio(a: CellSummary, b: CellSummary) -> Spread:
    """Steps to threshold of a over those of b: exp of the difference of the IQMs of their logarithms.

    A seed that never reaches the threshold enters with its cell's budget, which is a lower bound.
    """
    logs = [
        cell.measured.iqm_of(np.log([step or cell.cell.steps for step in cell.steps_to_threshold])) for cell in (a, b)
    ]
    return contrast(logs, [1, -1]).exp()


def improvement(a: CellSummary, b: CellSummary) -> Estimate:
    """Probability that a seed of a beats one of b on the test set as it is, ties counted half."""
    return contrasts.improvement(a.accuracies, b.accuracies, a.num_units, b.num_units)


def share(low: CellSummary, mid: CellSummary, high: CellSummary) -> Spread:
    """Part of the way from low to high that mid goes. Only of use where `difference(high, low)` is not 0."""
    return share_of(low.sampled, mid.sampled, high.sampled)


def value(cell: CellSummary) -> float:
    """The cell's IQM. Raises ValueError where no measure trial has ended."""
    return cell.sampled.value


def rate(cell: CellSummary) -> estimates.Rate:
    """The cell's success rate. Raises ValueError where no measure trial has ended."""
    if cell.score is None:
        raise ValueError(f"no measure trial of {cell.label} has ended")
    if cell.score.success is None:
        raise ValueError(f"what counts as success is unknown for {cell.label}")
    return cell.score.success
