"""The axes of a sweep's figure: accuracy with its ladder, the names of a spectrum's cells, the room between panels."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes

from analysis.figures import style
from analysis.figures.main_figure import AnswerInfo
from analysis.figures.marks import LABEL_INCHES
from analysis.figures.style import Look

_MAX_TICKS = 55
_LEVEL_NAMES = 5
"""Cells of a spectrum whose names fit side by side; those of more stand upright."""
LETTER = 0.06
"""Width of a letter of 7.5 points, in inches."""
_SIDES = 0.91 * style.WIDTH
"""Inches from the left panel's left end to the right panel's right end."""


def draw_lines(info: AnswerInfo, ax: Axes) -> None:
    """Ladder and ceiling as horizontal lines."""
    for line in info.lines:
        top = line.label.startswith("ceiling")
        colour = style.CEILING if top else style.REFERENCE
        ax.axhline(line.value, color=colour, lw=0.8 if top else 0.6, ls=(0, (1, 1.5)), zorder=0)


def accuracy_axis(info: AnswerInfo, ax: Axes) -> None:
    """Limits that hold all seeds, curves and the ladder, with the ceiling's surroundings."""
    values = [value for cell in info.cells for value in cell.seeds] + [line.value for line in info.lines]
    lowest = [*values, *(low for curve in info.curves for low in curve.curve.low)]
    low, high = min(lowest, default=0.0) - 0.04, max([1.0, *values]) + 0.02
    ax.set_ylim(low, high + (0.07 * (high - low) if info.imported else 0.0))  # numbers stand above imported cells
    ax.set_ylabel("accuracy")


def cell_names(info: AnswerInfo, looks: Mapping[str, Look]) -> list[str]:
    """What the cells of a spectrum are called below the panel: broken into lines where they stand side by side."""
    sizes = [(looks[each.name].label, each.name.removeprefix(f"{each.arch}-")) for each in info.series]
    if len(sizes) > _LEVEL_NAMES:
        return [f"{arch} {size}" for arch, size in sizes]
    return ["\n".join([arch, *_broken(size)]) for arch, size in sizes]


def _broken(size: str) -> list[str]:
    """d64-L1-relu-identity in lines: d64-L1, relu, identity."""
    width, *more = size.split("-")
    return ["-".join([width, *more[:1]]), *more[1:]]


def side_by_side(info: AnswerInfo, looks: Mapping[str, Look]) -> bool:
    """Whether the names fit side by side."""
    lines = [line for name in cell_names(info, looks) for line in name.split("\n")]
    panel = _SIDES / (2 + between(info))
    return len(info.series) <= _LEVEL_NAMES and all(LETTER * len(line) * len(info.series) <= panel for line in lines)


def cell_ticks(info: AnswerInfo, ax: Axes, looks: Mapping[str, Look]) -> None:
    """Names of a spectrum's cells below the panel, side by side or upright."""
    names = cell_names(info, looks)
    every = -(-len(names) // _MAX_TICKS)
    level = side_by_side(info, looks)
    shown = names if level else [name.replace("\n", " ") for name in names]
    ax.set_xticks(range(0, len(names), every), shown[::every])
    ax.set_xlim(-0.6, len(names) - 0.4)
    if not level:
        ax.tick_params(axis="x", rotation=90, labelsize=7)


def between(info: AnswerInfo) -> float:
    """Room between the panels as a share of one: the left one's longest label, and the right one's ticks."""
    gap = max(1.55, 0.75 + LABEL_INCHES * max((len(text) for _, text in labels(info)), default=0))
    return gap / ((_SIDES - gap) / 2)


def margin(info: AnswerInfo) -> float:
    """Free ends of an axis with several series side by side at each place."""
    return 0.12 + 0.015 * (len(info.series) - 1)


def labels(info: AnswerInfo) -> list[tuple[float, str]]:
    """What stands beside the left panel, with its height."""
    lines = [(line.value, f"{line.label} {line.value:.3f}") for line in info.lines]
    scored = [(each.cell.score.iqm.value, each.name) for each in info.references if each.cell.score]
    return lines + [(value, f"{name}: {value:.3f}") for value, name in scored]
