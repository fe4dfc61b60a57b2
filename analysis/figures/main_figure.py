"""The numbers of a sweep's figure, chosen and ordered; main_drawing.py makes the picture of them.

A figure is one of four kinds. `capacity`, `depth` and `budget` have an axis (d_model, num_layers, steps): cells that
are equal in all other coordinates form a series. Of an architecture that has series, a cell at one place of the axis
only is a series of one point; of others it is a reference. `spectrum` compares cells by architecture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.figures.curve import Curve, curve_of
from analysis.findings.axis import (
    AXES,
    Group,
    Kind,
    arch_of,
    arch_rank,
    base_size,
    cell_order,
    groups,
    in_words,
    place,
)
from analysis.findings.findings import Findings
from analysis.findings.summary import CellSummary
from analysis.sources.sweep import Sweep
from analysis.statistics.estimates import Score


@dataclass(frozen=True)
class CellPoints:
    """One cell: every seed, and their estimate."""

    label: str
    arch: str
    x: int | None
    """Value on the figure's axis; the place in the row for a spectrum. None where an imported file does not say."""
    num_params: int | None
    """None where an imported file does not say."""
    seeds: tuple[float, ...]
    """Test accuracy by seed; the declared worst value where the trial diverged or failed."""
    outcomes: tuple[str, ...]
    score: Score | None
    """None while no measure trial has ended."""
    failed: bool
    """No proposal finished, so there is nothing to measure."""


@dataclass(frozen=True)
class Series:
    """Cells that differ along the axis only, in its order; one cell of a spectrum."""

    name: str
    """The architecture and what tells the series from others of it, in words; a spectrum's cell has its label."""
    arch: str
    cells: tuple[CellPoints, ...]

    @property
    def places(self) -> list[tuple[int, CellPoints]]:
        """Each cell with its value on the axis."""
        return [(cell.x, cell) for cell in self.cells if cell.x is not None]


@dataclass(frozen=True)
class Reference:
    """A cell to compare series with, of an architecture that does not vary along the axis."""

    name: str
    """The architecture and its place on the axis, e.g. "GRU, 750 steps"."""
    cell: CellPoints


@dataclass(frozen=True)
class Line:
    """A fixed strategy's accuracy."""

    label: str
    value: float


@dataclass(frozen=True)
class SweptCurve:
    """The learning curve of a cell along the axis."""

    label: str
    series: str
    arch: str
    x: int | None
    curve: Curve


@dataclass(frozen=True)
class AnswerInfo:
    """All numbers of one figure."""

    kind: Kind
    axis: str | None
    """What the left panel's x-axis is; None for a spectrum."""
    series: tuple[Series, ...]
    references: tuple[Reference, ...]
    lines: tuple[Line, ...]
    """Baseline ladder and ceiling; empty where cells have different tasks, which no one line fits."""
    curves: tuple[SweptCurve, ...]
    ended: int
    asked: int
    """n of m trials."""
    imported: bool
    """One run a cell, its seed unknown; steps are epochs."""

    @property
    def cells(self) -> tuple[CellPoints, ...]:
        """All cells, series first."""
        return tuple(cell for series in self.series for cell in series.cells) + tuple(
            reference.cell for reference in self.references
        )

    @property
    def far_ends(self) -> bool:
        """Whether the curves are one per series, that of its far end."""
        return bool(self.curves) and len(self.series) > 1

    def table(self) -> pd.DataFrame:
        """The numbers behind the figure, one a row; no clock times, so equal sweeps give equal tables."""
        frame = pd.DataFrame(list(_rows(self)), columns=_COLUMNS)
        whole = ["x", "num_params", "seed", "num_seeds"]
        return frame.astype(dict.fromkeys(whole, "Int64") | dict.fromkeys(["value", "low", "high"], "float64"))


_COLUMNS = ["what", "series", "cell", "arch", "x", "num_params", "seed", "outcome"]
_COLUMNS += ["value", "low", "high", "num_seeds"]


def answer_info(findings: Findings) -> AnswerInfo:
    """The figure that fits the sweep, by what varies in its grid."""
    sweep, kind = findings.sweep, findings.kind
    axis, counts = AXES[kind], sweep.counts
    series, references = _along(findings.cells, axis) if axis else (_side_by_side(findings), ())
    return AnswerInfo(
        kind=kind,
        axis=axis,
        series=series,
        references=references,
        lines=_lines(sweep),
        curves=_curves(sweep, kind, series, references),
        ended=counts.ended,
        asked=counts.asked,
        imported=sweep.manifest.imported,
    )


