"""In-context curves: accuracy by each slicing of the task, e.g. by how often an entry was shown before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

_LEFT_OUT = ("chance", "per-state")
"""Rungs of the ladder that are not drawn: close to others, or far below."""


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
    """By slicing and cell its points."""

    slices: dict[str, dict[str, list[Point]]]
    axes: dict[str, str]
    """What the labels of each slicing count."""
    task: TaskEntry | None
    """None where cells have different tasks, whose ladders differ."""

    def table(self) -> pd.DataFrame:
        """One row a cell and slice."""
        rows = [
            {"by": by, "cell": cell} | {"slice" if k == "label" else k: v for k, v in point.__dict__.items()}
            for by, cells in self.slices.items()
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
        if any(found for test in tests for found in test.slices.values()):
            scores[label] = tests
    if not scores:
        known = "the imported results have no accuracy by query step" if sweep.manifest.imported else None
        return NotDrawn("in_context", known or "no measure trial has finished")
    tasks = {sweep.cells[label].task for label in scores}
    names = list(dict.fromkeys(name for tests in scores.values() for test in tests for name in test.slices))
    known_axes = {name: axis for task in sorted(tasks) for name, axis in sweep.manifest.tasks[task].slices.items()}
    axes = {name: known_axes.get(name, name) for name in names}
    info = InContext(
        slices={name: _pooled(scores, name) for name in names},
        axes=axes,
        task=sweep.manifest.tasks[tasks.pop()] if len(tasks) == 1 else None,
    )
    text = (
        f"Test accuracy of finished measure trials by {' and by '.join(axes.values())}; lines pool all seeds, bars and "
        "bands reach from the lowest to the highest seed. A model that reads its context rises with what it was shown; "
        "where that is nothing, it can only guess. Dotted: what fixed strategies and the ceiling score over all steps."
    )
    looks = ends(cell_looks(sweep.manifest.cells, scores))
    if len(looks) < len(scores):
        text += " Of each architecture the smallest and the largest cell are drawn; all are in the table."
    return Picture("in_context", "How context is used", text, info.table(), lambda: draw(info, looks))


def _pooled(scores: dict[str, list[TestScore]], name: str) -> dict[str, list[Point]]:
    return {label: pooled(test.slices.get(name, []) for test in tests) for label, tests in scores.items()}


def draw(info: InContext, looks: dict[str, Look]) -> Figure:
    """A panel for each slicing: a curve where its labels are numbers, else one place per label."""
    figure, panels = sheet(1, len(info.slices), 3.3, sharey=True)
    for ax, (name, cells) in zip(panels, info.slices.items(), strict=True):
        labels = list(dict.fromkeys(point.label for points in cells.values() for point in points))
        counted = all(label.isdecimal() for label in labels)
        for number, (cell, look) in enumerate(looks.items()):
            aside, points = 0.5 * ((number + 0.5) / len(looks) - 0.5), cells[cell]
            places = [int(p.label) + 1 if counted else labels.index(p.label) + aside for p in points]
            _draw(ax, places, points, look, bars=not counted)
        if not counted:
            ax.set_xticks(range(len(labels)), labels)
        ax.set_xlabel(info.axes[name])
        _ladder(ax, info.task, named=ax is panels[-1])
    panels[0].set_ylabel("test accuracy")
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
        if name not in _LEFT_OUT:
            reference(ax, value, name if named and name != "look-up" else "")
    if task and task.ceiling is not None:
        reference(ax, task.ceiling, "ceiling" if named else "", style.CEILING)
