"""The best learning rate along the sweep's axis: each search's winner, one line per series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from analysis.figures.learning_rates import listed
from analysis.figures.main_drawing import AXIS_LABELS, looks_of
from analysis.figures.main_figure import AnswerInfo, CellPoints, answer_info
from analysis.figures.marks import slots
from analysis.figures.panels import cell_legend, log_axis, sheet, shifted
from analysis.figures.picture import NotDrawn, Picture
from analysis.figures.style import Look
from analysis.findings.findings import Findings
from analysis.sources.sweep import Sweep

NAME = "best_rates"
_COLUMNS = ["series", "cell", "arch", "axis", "x", "repeat", "learning_rate", "at_edge"]


@dataclass(frozen=True)
class BestRate:
    """The learning rate of one search's winner."""

    repeat: int
    learning_rate: float
    at_edge: bool
    """It lies in the outer tenth of its range."""


@dataclass(frozen=True)
class RatesAt:
    """The winners of one cell, by repeat."""

    cell: CellPoints
    x: int
    best: tuple[BestRate, ...]

    @property
    def middle(self) -> float:
        """Geometric mean over searches."""
        return float(np.exp(np.mean(np.log([each.learning_rate for each in self.best]))))


@dataclass(frozen=True)
class RateLine:
    """The winners of one series along the axis; of a reference, at its one place."""

    name: str
    aside: float
    """Points on paper by which it is moved, so that equal rates of two lines both show."""
    places: tuple[RatesAt, ...]


def picture(findings: Findings) -> Picture | NotDrawn:
    """The figure of a sweep whose cells vary along an axis and were searched."""
    sweep, info = findings.sweep, answer_info(findings)
    if info.axis is None or all(len(series.cells) == 1 for series in info.series):
        return NotDrawn(NAME, "no cells differ along an axis only")
    lines = rate_lines(sweep, info)
    if not lines:
        return NotDrawn(NAME, "no search of a learning rate has a winner")
    text = (
        f"The learning rate of each search's winner against {info.axis}, both on log scales. Hollow: in the outer "
        "tenth of the range that was searched, so a better one may lie beyond it."
    )
    if sweep.manifest.repeats > 1:
        text += " Small marks: each of the cell's searches; large marks: their geometric mean."
    if fixed := [cell.label for cell in sweep.manifest.cells if not cell.num_proposals]:
        text += f" Left out, because their learning rate was fixed: {listed(fixed)}."
    looks = looks_of(info)
    return Picture(
        NAME,
        f"Best learning rate by {info.axis}",
        text,
        _table(lines, info.axis),
        lambda: draw(lines, info.axis or "", looks),
    )


def _table(lines: list[RateLine], axis: str) -> pd.DataFrame:
    """One row per search."""
    rows = [
        {"series": line.name, "cell": at.cell.label, "arch": at.cell.arch, "axis": axis, "x": at.x, **asdict(best)}
        for line in lines
        for at in line.places
        for best in at.best
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)


def rate_lines(sweep: Sweep, info: AnswerInfo) -> list[RateLine]:
    """Series and references of which a search has a winner, in the order of the sweep's main figure."""
    asides, _ = slots(info.series)
    named = [(each.name, aside, each.cells) for each, aside in zip(info.series, asides, strict=True)]
    middle = (len(info.references) - 1) / 2
    named += [(each.name, 8.0 * (rank - middle), (each.cell,)) for rank, each in enumerate(info.references)]
    lines = [
        RateLine(
            name,
            aside,
            tuple(
                RatesAt(cell, cell.x, best)
                for cell in cells
                if cell.x is not None and (best := _best(sweep, cell.label))
            ),
        )
        for name, aside, cells in named
    ]
    return [line for line in lines if line.places]


def _best(sweep: Sweep, label: str) -> tuple[BestRate, ...]:
    """By repeat; empty where nothing has won yet, or the learning rate was not searched."""
    winners = sorted(sweep.cells[label].winners, key=lambda winner: winner.repeat)
    return tuple(
        BestRate(winner.repeat, winner.params["learning_rate"], "learning_rate" in winner.at_edge)
        for winner in winners
        if "learning_rate" in winner.params and winner.hash in sweep.records
    )


def draw(lines: list[RateLine], axis: str, looks: Mapping[str, Look]) -> Figure:
    """One panel, log-log, with the legend below it."""
    figure, (ax,) = sheet(1, 1, 3.2 + 0.1 * len(lines))
    for line in lines:
        _draw_line(ax, line, looks[line.name])
    swept = [at.x for line in lines for at in line.places]
    log_axis(ax, swept, swept, room=0.05, whole=axis != "steps", margin=0.06)
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
    ax.yaxis.set_minor_locator(NullLocator())
    rates = [best.learning_rate for line in lines for at in line.places for best in at.best]
    ax.set_ylim(min(rates) / 1.5, max(rates) * 1.5)
    ax.set_xlabel(AXIS_LABELS[axis])
    ax.set_ylabel("best learning rate (log scale)")
    cell_legend(figure, {line.name: looks[line.name] for line in lines})
    return figure


def _draw_line(ax: Axes, line: RateLine, look: Look) -> None:
    """Geometric means joined by a line; where there are several searches, each beside its mean."""
    place = shifted(ax, line.aside)
    xs, middles = [at.x for at in line.places], [at.middle for at in line.places]
    ax.plot(xs, middles, color=look.colour, ls=look.dashes, lw=1.0, transform=place)
    for at in line.places:
        edge = len(at.best) == 1 and at.best[0].at_edge
        _mark(ax, at.x, at.middle, look, place, hollow=edge, size=5.0)
        for best in at.best if len(at.best) > 1 else ():
            _mark(ax, at.x, best.learning_rate, look, shifted(ax, line.aside + 4.0), hollow=best.at_edge, size=2.6)


def _mark(ax: Axes, x: float, rate: float, look: Look, place: Any, *, hollow: bool, size: float) -> None:
    fill = "white" if hollow else look.colour
    ax.plot([x], [rate], look.marker, ms=size, mfc=fill, mec=look.colour, mew=0.9, transform=place, zorder=3)
