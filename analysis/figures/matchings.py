"""Accuracy against what a cell costs: parameters, state, operations, time. The matchings side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.figures.panels import cell_legend, log_axis, reference, sheet
from analysis.figures.picture import NotDrawn, Picture
from analysis.figures.style import Look, cell_looks
from analysis.findings.findings import Findings
from analysis.findings.tables import estimate_columns
from analysis.statistics.estimates import Estimate

_PANELS = {
    "num_params": "parameters",
    "state_size": "state size (floats a step)",
    "flops_per_token": "FLOPs a token, forward",
    "seconds": "seconds a measure trial (median)",
}


@dataclass(frozen=True)
class CellCosts:
    """One cell: its IQM and what it took."""

    label: str
    arch: str
    iqm: Estimate
    num_params: int | None
    state_size: int | None
    flops_per_token: int | None
    seconds: float | None
    """Median wall-clock seconds of its measure trials: other trials on the machine slow it down."""


def picture(findings: Findings) -> Picture | NotDrawn:
    """The figure of a sweep's matchings."""
    sweep, cells = findings.sweep, []
    for label, summary in findings.cells.items():
        if summary.score:
            cell, trials = summary.cell, sweep.ended(label, "measure")
            took = [trial.end.seconds for trial in trials if trial.end.seconds is not None]
            seconds = float(np.median(took)) if took else None
            costs = CellCosts(
                label=label,
                arch=str(cell.fields["arch"]),
                iqm=summary.score.iqm,
                num_params=cell.num_params,
                state_size=cell.state_size,
                flops_per_token=cell.flops_per_token,
                seconds=seconds,
            )
            cells += [costs] if any(getattr(costs, name) is not None for name in _PANELS) else []
    if not cells:
        known = "the imported results say nothing of costs" if sweep.manifest.imported else None
        return NotDrawn("matchings", known or "no measure trial has ended")
    tasks = list(sweep.manifest.tasks.values())
    ceiling = tasks[0].ceiling if len(tasks) == 1 else None
    costs_shown = "what is known of their costs" if sweep.manifest.imported else "four costs"
    text = (
        f"The same test accuracies (IQM, 95 % interval over {findings.interval_over}) against {costs_shown}, on log "
        "scales. Cells that are matched in one lie above each other in its panel and apart in others; a fair "
        "comparison has to say which one it means."
    )
    looks = cell_looks(sweep.manifest.cells, {cell.label for cell in cells})
    return Picture("matchings", "Accuracy against cost", text, table(cells), lambda: draw(cells, looks, ceiling))


def table(cells: list[CellCosts]) -> pd.DataFrame:
    """One row a cell."""
    return pd.DataFrame(
        [
            {"cell": cell.label, **estimate_columns("iqm", cell.iqm)} | {name: getattr(cell, name) for name in _PANELS}
            for cell in cells
        ]
    )


def draw(cells: list[CellCosts], looks: dict[str, Look], ceiling: float | None) -> Figure:
    """A panel a cost that is known of some cell, with one accuracy axis."""
    by_cost = {name: [cell for cell in cells if getattr(cell, name) is not None] for name in _PANELS}
    panels = {name: known for name, known in by_cost.items() if known}
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = sheet(rows, columns, 0.6 + 2.0 * rows, sharey=True)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    for ax, (name, known) in zip(axes, panels.items(), strict=False):
        ax.set_xlabel(_PANELS[name])
        for arch in dict.fromkeys(cell.arch for cell in known):
            line = sorted((getattr(cell, name), cell.iqm.value) for cell in known if cell.arch == arch)
            ax.plot(*zip(*line, strict=True), color=style.REFERENCE, lw=0.6, alpha=0.6, zorder=1)
        for cell in known:
            look, x = looks[cell.label], getattr(cell, name)
            if cell.iqm.interval:
                ax.vlines(x, cell.iqm.interval.low, cell.iqm.interval.high, color=look.colour, lw=1.2)
            ax.plot([x], [cell.iqm.value], look.marker, ms=5, color=look.colour, zorder=3)
        values = [max(getattr(cell, name), 1e-3) for cell in known]
        log_axis(ax, values, values, room=0.16)
        if ceiling is not None:
            reference(ax, ceiling, "ceiling", style.CEILING, side="left")
    for ax in axes[::columns]:
        ax.set_ylabel("test accuracy")
    cell_legend(figure, looks, line=False)
    return figure
