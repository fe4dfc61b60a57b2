"""How cells are drawn where accuracy is the height: IQMs, intervals, seeds, references, and names beside a panel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.figures.main_figure import CellPoints, Reference, Series
from analysis.figures.panels import shifted
from analysis.figures.style import Look, spread

LABEL_INCHES = 0.056
"""Width of a letter of 7 points."""
_LABEL_GAP = 0.052
"""Least distance between two labels beside a panel, as a share of its height: one line of 7 points."""
_ROOM = 34.0
"""Points on paper that series side by side may take at one place of an axis."""


def slots(series: Sequence[Series]) -> tuple[list[float], int]:
    """How far each series stands from its place on the axis, in points, and how many of its seeds are abreast.

    Series that vary along the axis stand in the middle, single points on both sides of them.
    """
    count = len(series)
    lines = [number for number, each in enumerate(series) if len(each.cells) > 1]
    points = [number for number in range(count) if number not in lines]
    half = len(points) // 2
    width = min(15.0, _ROOM / max(count, 1))
    left = -2.0 if count > 1 else 0.0  # seeds stand to the right of their IQM
    order = {number: rank for rank, number in enumerate([*points[:half], *lines, *points[half:]])}
    return [width * (order[number] - (count - 1) / 2) + left for number in range(count)], max(1, 4 - count)


def draw_series(
    cells: Sequence[tuple[float, CellPoints]], ax: Axes, look: Look, aside: float = 0.0, abreast: int = 3
) -> None:
    """IQMs with intervals joined by a line, `aside` points from their x; a word where there is none yet."""
    place = shifted(ax, aside)
    known = [(x, cell.score.iqm) for x, cell in cells if cell.score]
    if len(known) > 1:
        middles = [iqm.value for _, iqm in known]
        ax.plot([x for x, _ in known], middles, color=look.colour, lw=0.9, ls=look.dashes, alpha=0.7, transform=place)
    for x, iqm in known:
        ax.plot([x], [iqm.value], look.marker, ms=4, color=look.colour, transform=place, zorder=4)
        if iqm.interval:
            ends = [iqm.interval.low, iqm.interval.high]
            ax.plot([x, x], ends, marker="_", ms=5, color=look.colour, lw=1.2, transform=place, zorder=3)
    for x, cell in cells:
        if cell.outcomes != ("finished",):  # a single seed is its own mean
            _draw_seeds(x, cell, ax, look, aside, abreast)
        if cell.score is None:
            word = "failed: no winner" if cell.failed else "no seed yet"
            above: dict[str, Any] = {"xycoords": ax.get_xaxis_transform(), "textcoords": "offset points"}
            ax.annotate(word, (x, 0.03), (aside, 0), rotation=90, ha="center", size=7, color=look.colour, **above)


def write_numbers(cells: Sequence[tuple[float, CellPoints]], ax: Axes, look: Look, aside: float) -> None:
    """The accuracy above each cell of a single seed, which has no spread to be drawn."""
    for x, cell in cells:
        if cell.score and len(cell.seeds) == 1:
            value, place = cell.score.iqm.value, shifted(ax, aside)
            where: dict[str, Any] = {"xycoords": place, "textcoords": "offset points", "ha": "center"}
            ax.annotate(f"{value:.3f}", (x, value), (0, 5), size=7, color=look.colour, **where)


def _draw_seeds(x: float, cell: CellPoints, ax: Axes, look: Look, aside: float, abreast: int) -> None:
    """Every seed right of the IQM, `abreast` so that equal ones show; a cross where it has no score."""
    for number, (value, outcome) in enumerate(zip(cell.seeds, cell.outcomes, strict=True)):
        place = shifted(ax, aside + (6.5 if abreast > 1 else 3.8) + 3.2 * (number % abreast))
        marker = look.marker if outcome == "finished" else "x"
        ax.plot([x], [value], marker, ms=2.6, mfc="none", mec=look.colour, mew=0.6, transform=place)


def draw_reference(one: Reference, ax: Axes, look: Look, number: int, count: int) -> None:
    """A line with a band across the panel; dashes take turns, so that lines on one another all show."""
    if one.cell.score is None:
        return
    iqm = one.cell.score.iqm
    ax.axhline(iqm.value, color=look.colour, lw=1.3, ls=(5 * number, (5, 5 * max(count - 1, 0.2))), zorder=2)
    if iqm.interval:
        ax.axhspan(iqm.interval.low, iqm.interval.high, color=look.colour, alpha=0.15, lw=0, zorder=1)


def write_labels(ax: Axes, labels: list[tuple[float, str, Any]], aside: float) -> None:
    """Labels right of the panel at their lines' heights, moved apart where they would touch, with leaders."""
    low, high = ax.get_ylim()
    labels = sorted(labels, key=lambda label: label[:2])
    heights = [(value - low) / (high - low) for value, _, _ in labels]
    places = spread(heights, _LABEL_GAP, 0.0, 1.02)
    for height, place, (_, text, colour) in zip(heights, places, labels, strict=True):
        ax.text(1 + aside, place, text, transform=ax.transAxes, va="center", size=7, color=colour)
        leader = Line2D(
            [1.0, 1 + 0.85 * aside], [height, place], transform=ax.transAxes, color=colour, lw=0.5, clip_on=False
        )
        ax.add_artist(leader)
