"""Info objects -> pictures. Nothing is computed here, and no state of matplotlib outlives a call."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.figures import style
from analysis.figures.answer import AnswerInfo, CellPoints, answer_info
from analysis.figures.panels import compact, log_axis, say, shifted
from analysis.figures.picture import Picture
from analysis.figures.style import ArchStyle, arch_styles, shade, spread
from analysis.load import Sweep
from analysis.stats import MIN_SEEDS
from analysis.summary import summarise
from analysis.wording import rests_on

_AXIS_LABELS = {"d_model": "width d_model (log scale)", "num_layers": "layers num_layers (log scale)"}
_LABEL_GAP = 0.052
"""Least distance between two labels beside a panel, as a share of its height: one line of 7 points."""


MANY = 12
"""Cells of a spectrum from which on they need the whole width; their parameters are in another figure anyway."""
_MAX_TICKS = 55
_LEVEL_NAMES = 5
"""Cells of a spectrum whose names fit side by side; those of more stand upright."""
_UNCOUNTED = "no imported file gives\na parameter count"
_TITLES = {
    "spectrum": "From no gates to many",
    "capacity": "Accuracy by width",
    "depth": "Accuracy by depth",
}


def picture(sweep: Sweep) -> Picture:
    """The figure that answers the sweep's question."""
    info = answer_info(sweep)
    beside = {
        "capacity": "Right: the same against parameters.",
        "depth": "Right: validation accuracy over training by depth.",
        "spectrum": "Right: parameters of each cell." if len(info.cells) <= MANY else "",
    }
    text = (
        "Test accuracy of measure trials: large marks are IQMs over seeds, bars their 95 % intervals over "
        f"{rests_on(summarise(sweep).values(), sweep.manifest.repeats)}, small marks the seeds. "
        f"Dotted lines: what fixed strategies score on the same test episodes, and the ceiling. "
        f"{beside[info.kind]}"
    )
    if info.imported:
        text = (
            "Test accuracy of imported runs, one a cell, its seed unknown: points without intervals. The files say "
            "nothing of fixed strategies and the ceiling. Dashed lines: cells at one size only, or of unknown size. "
            f"{beside[info.kind]}"
        )
    return Picture(info.kind, _TITLES[info.kind], text, info.table(), lambda: draw(info))


def draw(info: AnswerInfo) -> Figure:
    """The two-panel figure of `info`, as a matplotlib Figure outside pyplot."""
    with mpl.rc_context(style.RC):
        styles = arch_styles(cell.arch for cell in info.cells)
        alone = info.axis is None and len(info.cells) > MANY
        least = style.HEIGHT * (0.36 if alone else 0.265)
        below = _below(info, styles, least)
        height = style.HEIGHT + below - least
        figure = Figure(figsize=(style.WIDTH, height))
        frame = {"left": 0.075, "top": 1 - 0.08 * style.HEIGHT / height, "bottom": below / height}
        if alone:
            (left,) = figure.subplots(1, 1, squeeze=False)[0]
            figure.subplots_adjust(right=0.85, **frame)
            draw_accuracy(info, left, styles)
            _legend(info, figure, styles)
            return figure
        left, right = figure.subplots(1, 2)
        figure.subplots_adjust(right=0.985, wspace=0.62, **frame)
        draw_accuracy(info, left, styles)
        if info.kind == "capacity":
            draw_against_params(info, right, styles)
        elif info.kind == "depth":
            draw_curves(info, right, styles)
        else:
            draw_params(info.cells, right, styles)
        _legend(info, figure, styles)
    return figure


def _below(info: AnswerInfo, styles: dict[str, ArchStyle], least: float) -> float:
    """Inches below the panels: room for the legend, and for upright names of cells where there are many."""
    if info.axis is not None or len(info.cells) <= _LEVEL_NAMES:
        return least
    longest = max(len(_name(cell, styles[cell.arch])) for cell in info.cells)
    return max(least, 0.6 + 0.06 * longest)