def _lines(sweep: Sweep) -> tuple[Line, ...]:
    tasks = {cell.task for cell in sweep.manifest.cells}
    entry = sweep.manifest.tasks[tasks.pop()] if len(tasks) == 1 else None
    lines = [Line(name, value) for name, value in entry.ladder.items()] if entry else []
    if entry and entry.ceiling is not None:
        lines.append(Line("ceiling" if entry.ceiling_exact else "ceiling (at least)", entry.ceiling))
    return tuple(lines)


def _side_by_side(findings: Findings) -> tuple[Series, ...]:
    """The cells of a spectrum."""
    base = base_size(findings.sweep.manifest.cells)
    cells = sorted(findings.cells.values(), key=lambda summary: cell_order(summary.cell, base))
    return tuple(Series(c.label, arch_of(c.cell), (_points(c, x),)) for x, c in enumerate(cells))


def _along(cells: Mapping[str, CellSummary], axis: str) -> tuple[tuple[Series, ...], tuple[Reference, ...]]:
    """Series: groups that vary along the axis and their architectures' others (all groups where none varies)."""
    found = groups(cells, axis)
    varying = {group.arch for group in found if len(group.cells) > 1} or {group.arch for group in found}
    series = [_series(group, axis) for group in found if group.arch in varying]
    names = {summary.label: group.name for group in found for summary in group.cells}
    drawn = {cell.label for each in series for cell in each.cells}
    others = [summary for summary in cells.values() if summary.label not in drawn]
    others.sort(key=lambda summary: arch_rank(summary.cell))
    return tuple(series), tuple(_reference(summary, axis, names.get(summary.label)) for summary in others)


def _series(group: Group, axis: str) -> Series:
    return Series(group.name, group.arch, tuple(_points(each, place(each.cell, axis)) for each in group.cells))


def _reference(summary: CellSummary, axis: str, name: str | None) -> Reference:
    """`name` is its group's; a cell without one has no place on the axis and keeps its label."""
    x = place(summary.cell, axis)
    said = summary.label if name is None else f"{name}, {in_words(axis, x)}"
    return Reference(said, _points(summary, x))


def _curves(
    sweep: Sweep, kind: Kind, series: tuple[Series, ...], references: tuple[Reference, ...]
) -> tuple[SweptCurve, ...]:
    """Of all cells along the axis; of several series, which one panel can't tell apart, each one's far end."""
    swept = [(each.name, cell) for each in series for cell in (each.cells if len(series) == 1 else each.cells[-1:])]
    if kind not in ("depth", "budget"):
        return ()
    # Imported runs have few curves, and their references may be all that was trained to the end.
    if sweep.manifest.imported or kind == "budget":
        swept += [(reference.name, reference.cell) for reference in references]
    return tuple(
        SweptCurve(cell.label, name, cell.arch, cell.x, curve)
        for name, cell in swept
        if (curve := curve_of(sweep.ended(cell.label, "measure")))
    )


def _points(summary: CellSummary, x: int | None) -> CellPoints:
    seeds = tuple(float(value) for value in summary.accuracies)
    cell = summary.cell
    return CellPoints(
        label=cell.label,
        arch=arch_of(cell),
        x=x,
        num_params=cell.num_params,
        seeds=seeds,
        outcomes=summary.outcomes,
        score=summary.score,
        failed=cell.failed,
    )


def _rows(info: AnswerInfo) -> Iterable[dict[str, Any]]:
    named = [(series.name, cell) for series in info.series for cell in series.cells]
    for name, cell in named + [(f"reference: {each.name}", each.cell) for each in info.references]:
        where = {
            "series": name,
            "cell": cell.label,
            "arch": cell.arch,
            "x": cell.x,
            "num_params": cell.num_params,
        }
        for seed, (value, outcome) in enumerate(zip(cell.seeds, cell.outcomes, strict=True)):
            yield {"what": "seed", **where, "seed": seed, "outcome": outcome, "value": value}
        middle: dict[str, Any] = {"what": "iqm", **where, "num_seeds": len(cell.seeds)}
        if cell.score:
            middle["value"] = cell.score.iqm.value
            if interval := cell.score.iqm.interval:
                middle |= {"low": interval.low, "high": interval.high}
        yield middle
    for line in info.lines:
        yield {"what": "line", "series": line.label, "value": line.value}
    for swept in info.curves:
        curve = swept.curve
        columns = zip(curve.steps, curve.median, curve.low, curve.high, curve.num_seeds, strict=True)
        for step, median, low, high, count in columns:
            at = {"series": swept.series, "cell": swept.label, "arch": swept.arch, "x": step}
            yield {"what": "curve", **at, "value": median, "low": low, "high": high, "num_seeds": count}
