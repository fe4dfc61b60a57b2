"""Success and time to breakthrough: how many seeds succeed, and after how many steps they do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.panels import cell_legend, sheet
from analysis.figures.picture import NotDrawn, Picture
from analysis.figures.style import Look, cell_looks
from analysis.findings.findings import Findings
from analysis.statistics.estimates import Rate
from analysis.statistics.survival import Survival, kaplan_meier

_COLUMNS = ["what", "cell", "step", "share", "low", "high", "reached", "total"]


@dataclass(frozen=True)
class CellSuccess:
    """One cell's success rate on the test set, and its steps to threshold on the validation set."""

    label: str
    rate: Rate
    curve: Survival


def picture(findings: Findings) -> Picture | NotDrawn:
    """The figure of a sweep's successes."""
    manifest = findings.sweep.manifest
    cells = [
        CellSuccess(label, cell.score.success, kaplan_meier(cell.steps_to_threshold, cell.cell.steps))
        for label, cell in findings.cells.items()
        if cell.score and cell.score.success
    ]
    if not cells:
        known = "what counts as success is unknown, because the ceiling is" if manifest.imported else None
        return NotDrawn("breakthrough", known or "no measure trial has ended")
    text = (
        "Left: share of measure seeds that succeed (test accuracy within the success margin of the ceiling) with "
        "Wilson's 95 % interval. Right: Kaplan-Meier's share of seeds that have reached the same accuracy on the "
        "validation set, by step; seeds that never do are censored at the budget, and pruned search trials do not "
        "enter. Bands are 95 % (log-log)."
    )
    table = pd.DataFrame(list(_rows(cells)), columns=_COLUMNS)
    looks = cell_looks(manifest.cells, {cell.label for cell in cells})
    whole = dict.fromkeys(["step", "reached", "total"], "Int64")
    return Picture(
        "breakthrough", "Success and time to breakthrough", text, table.astype(whole), lambda: draw(cells, looks)
    )


def _rows(cells: list[CellSuccess]) -> Iterator[dict[str, Any]]:
    for cell in cells:
        rate, curve = cell.rate, cell.curve
        row = {"what": "success", "cell": cell.label, "share": rate.value, "reached": rate.successes}
        yield row | {"total": rate.total, "low": rate.interval.low, "high": rate.interval.high}
        for step, left, low, high in zip(curve.steps, curve.surviving, curve.low, curve.high, strict=True):
            row = {"what": "reached threshold", "cell": cell.label, "step": step, "share": 1 - left}
            yield row | {"low": 1 - high, "high": 1 - low, "reached": curve.reached, "total": curve.total}


def draw(cells: list[CellSuccess], looks: dict[str, Look]) -> Figure:
    """Success rates on the left, one row a cell; Kaplan-Meier curves on the right."""
    figure, (left, right) = sheet(1, 2, max(3.0, 1.2 + 0.13 * len(cells)))
    for place, cell in enumerate(cells):
        look = looks[cell.label]
        left.hlines(place, cell.rate.interval.low, cell.rate.interval.high, color=look.colour, lw=1.4)
        left.plot([cell.rate.value], [place], look.marker, ms=5, color=look.colour)
        # Earlier cells are wider, so that curves on one another all show.
        _draw_curve(right, cell.curve, look, 2.6 - 1.4 * place / max(len(cells) - 1, 1))
    left.set_yticks(range(len(cells)), [looks[cell.label].label for cell in cells], size=7)
    left.set_ylim(len(cells) - 0.4, -0.6)
    left.set_xlim(-0.03, 1.03)
    left.set_xlabel("share of seeds that succeed")
    right.set_ylim(-0.03, 1.03)
    right.set_xlim(0, max(cell.curve.budget for cell in cells))
    right.set_xlabel("step")
    right.set_ylabel("share of seeds at the threshold")
    cell_legend(figure, looks)
    return figure


def _draw_curve(ax: Axes, curve: Survival, look: Look, width: float) -> None:
    steps = [0, *curve.steps, curve.budget]
    reached = [0.0, *(1 - left for left in curve.surviving)]
    reached.append(reached[-1])
    ax.plot(steps, reached, color=look.colour, ls=look.dashes, lw=width, drawstyle="steps-post")
    ends = [(s, 1 - high, 1 - low) for s, low, high in zip(curve.steps, curve.low, curve.high, strict=True)]
    known = [end for end in ends if not math.isnan(end[1])]
    if known:
        last = next((s for s in curve.steps if s > known[-1][0]), curve.budget)
        x, low, high = zip(*known, (last, *known[-1][1:]), strict=True)
        ax.fill_between(x, low, high, step="post", color=look.colour, alpha=0.13, lw=0)