def draw_accuracy(info: AnswerInfo, ax: Axes, styles: dict[str, ArchStyle]) -> None:
    """Test accuracy along the axis, or by cell: seeds, IQM with interval, ladder, ceiling, references."""
    labels = _draw_lines(info, ax)
    for number, series in enumerate(info.series):
        aside = 7 * (number - (len(info.series) - 1) / 2) if info.axis else 0.0
        abreast = 1 if info.axis is None and len(info.cells) > MANY else 3
        _draw_series(series.places, ax, styles[series.arch], aside, abreast)
        _write_numbers(series.places, ax, styles[series.arch], aside)
    for number, cell in enumerate(info.references):
        labels += _draw_reference(cell, ax, styles[cell.arch], number, len(info.references))
    if info.axis is None:
        _cell_ticks(ax, info.cells, styles)
    else:
        swept = [x for series in info.series for x, _ in series.places]
        log_axis(ax, swept, swept, whole=True)
        ax.set_xlabel(_AXIS_LABELS[info.axis])
    _accuracy_axis(info, ax)
    _write_labels(ax, labels, 0.07 if len(info.cells) <= MANY or info.axis else 0.03)
    ax.set_title("Test accuracy" if info.axis is None else f"Test accuracy by {info.axis}", loc="left")


def draw_against_params(info: AnswerInfo, ax: Axes, styles: dict[str, ArchStyle]) -> None:
    """Test accuracy against true parameter counts."""
    _draw_lines(info, ax)
    lines = [(series.arch, series.cells) for series in info.series] + [(c.arch, (c,)) for c in info.references]
    counted = [(arch, [(c.num_params, c) for c in cells if c.num_params is not None]) for arch, cells in lines]
    for arch, cells in counted:
        _draw_series(cells, ax, styles[arch])
    marked = [params for _, cells in counted[: len(info.series)] for params, _ in cells]
    shown = [params for _, cells in counted for params, _ in cells]
    _accuracy_axis(info, ax)
    ax.set_xlabel("parameters (log scale)")
    ax.set_title("Test accuracy by parameters", loc="left")
    if not shown:
        ax.set_xticks([])
        say(ax, _UNCOUNTED)
        return
    log_axis(ax, marked or shown, shown)
    if unknown := [c.label for c in info.cells if c.num_params is None]:
        note = textwrap.fill(f"parameters unknown: {', '.join(unknown)}", 44)
        ax.text(0.98, 0.02, note, transform=ax.transAxes, ha="right", size=7, color=style.REFERENCE)


def draw_curves(info: AnswerInfo, ax: Axes, styles: dict[str, ArchStyle]) -> None:
    """Validation accuracy over training by depth: median over seeds, band from the lowest to the highest."""
    for line in info.lines[-1:]:
        ax.axhline(line.value, color=style.CEILING, lw=0.8, ls=(0, (1, 1.5)), zorder=0)
        ax.text(
            0.01,
            line.value,
            f"{line.label} (test set)",
            size=7,
            va="bottom",
            transform=ax.get_yaxis_transform(),
        )
    for number, swept in enumerate(info.curves):
        alike, curve = [c for c in info.curves if c.arch == swept.arch], swept.curve
        colour = shade(styles[swept.arch].colour, alike.index(swept), len(alike))
        layers = "depth unknown" if swept.x is None else f"{swept.x} layer{'s' if swept.x > 1 else ''}"
        name = f"{styles[swept.arch].label}, {layers}"
        dashes = ["-", (0, (5, 1.5)), (0, (2, 1)), (0, (5, 1, 1, 1))][number % 4]
        alone = styles[swept.arch].marker if len(curve.steps) == 1 else None  # a line of one point can't be seen
        ax.plot(curve.steps, curve.median, marker=alone, color=colour, ls=dashes, ms=4, label=name)
        ax.fill_between(curve.steps, curve.low, curve.high, color=colour, alpha=0.2, lw=0)
    _accuracy_axis(info, ax)
    ax.set_xlabel("epoch" if info.imported else "step")
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    what = "Validation accuracy" if info.imported else "Validation accuracy: median and range"
    ax.set_title(what, loc="left")
    if info.curves:
        ax.legend(loc="best", handlelength=2.6)
    else:
        say(ax, "no measure trial yet")


