"""What several figures are made of: a sheet of panels, one legend of cells, reference lines, log axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from matplotlib.transforms import ScaledTranslation

from analysis.figures import style
from analysis.figures.style import Look

MAX_LEGEND = 16
"""Cells named in a legend."""
MAX_PANELS = 24
"""Cells with a panel of their own."""


def sheet(rows: int, columns: int, height: float, **sharing: Any) -> tuple[Figure, list[Axes]]:
    """An empty figure of the text's width, `height` inches high, and its panels row by row."""
    with mpl.rc_context(style.RC):
        figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
        return figure, list(figure.subplots(rows, columns, squeeze=False, **sharing).flat)


def ends(looks: Mapping[str, Look]) -> dict[str, Look]:
    """The looks themselves, or, of more than a legend can name, the smallest and largest cell's of each arch."""
    if len(looks) <= MAX_LEGEND:
        return dict(looks)
    by_arch: dict[str, list[str]] = {}
    for label, look in looks.items():
        by_arch.setdefault(look.marker, []).append(label)
    return {label: looks[label] for alike in by_arch.values() for label in (alike[0], alike[-1])}


def cell_legend(figure: Figure, looks: Mapping[str, Look], line: bool = True) -> None:
    """Which colour, dashes and marker are which cell's, below the panels."""
    handles = [
        Line2D([], [], color=k.colour, marker=k.marker, ms=4, ls=k.dashes if line else "", lw=1.2, label=k.label)
        for k in ends(looks).values()
    ]
    entry = 40 + 4.2 * max((len(str(handle.get_label())) for handle in handles), default=0)  # points
    abreast = max(1, min(5, int(72 * style.WIDTH / entry)))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), abreast), handlelength=2.6)


def reference(ax: Axes, value: float, text: str, colour: str = style.REFERENCE, side: str = "right") -> None:
    """A thin dotted line across the panel with its name inside at one end; the ceiling's is below the line.

    The name is written over what is drawn, with a white rim, or curves that run along the line would cross it out.
    """
    ax.axhline(value, color=colour, lw=0.7, ls=(0, (1, 1.5)), zorder=0)
    x, below = (0.995 if side == "right" else 0.005), colour == style.CEILING
    where: dict[str, Any] = {"xycoords": ax.get_yaxis_transform(), "textcoords": "offset points", "zorder": 5}
    look: dict[str, Any] = {"size": 7, "color": colour, "ha": side, "va": "top" if below else "bottom"}
    name = ax.annotate(text, (x, value), (0, -4 if below else 0.5), **where, **look)
    name.set_path_effects([withStroke(linewidth=1.8, foreground="white")])


def shifted(ax: Axes, points: float) -> Any:
    """Data coordinates, moved to the right by `points` on paper."""
    figure = ax.get_figure(root=True)
    assert figure is not None  # every Axes here comes from figure.subplots
    return ax.transData + ScaledTranslation(points / 72, 0, figure.dpi_scale_trans)


def log_axis(
    ax: Axes,
    marked: Sequence[float],
    shown: Sequence[float],
    room: float = 0.13,
    whole: bool = False,
    margin: float = 0.12,
) -> None:
    """A log axis over `shown`; its ticks are those of `marked` that leave `room`, a share of it, for their labels.

    `whole`: ticks are settings, written in full (1024), not counts, which are rounded (1.02k). `margin` is left free
    at both ends, as a share of what is shown.
    """
    span = max(shown) / min(shown)
    ticks: list[float] = []
    for value in sorted(set(marked)):
        if not ticks or value >= ticks[-1] * span**room:
            ticks.append(value)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_major_formatter(FixedFormatter([f"{tick:g}" if whole else compact(tick) for tick in ticks]))
    ax.xaxis.set_minor_locator(NullLocator())
    beyond = max(span**margin, 1.1)
    ax.set_xlim(min(shown) / beyond, max(shown) * beyond)


def compact(number: float) -> str:
    """A count as a reader says it: 950, 8.4k, 132k, 1.2M; below 10 with its decimals."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}" if number < 10 else f"{number:.0f}"


def write_note(ax: Axes, text: str) -> None:
    """A word in the middle of a panel that has nothing to show."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=style.REFERENCE)
