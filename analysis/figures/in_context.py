"""In-context curves: accuracy by how often the (state, action) was shown, and by query step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.figures.panels import cell_legend, ends, reference, sheet
from analysis.figures.picture import NotDrawn, Picture
from analysis.figures.style import Look, cell_looks
from analysis.findings.findings import Findings
from fsm_icl.results.records import Slice, TaskEntry, TestScore

_SHOWN = ("unigram", "per-action", "naive Bayes", "look-up")
"""Rungs of the ladder that are drawn: what is known of states or actions alone, and of both."""


@dataclass(frozen=True)
class Point:
    """Accuracy of one cell on one slice: over all seeds' steps, and of the lowest and the highest seed."""

    label: str
    accuracy: float
    low: float
    high: float
    steps: int


@dataclass(frozen=True)
class InContext:
    """By cell its points by times shown and by query step."""

    by_times_shown: dict[str, list[Point]]
    by_query_step: dict[str, list[Point]]
    task: TaskEntry | None
    """None where cells have different tasks, whose ladders differ."""

    def table(self) -> pd.DataFrame:
        """One row a cell and slice."""
        rows = [
            {"by": by, "cell": cell} | {"slice" if k == "label" else k: v for k, v in point.__dict__.items()}
            for by, cells in (("times_shown", self.by_times_shown), ("query_step", self.by_query_step))
            for cell, points in cells.items()
            for point in points
        ]
        return pd.DataFrame(rows, columns=["by", "cell", "slice", "accuracy", "low", "high", "steps"])


def pooled(slices: Iterable[Sequence[Slice]]) -> list[Point]:
    """Slices of several seeds -> one point a label, in the order of the first seed; empty slices are left out."""
    by_label: dict[str, list[Slice]] = {}
    for each in (one for seed in slices for one in seed if one.total):
        by_label.setdefault(each.label, []).append(each)
    return [
        Point(
            label=label,
            accuracy=sum(each.correct for each in found) / sum(each.total for each in found),
            low=min(each.accuracy for each in found),
            high=max(each.accuracy for each in found),
            steps=sum(each.total for each in found),
        )
        for label, found in by_label.items()
    ]


def picture(findings: Findings) -> Picture | NotDrawn:
    """The figure of how a sweep's cells use their context."""
    sweep = findings.sweep
    scores: dict[str, list[TestScore]] = {}
    for label in sweep.cells:
        tests = [record.end.test for record in sweep.ended(label, "measure") if record.end.test]
        if any(test.by_query_step or test.by_times_shown for test in tests):
            scores[label] = tests
    if not scores:
        known = "the imported results have no accuracy by query step" if sweep.manifest.imported else None
        return NotDrawn("in_context", known or "no measure trial has finished")
    tasks = {sweep.cells[label].task for label in scores}
    task = sweep.manifest.tasks[tasks.pop()] if len(tasks) == 1 else None
    info = InContext(
        by_times_shown=_pooled(scores, lambda test: test.by_times_shown),
        by_query_step=_pooled(scores, lambda test: test.by_query_step),
        task=task,
    )
    text = (
        "Test accuracy of finished measure trials, left by how often the step's (state, action) was shown before it, "
        "right by query step; lines pool all seeds, bars and bands reach from the lowest to the highest seed. A model "
        "that reads its context rises on the left from 0 times shown, where it can only guess. Dotted: what "
        "fixed strategies and the ceiling score over all query steps."
    )
    looks = ends(cell_looks(sweep.manifest.cells, scores))
    if len(looks) < len(scores):
        text += " Of each architecture the smallest and the largest cell are drawn; all are in the table."
    return Picture("in_context", "How context is used", text, info.table(), lambda: draw(info, looks))


def _pooled(scores: dict[str, list[TestScore]], part: Callable[[TestScore], list[Slice]]) -> dict[str, list[Point]]:
    return {label: pooled(part(test) for test in tests) for label, tests in scores.items()}


def draw(info: InContext, looks: dict[str, Look]) -> Figure:
    """Times shown on the left, query steps on the right."""
    figure, (left, right) = sheet(1, 2, 3.3, sharey=True)
    labels = list(dict.fromkeys(point.label for points in info.by_times_shown.values() for point in points))
    for number, (cell, look) in enumerate(looks.items()):
        aside, points = 0.5 * ((number + 0.5) / len(looks) - 0.5), info.by_times_shown[cell]
        _draw(left, [labels.index(point.label) + aside for point in points], points, look, bars=True)
        steps = info.by_query_step[cell]
        _draw(right, [int(point.label) + 1 for point in steps], steps, look, bars=False)
    left.set_xticks(range(len(labels)), labels)
    left.set_xlabel("times (state, action) was shown before")
    left.set_ylabel("test accuracy")
    right.set_xlabel("query step")
    for ax in (left, right):
        _ladder(ax, info.task, named=ax is right)
    cell_legend(figure, looks)
    return figure


def _draw(ax: Axes, places: Sequence[float], points: Sequence[Point], look: Look, bars: bool) -> None:
    values = [point.accuracy for point in points]
    low, high = [point.low for point in points], [point.high for point in points]
    shown: dict[str, Any] = {"color": look.colour, "ls": look.dashes, "lw": 1.0}
    ax.plot(places, values, marker=look.marker, ms=3.5, **shown)
    if bars:
        ax.vlines(places, low, high, color=look.colour, lw=1.0)
    else:
        ax.fill_between(places, low, high, color=look.colour, alpha=0.15, lw=0)


def _ladder(ax: Axes, task: TaskEntry | None, named: bool) -> None:
    for name, value in task.ladder.items() if task else ():
        if name in _SHOWN:
            reference(ax, value, name if named and name != "look-up" else "")
    if task and task.ceiling is not None:
        reference(ax, task.ceiling, "ceiling" if named else "", style.CEILING)
