"""Scaling collapse: do success rates fall on one curve once width is counted in entries of the machine's table?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.panels import cell_legend, log_axis, sheet, shifted
from analysis.figures.picture import NotDrawn, Picture
from analysis.figures.style import Look, cell_looks
from analysis.findings.findings import Findings
from analysis.statistics.estimates import Rate


@dataclass(frozen=True)
class ScaledCell:
    """One cell: its width over the entries of its machines' tables, and its success rate."""

    label: str
    series: str
    """Architecture, layers and size of the machines: what a line joins."""
    width: int
    entries: int
    rate: Rate

    @property
    def x(self) -> float:
        """Floats of width for each entry."""
        return self.width / self.entries


def picture(findings: Findings) -> Picture | NotDrawn:
    """The figure of success against width over entries."""
    sweep = findings.sweep
    cells: list[ScaledCell] = []
    units: dict[str, None] = {}
    for label, summary in findings.cells.items():
        sides, fields = sweep.task(label).dimensions, summary.cell.fields
        if summary.score and summary.score.success and sides:
            series = f"{fields['arch']} L{fields['num_layers']} {'x'.join(map(str, sides.values()))}"
            width, entries = int(fields["d_model"]), math.prod(sides.values())
            cells.append(ScaledCell(label, series, width, entries, summary.score.success))
            units[" x ".join(sides)] = None
    if len({cell.x for cell in cells}) < 2:
        return NotDrawn("collapse", "it needs measured cells that differ in d_model or in the machines' size")
    unit = " or ".join(units)
    text = (
        f"Success rate (Wilson's 95 % interval) against d_model over the number of entries of a machine's table, "
        f"{unit}. Lines join cells of one architecture, depth and machine size: where they fall on one "
        "another, width matters only relative to what must be remembered."
    )
    rows = [
        {"cell": c.label, "series": c.series, "d_model": c.width, "entries": c.entries, "width_per_entry": c.x}
        | {"success_rate": c.rate.value, "low": c.rate.interval.low, "high": c.rate.interval.high}
        for c in cells
    ]
    looks = cell_looks(sweep.manifest.cells, {cell.label for cell in cells})
    return Picture("collapse", "Scaling collapse", text, pd.DataFrame(rows), lambda: draw(cells, looks, unit))


def draw(cells: list[ScaledCell], looks: dict[str, Look], unit: str) -> Figure:
    """One panel."""
    figure, (ax,) = sheet(1, 1, 3.2)
    names = list(dict.fromkeys(cell.series for cell in cells))
    for number, series in enumerate(names):
        place = shifted(ax, 5 * (number - (len(names) - 1) / 2))  # equal widths side by side
        line = sorted((cell for cell in cells if cell.series == series), key=lambda cell: cell.x)
        rates = [cell.rate.value for cell in line]
        ax.plot(
            [cell.x for cell in line], rates, color=looks[line[-1].label].colour, lw=0.9, alpha=0.7, transform=place
        )
        for cell in line:
            look, ends = looks[cell.label], cell.rate.interval
            ax.plot([cell.x] * 2, [ends.low, ends.high], color=look.colour, lw=1.0, transform=place)
            ax.plot([cell.x], [cell.rate.value], look.marker, ms=5, color=look.colour, transform=place)
    values = [cell.x for cell in cells]
    log_axis(ax, values, values, room=0.07)
    ax.set_ylim(-0.03, 1.03)
    ax.set_xlabel(f"d_model / ({unit}), log scale")
    ax.set_ylabel("share of seeds that succeed")
    cell_legend(figure, looks, line=False)
    return figure
