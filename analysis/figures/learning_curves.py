"""Learning curves: validation accuracy over training, and when each seed breaks through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.curve import Curve, curve_of
from analysis.figures.panels import cell_legend, reference, sheet
from analysis.figures.picture import NotDrawn, Picture
from analysis.figures.style import Look, arch_styles, cell_looks
from analysis.findings.findings import Findings
from fsm_icl.results.records import ManifestCell


@dataclass(frozen=True)
class CellCurve:
    """One cell's curve and the steps at which its seeds reached the threshold."""

    cell: ManifestCell
    curve: Curve
    threshold: float | None
    """None where the ceiling is unknown, as for imported results."""
    breakthroughs: tuple[int | None, ...]


@dataclass(frozen=True)
class LearningCurves:
    """The curves of all cells with a measure trial, by architecture."""

    by_arch: dict[str, list[CellCurve]]

    def table(self) -> pd.DataFrame:
        """One row a step of a curve, one a seed's breakthrough."""
        columns = ["what", "cell", "step", "median", "low", "high", "num_seeds", "seed"]
        frame = pd.DataFrame(list(self._rows()), columns=columns)
        return frame.astype(dict.fromkeys(["step", "num_seeds", "seed"], "Int64"))

    def _rows(self) -> Iterator[dict[str, Any]]:
        for each in (each for cells in self.by_arch.values() for each in cells):
            curve = each.curve
            for values in zip(curve.steps, curve.median, curve.low, curve.high, curve.num_seeds, strict=True):
                names = ("step", "median", "low", "high", "num_seeds")
                yield {"what": "curve", "cell": each.cell.label, **dict(zip(names, values, strict=True))}
            for seed, step in enumerate(each.breakthroughs if each.threshold is not None else ()):
                yield {"what": "breakthrough", "cell": each.cell.label, "seed": seed, "step": step}


def picture(findings: Findings) -> Picture | NotDrawn:
    """The figure of a sweep's learning curves."""
    sweep = findings.sweep
    by_arch: dict[str, list[CellCurve]] = {}
    for label, cell in findings.cells.items():
        curve = curve_of(sweep.ended(label, "measure"))
        if curve:
            found = CellCurve(cell.cell, curve, cell.solved_from, cell.steps_to_threshold)
            by_arch.setdefault(str(cell.cell.fields["arch"]), []).append(found)
    if not by_arch:
        return NotDrawn("learning_curves", "no measure trial has ended")
    info = LearningCurves({arch: by_arch[arch] for arch in arch_styles(by_arch)})
    known = [each for cells in by_arch.values() for each in cells if each.threshold is not None]
    seeds = [step for each in known for step in each.breakthroughs]
    text = (
        "Validation accuracy over training, one panel an architecture; lines are medians over measure seeds, bands "
        "reach from the lowest to the highest seed, the darker the more parameters."
    )
    if known:
        text += (
            " Marks on the dotted line show when a seed first comes within the success margin of the ceiling: "
            f"{len(seeds) - seeds.count(None)} of {len(seeds)} seeds do."
        )
    looks = cell_looks(sweep.manifest.cells, {each.cell.label for cells in by_arch.values() for each in cells})
    unit = sweep.manifest.step_unit.removesuffix("s")
    return Picture("learning_curves", "Learning curves", text, info.table(), lambda: draw(info, looks, unit))


def draw(info: LearningCurves, looks: dict[str, Look], unit: str) -> Figure:
    """One panel an architecture, at most three abreast; `unit` names the x-axis: step or epoch."""
    columns = min(3, len(info.by_arch))
    rows = -(-len(info.by_arch) // columns)
    figure, axes = sheet(rows, columns, 0.8 + 2.2 * rows, sharex=True, sharey=True)
    for ax, (arch, cells) in zip(axes, info.by_arch.items(), strict=False):
        for each in cells:
            look, curve = looks[each.cell.label], each.curve
            alone = look.marker if len(curve.steps) == 1 else None  # a line of one point can't be seen
            ax.plot(curve.steps, curve.median, marker=alone, color=look.colour, ls=look.dashes, label=look.label)
            ax.fill_between(curve.steps, curve.low, curve.high, color=look.colour, alpha=0.18, lw=0)
            reached = [step for step in each.breakthroughs if step is not None]
            if reached and each.threshold is not None:  # an empty line has an infinite box, which upsets the layout
                heights = [each.threshold] * len(reached)
                ax.plot(reached, heights, look.marker, ms=4, mfc="none", mec=look.colour, mew=0.9, zorder=4)
        for threshold in {each.threshold for each in cells if each.threshold is not None}:
            reference(ax, threshold, "")
        ax.set_title(arch_styles([arch])[arch].label, loc="left")
    for ax in axes[len(info.by_arch) :]:
        ax.set_axis_off()
    for ax in axes[::columns]:
        ax.set_ylabel("validation accuracy")
    for ax in axes[max(0, len(info.by_arch) - columns) : len(info.by_arch)]:
        ax.set_xlabel(unit)
        ax.tick_params(labelbottom=True)
    cell_legend(figure, looks)
    return figure