def draw_params(cells: Sequence[CellPoints], ax: Axes, styles: dict[str, ArchStyle]) -> None:
    """Parameters of every cell as bars, the count above each."""
    if any(cell.num_params is not None for cell in cells):
        for x, cell in enumerate(cells):
            _draw_bar(ax, x, cell, styles[cell.arch])
    _cell_ticks(ax, cells, styles)
    ax.set_title("Parameters", loc="left")
    if all(cell.num_params is None for cell in cells):
        ax.set_yticks([])
        say(ax, _UNCOUNTED)
        return
    ax.margins(y=0.12)
    ax.yaxis.set_major_formatter(lambda value, _: compact(value))
    ax.set_ylabel("parameters")


def _draw_bar(ax: Axes, x: int, cell: CellPoints, look: ArchStyle) -> None:
    """A cell's parameters with their count, or the word that nobody knows them."""
    height, known = cell.num_params or 0, cell.num_params is not None
    ax.bar(x, height, color=look.colour, width=0.62)
    label, turned = (compact(height), 0) if known else ("unknown", 90)
    shown: dict[str, Any] = {"color": "black" if known else style.REFERENCE, "rotation": turned}
    ax.annotate(label, (x, height), (0, 2), textcoords="offset points", ha="center", size=7.5, **shown)


def _draw_lines(info: AnswerInfo, ax: Axes) -> list[tuple[float, str, str]]:
    """Ladder and ceiling as horizontal lines; returns their labels: height, text, colour."""
    labels = []
    for line in info.lines:
        top = line.label.startswith("ceiling")
        colour = style.CEILING if top else style.REFERENCE
        ax.axhline(line.value, color=colour, lw=0.8 if top else 0.6, ls=(0, (1, 1.5)), zorder=0)
        labels.append((line.value, f"{line.label} {line.value:.3f}", colour))
    return labels


def _draw_series(
    cells: Sequence[tuple[float, CellPoints]], ax: Axes, look: ArchStyle, aside: float = 0.0, abreast: int = 3
) -> None:
    """IQMs with intervals joined by a line, `aside` points from their x; a word where there is none yet."""
    place = shifted(ax, aside)
    known = [(x, cell.score.iqm) for x, cell in cells if cell.score]
    if len(known) > 1:
        middles = [iqm.value for _, iqm in known]
        ax.plot([x for x, _ in known], middles, color=look.colour, lw=0.9, alpha=0.6, transform=place)
    for x, iqm in known:
        ax.plot([x], [iqm.value], look.marker, ms=4, color=look.colour, transform=place, zorder=4)
        if iqm.interval:
            ends = [iqm.interval.low, iqm.interval.high]
            ax.plot([x, x], ends, marker="_", ms=6, color=look.colour, lw=1.2, transform=place, zorder=3)
    for x, cell in cells:
        if cell.outcomes != ("finished",):  # a single seed is its own mean
            _draw_seeds(x, cell, ax, look, aside, abreast)
        if cell.score is None:
            word = "failed: no winner" if cell.failed else "no seed yet"
            above = ax.get_xaxis_transform()
            ax.text(x, 0.03, word, transform=above, rotation=90, ha="center", size=7, color=look.colour)


def _write_numbers(cells: Sequence[tuple[float, CellPoints]], ax: Axes, look: ArchStyle, aside: float) -> None:
    """The accuracy above each cell of a single seed, which has no spread to be drawn."""
    for x, cell in cells:
        if cell.score and len(cell.seeds) == 1:
            value, place = cell.score.iqm.value, shifted(ax, aside)
            where: dict[str, Any] = {"xycoords": place, "textcoords": "offset points", "ha": "center"}
            ax.annotate(f"{value:.3f}", (x, value), (0, 5), size=7, color=look.colour, **where)


def _draw_seeds(x: float, cell: CellPoints, ax: Axes, look: ArchStyle, aside: float, abreast: int) -> None:
    """Every seed right of the IQM, `abreast` so that equal ones show; a cross where it has no score."""
    for number, (value, outcome) in enumerate(zip(cell.seeds, cell.outcomes, strict=True)):
        place = shifted(ax, aside + (6.5 if abreast > 1 else 3.5) + 3.2 * (number % abreast))
        marker = look.marker if outcome == "finished" else "x"
        ax.plot([x], [value], marker, ms=2.6, mfc="none", mec=look.colour, mew=0.6, transform=place)


