"""The numbers of a sweep's figure, chosen and ordered; drawing.py makes the picture of them.

A figure is one of three kinds. `capacity` and `depth` have an axis (d_model, num_layers): architectures that
vary along it are series, those at one size only are references. `spectrum` compares cells by architecture.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from analysis.figures.curve import Curve, curve_of
from analysis.figures.style import arch_styles
from analysis.load import Sweep
from analysis.stats import Score
from analysis.summary import CellSummary, summarise
from fsm_icl.records import ManifestCell

Kind = Literal["spectrum", "capacity", "depth"]
_AXES: dict[Kind, str | None] = {"spectrum": None, "capacity": "d_model", "depth": "num_layers"}


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
    """Cells of one architecture along the axis, in its order."""

    name: str
    arch: str
    cells: tuple[CellPoints, ...]

    @property
    def places(self) -> list[tuple[int, CellPoints]]:
        """Each cell with its value on the axis."""
        return [(cell.x, cell) for cell in self.cells if cell.x is not None]


@dataclass(frozen=True)
class Line:
    """A fixed strategy's accuracy."""

    label: str
    value: float


@dataclass(frozen=True)
class SweptCurve:
    """The learning curve of a cell along the axis."""

    label: str
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
    references: tuple[CellPoints, ...]
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
        return tuple(cell for series in self.series for cell in series.cells) + self.references

    def table(self) -> pd.DataFrame:
        """The numbers behind the figure, one a row; no clock times, so equal sweeps give equal tables."""
        frame = pd.DataFrame(list(_rows(self)), columns=_COLUMNS)
        whole = ["x", "num_params", "seed", "num_seeds"]
        return frame.astype(dict.fromkeys(whole, "Int64") | dict.fromkeys(["value", "low", "high"], "float64"))


_COLUMNS = ["what", "series", "cell", "arch", "x", "num_params", "seed", "outcome"]
_COLUMNS += ["value", "low", "high", "num_seeds"]


def answer_info(sweep: Sweep) -> AnswerInfo:
    """The figure that fits the sweep: by its name, else by what varies in its grid."""
    kind = answer_kind(sweep)
    axis = _AXES[kind]
    cells = sorted(summarise(sweep).values(), key=lambda s: _order(s.cell, _base(sweep.manifest.cells)))
    if axis is None:
        series = tuple(Series(c.label, _arch(c.cell), (_points(c, x),)) for x, c in enumerate(cells))
        references: tuple[CellPoints, ...] = ()
    else:
        series, references = _along(cells, axis)
    tasks = {cell.task for cell in sweep.manifest.cells}
    entry = sweep.manifest.tasks[tasks.pop()] if len(tasks) == 1 else None
    lines = [Line(name, value) for name, value in entry.ladder.items()] if entry else []
    if entry and entry.ceiling is not None:
        lines.append(Line("ceiling" if entry.ceiling_exact else "ceiling (at least)", entry.ceiling))
    swept = [cell for line in series for cell in line.cells] if kind == "depth" else []
    # Imported runs have few curves, and their references may be all that was trained to the end.
    swept += references if kind == "depth" and sweep.manifest.imported else []
    curves = tuple(
        SweptCurve(cell.label, cell.arch, cell.x, curve)
        for cell in swept
        if (curve := curve_of(sweep.ended(cell.label, "measure")))
    )
    counts = sweep.counts
    return AnswerInfo(
        kind=kind,
        axis=axis,
        series=series,
        references=references,
        lines=tuple(lines),
        curves=curves,
        ended=counts.ended,
        asked=counts.asked,
        imported=sweep.manifest.imported,
    )


def answer_kind(sweep: Sweep) -> Kind:
    """spectrum, capacity or depth, by the sweep's name; else by which coordinate alone varies."""
    kinds: dict[str, Kind] = {kind: kind for kind in _AXES}
    if sweep.manifest.sweep in kinds:
        return kinds[sweep.manifest.sweep]
    varying = _varying(sweep.manifest.cells) - {"arch"}
    return "capacity" if varying == {"d_model"} else "depth" if varying == {"num_layers"} else "spectrum"


def _varying(cells: Iterable[ManifestCell]) -> set[str]:
    fields = [cell.fields for cell in cells]
    names = {name for each in fields for name in each}
    return {name for name in names if len({each.get(name) for each in fields}) > 1}


def _arch(cell: ManifestCell) -> str:
    return str(cell.fields["arch"])