def _draw_reference(
    cell: CellPoints, ax: Axes, look: ArchStyle, number: int, count: int
) -> list[tuple[float, str, str]]:
    """A line with a band across the panel; dashes take turns, so that lines on one another all show."""
    if cell.score is None:
        return []
    iqm = cell.score.iqm
    ax.axhline(iqm.value, color=look.colour, lw=1.3, ls=(5 * number, (5, 5 * max(count - 1, 0.2))), zorder=2)
    if iqm.interval:
        ax.axhspan(iqm.interval.low, iqm.interval.high, color=look.colour, alpha=0.15, lw=0, zorder=1)
    return [(iqm.value, f"{_name(cell, look)} {iqm.value:.3f}", look.colour)]


def _name(cell: CellPoints, look: ArchStyle, between: str = " ") -> str:
    size = cell.label.removeprefix(f"{cell.arch}-")
    return f"{look.label}{between}{size}"


def _accuracy_axis(info: AnswerInfo, ax: Axes) -> None:
    values = [value for cell in info.cells for value in cell.seeds] + [line.value for line in info.lines]
    lowest = [*values, *(low for curve in info.curves for low in curve.curve.low)]
    low, high = min(lowest, default=0.0) - 0.04, max([1.0, *values]) + 0.02
    ax.set_ylim(low, high + (0.07 * (high - low) if info.imported else 0.0))  # numbers stand above imported cells
    ax.set_ylabel("accuracy")


def _cell_ticks(ax: Axes, cells: Sequence[CellPoints], styles: dict[str, ArchStyle]) -> None:
    every = -(-len(cells) // _MAX_TICKS)
    named = cells[::every]
    between = "\n" if len(cells) <= _LEVEL_NAMES else " "
    ax.set_xticks(range(0, len(cells), every), [_name(cell, styles[cell.arch], between) for cell in named])
    ax.set_xlim(-0.6, len(cells) - 0.4)
    if len(cells) > _LEVEL_NAMES:
        ax.tick_params(axis="x", rotation=90, labelsize=7)


def _write_labels(ax: Axes, labels: list[tuple[float, str, str]], aside: float) -> None:
    """Labels right of the panel at their lines' heights, moved apart where they would touch, with leaders."""
    low, high = ax.get_ylim()
    labels = sorted(labels)
    heights = [(value - low) / (high - low) for value, _, _ in labels]
    places = spread(heights, _LABEL_GAP, 0.0, 1.02)
    for height, place, (_, text, colour) in zip(heights, places, labels, strict=True):
        ax.text(1 + aside, place, text, transform=ax.transAxes, va="center", size=7, color=colour)
        leader = Line2D(
            [1.0, 1 + 0.85 * aside], [height, place], transform=ax.transAxes, color=colour, lw=0.5, clip_on=False
        )
        ax.add_artist(leader)


def _legend(info: AnswerInfo, figure: Any, styles: dict[str, ArchStyle]) -> None:
    """What colours and marks mean, below the panels."""
    share = style.HEIGHT / figure.get_figheight()
    handles = [Line2D([], [], color=s.colour, marker=s.marker, ms=5, lw=1, label=s.label) for s in styles.values()]
    figure.legend(handles=handles, loc="lower left", ncols=len(handles), bbox_to_anchor=(0.06, 0.07 * share))
    notes = ["Large marks: IQM; bars: 95 % interval; small marks: seeds."]
    if info.imported:
        notes = ["Imported: one run per cell, seed unknown, so no interval; ladder and ceiling unknown."]
    if info.references and info.axis:
        notes.append("Dashes: cells at one size." if info.imported else "Dashes, bands: base-size references.")
    if any(outcome != "finished" for cell in info.cells for outcome in cell.outcomes):
        notes.append("Crosses: diverged or failed.")
    if not info.imported and any(cell.score and cell.score.iqm.num_units < MIN_SEEDS for cell in info.cells):
        notes.append("No interval below 5 seeds.")
    if any(cell.score and cell.score.groups for cell in info.cells):
        notes.append("No interval where seeds fall into two groups.")
    if info.ended < info.asked:
        notes.append(f"Partial: {info.ended} of {info.asked} trials.")
    figure.text(0.075, 0.078 * share, textwrap.fill(" ".join(notes), 125), size=7, va="top", color=style.REFERENCE)