def _size(cell: ManifestCell) -> tuple[Any, ...]:
    """The coordinates other than the architecture."""
    return tuple(sorted((name, value) for name, value in cell.fields.items() if name != "arch"))


def _base(cells: Iterable[ManifestCell]) -> tuple[Any, ...]:
    """The size that most architectures share; the first of them in the manifest."""
    archs: dict[tuple[Any, ...], set[str]] = {}
    for cell in cells:
        archs.setdefault(_size(cell), set()).add(_arch(cell))
    return max(archs, key=lambda size: len(archs[size]), default=())


def _order(cell: ManifestCell, base: tuple[Any, ...]) -> tuple[Any, ...]:
    """Cells of the base size first, by architecture; then the others, by architecture and parameters."""
    rank = list(arch_styles(["rnn", "gru", "lstm"]))
    arch = _arch(cell)
    place = rank.index(arch) if arch in rank else len(rank)
    return _size(cell) != base, place, arch, cell.num_params or 0, cell.label


def base_cells(sweep: Sweep) -> list[ManifestCell]:
    """One cell an architecture at the size that most of them share, in the order rnn, gru, lstm, others."""
    base = _base(sweep.manifest.cells)
    return sorted((c for c in sweep.manifest.cells if _size(c) == base), key=lambda c: _order(c, base))


def swept_cells(sweep: Sweep, axis: str) -> list[list[ManifestCell]]:
    """Groups of cells that differ in `axis` only, each in its order; groups of one are left out."""
    groups = _groups(sorted(sweep.manifest.cells, key=lambda cell: cell.label), axis)
    return [group for group in groups.values() if len(group) > 1]


def _groups(cells: Iterable[ManifestCell], axis: str) -> dict[str, list[ManifestCell]]:
    """Cells that differ in `axis` only, in its order; those that do not say where they stand on it are left out."""
    groups: dict[str, list[ManifestCell]] = {}
    placed = [cell for cell in cells if axis in cell.fields]
    for cell in sorted(placed, key=lambda cell: float(cell.fields[axis])):
        rest = {name: value for name, value in cell.fields.items() if name != axis}
        groups.setdefault(str(sorted(rest.items())), []).append(cell)
    return groups


def _along(cells: list[CellSummary], axis: str) -> tuple[tuple[Series, ...], tuple[CellPoints, ...]]:
    """Series: groups that vary along the axis (all groups where none does). References: the other cells."""
    by_label = {summary.label: summary for summary in cells}
    groups = list(_groups((summary.cell for summary in cells), axis).values())
    swept = [group for group in groups if len(group) > 1] or groups
    names = [_arch(group[0]) for group in swept]
    series = tuple(
        Series(
            name if names.count(name) == 1 else f"{name} ({group[0].label} ...)",
            name,
            tuple(_points(by_label[cell.label], int(cell.fields[axis])) for cell in group),
        )
        for name, group in zip(names, swept, strict=True)
    )
    drawn = {cell.label for group in swept for cell in group}
    return series, tuple(_points(s, _place(s.cell, axis)) for s in cells if s.label not in drawn)


def _place(cell: ManifestCell, axis: str) -> int | None:
    return int(cell.fields[axis]) if axis in cell.fields else None


def _points(summary: CellSummary, x: int | None) -> CellPoints:
    seeds = tuple(float(value) for value in summary.accuracies)
    cell = summary.cell
    return CellPoints(
        label=cell.label,
        arch=_arch(cell),
        x=x,
        num_params=cell.num_params,
        seeds=seeds,
        outcomes=summary.outcomes,
        score=summary.score,
        failed=cell.failed,
    )


def _rows(info: AnswerInfo) -> Iterable[dict[str, Any]]:
    named = [(series.name, cell) for series in info.series for cell in series.cells]
    for name, cell in named + [("reference", cell) for cell in info.references]:
        place = {
            "series": name,
            "cell": cell.label,
            "arch": cell.arch,
            "x": cell.x,
            "num_params": cell.num_params,
        }
        for seed, (value, outcome) in enumerate(zip(cell.seeds, cell.outcomes, strict=True)):
            yield {"what": "seed", **place, "seed": seed, "outcome": outcome, "value": value}
        middle: dict[str, Any] = {"what": "iqm", **place, "num_seeds": len(cell.seeds)}
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
            place = {"series": "median val/accuracy", "cell": swept.label, "arch": swept.arch, "x": step}
            yield {"what": "curve", **place, "value": median, "low": low, "high": high, "num_seeds": count}
