"""Info objects -> pictures. Nothing is computed here, and no state of matplotlib outlives a call."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.figures import style
from analysis.figures.main_axes import (
    LETTER,
    accuracy_axis,
    between,
    cell_names,
    cell_ticks,
    draw_lines,
    labels,
    margin,
    side_by_side,
)
from analysis.figures.main_figure import AnswerInfo, CellPoints, SweptCurve, answer_info
from analysis.figures.marks import draw_reference, draw_series, slots, write_labels, write_numbers
from analysis.figures.panels import compact, log_axis, say
from analysis.figures.picture import Picture
from analysis.figures.style import Look, arch_styles, series_looks, shade
from analysis.findings.axis import in_words
from analysis.findings.findings import Findings
from analysis.statistics.estimates import MIN_SEEDS

AXIS_LABELS = {
    "d_model": "width d_model (log scale)",
    "num_layers": "layers num_layers (log scale)",
    "steps": "training steps (log scale)",
}
MANY = 12
"""Cells of a spectrum from which on they need the whole width; their parameters are in another figure anyway."""
_UNCOUNTED = "no imported file gives\na parameter count"
_TITLES = {
    "spectrum": "From no gates to many",
    "capacity": "Accuracy by width",
    "depth": "Accuracy by depth",
    "budget": "Accuracy by training steps",
}
_REFERENCE: Any = (0, (4, 2))
_ROW = 0.17
"""Height of a line of the legend, in inches."""


def picture(findings: Findings) -> Picture:
    """The figure that answers the sweep's question."""
    info = answer_info(findings)
    text = (
        "Test accuracy of measure trials: large marks are IQMs over seeds, bars their 95 % intervals over "
        f"{findings.interval_over}, small marks the seeds. "
        "Dotted lines: what fixed strategies score on the same test episodes, and the ceiling. "
        f"{'Lines across with bands: cells at one place of the axis. ' if info.references else ''}{_beside(info)}"
    )
    if info.imported:
        text = (
            "Test accuracy of imported runs, one a cell, its seed unknown: points without intervals. The files say "
            "nothing of fixed strategies and the ceiling. Lines across: cells at one size only, or of unknown size. "
            f"{_beside(info)}"
        )
    return Picture(info.kind, _TITLES[info.kind], text, info.table(), lambda: draw(info))


def _beside(info: AnswerInfo) -> str:
    """What the right panel shows."""
    ends = " at each line's far end" if info.far_ends else ""
    return {
        "capacity": "Right: the same against parameters.",
        "depth": f"Right: validation accuracy over training{ends or ' by depth'}.",
        "budget": f"Right: validation accuracy over training{ends or ' by budget'}.",
        "spectrum": "Right: parameters of each cell." if len(info.cells) <= MANY else "",
    }[info.kind]


def looks_of(info: AnswerInfo) -> dict[str, Look]:
    """Looks of series and references by name, those of one architecture told apart; of a spectrum by architecture."""
    if info.axis is not None:
        looks = series_looks((each.name, each.arch) for each in info.series)
        others = series_looks((each.name, each.cell.arch) for each in info.references)
        return looks | {name: replace(look, dashes=_REFERENCE) for name, look in others.items()}
    styles = arch_styles(cell.arch for cell in info.cells)
    return {
        series.name: Look(shade(look.colour, 0, 1), look.marker, "-", look.label)
        for arch, look in styles.items()
        for series in info.series
        if series.arch == arch
    }


def draw(info: AnswerInfo) -> Figure:
    """The two-panel figure of `info`, as a matplotlib Figure outside pyplot."""
    with mpl.rc_context(style.RC):
        looks = looks_of(info)
        alone = info.axis is None and len(info.cells) > MANY
        least = style.HEIGHT * (0.36 if alone else 0.265)
        below = _below(info, looks, least)
        height = style.HEIGHT + below - least
        figure = Figure(figsize=(style.WIDTH, height))
        frame = {"left": 0.075, "top": 1 - 0.08 * style.HEIGHT / height, "bottom": below / height}
        panels = figure.subplots(1, 1 if alone else 2, squeeze=False)[0]
        if alone:
            figure.subplots_adjust(right=0.85, **frame)
        else:
            figure.subplots_adjust(right=0.985, wspace=between(info), **frame)
            _draw_right(info, panels[1], looks)
        draw_accuracy(info, panels[0], looks)
        _legend(info, figure, looks)
    return figure


def _draw_right(info: AnswerInfo, ax: Axes, looks: Mapping[str, Look]) -> None:
    if info.kind == "capacity":
        draw_against_params(info, ax, looks)
    elif info.axis:
        draw_curves(info, ax, looks)
    else:
        draw_params(info, ax, looks)


def _below(info: AnswerInfo, looks: Mapping[str, Look], least: float) -> float:
    """Inches below the panels: room for the legend, and for the names of a spectrum's cells."""
    if info.axis is not None:
        columns = _columns(looks)
        return least + _ROW * (-(-len(looks) // columns) - 1)
    names = cell_names(info, looks)
    if side_by_side(info, looks):
        return least + 0.13 * max((name.count("\n") - 1 for name in names), default=0)
    return max(least, 0.6 + LETTER * max(map(len, names)))


def draw_accuracy(info: AnswerInfo, ax: Axes, looks: Mapping[str, Look]) -> None:
    """Test accuracy along the axis, or by cell: seeds, IQM with interval, ladder, ceiling, references."""
    draw_lines(info, ax)
    asides, abreast = slots(info.series) if info.axis else ([0.0] * len(info.series), 3)
    if info.axis is None and len(info.cells) > MANY:
        abreast = 1
    for series, aside in zip(info.series, asides, strict=True):
        draw_series(series.places, ax, looks[series.name], aside, abreast)
        write_numbers(series.places, ax, looks[series.name], aside)
    for number, one in enumerate(info.references):
        draw_reference(one, ax, looks[one.name], number, len(info.references))
    if info.axis is None:
        cell_ticks(info, ax, looks)
    else:
        swept = [x for series in info.series for x, _ in series.places]
        log_axis(ax, swept, swept, whole=info.axis != "steps", margin=margin(info))
        ax.set_xlabel(AXIS_LABELS[info.axis])
    accuracy_axis(info, ax)
    colours = {f"{one.name}: ": looks[one.name].colour for one in info.references}
    beside = [(height, text, _label_colour(text, colours)) for height, text in labels(info)]
    write_labels(ax, beside, 0.07 if len(info.cells) <= MANY or info.axis else 0.03)
    ax.set_title(f"Test accuracy by {info.axis}" if info.axis else "Test accuracy", loc="left")


def _label_colour(text: str, references: Mapping[str, Any]) -> Any:
    fixed = style.CEILING if text.startswith("ceiling") else style.REFERENCE
    return next((colour for name, colour in references.items() if text.startswith(name)), fixed)


def draw_against_params(info: AnswerInfo, ax: Axes, looks: Mapping[str, Look]) -> None:
    """Test accuracy against true parameter counts."""
    draw_lines(info, ax)
    lines = [(each.name, each.cells) for each in info.series] + [(r.name, (r.cell,)) for r in info.references]
    counted = [(name, [(c.num_params, c) for c in cells if c.num_params is not None]) for name, cells in lines]
    asides, abreast = slots(info.series)
    for (name, cells), aside in zip(counted, asides, strict=False):
        draw_series(cells, ax, looks[name], aside, abreast)
    for name, cells in counted[len(asides) :]:
        draw_series(cells, ax, looks[name], abreast=1)
    marked = [params for _, cells in counted[: len(info.series)] for params, _ in cells]
    shown = [params for _, cells in counted for params, _ in cells]
    accuracy_axis(info, ax)
    ax.set_xlabel("parameters (log scale)")
    ax.set_title("Test accuracy by parameters", loc="left")
    if not shown:
        ax.set_xticks([])
        say(ax, _UNCOUNTED)
        return
    log_axis(ax, marked or shown, shown, margin=margin(info))
    if unknown := [c.label for c in info.cells if c.num_params is None]:
        note = textwrap.fill(f"parameters unknown: {', '.join(unknown)}", 44)
        ax.text(0.98, 0.02, note, transform=ax.transAxes, ha="right", size=7, color=style.REFERENCE)


def draw_curves(info: AnswerInfo, ax: Axes, looks: Mapping[str, Look]) -> None:
    """Validation accuracy over training: median over seeds, band from the lowest to the highest."""
    for line in info.lines[-1:]:
        ax.axhline(line.value, color=style.CEILING, lw=0.8, ls=(0, (1, 1.5)), zorder=0)
        where = ax.get_yaxis_transform()
        ax.text(0.01, line.value, f"{line.label} (test set)", size=7, va="bottom", transform=where)
    for swept in info.curves:
        look, curve = _curve_look(info, swept, looks), swept.curve
        alone = look.marker if len(curve.steps) == 1 else None  # a line of one point can't be seen
        line_look: dict[str, Any] = {"color": look.colour, "ls": look.dashes, "label": look.label}
        ax.plot(curve.steps, curve.median, marker=alone, ms=4, **line_look)
        ax.fill_between(curve.steps, curve.low, curve.high, color=look.colour, alpha=0.15, lw=0)
    accuracy_axis(info, ax)
    ax.set_xlabel("epoch" if info.imported else "step (log scale)" if info.kind == "budget" else "step")
    if info.kind == "budget" and info.curves:
        ends = [step for swept in info.curves for step in (swept.curve.steps[0], swept.curve.steps[-1])]
        log_axis(ax, [min(ends), *(x for each in info.series for x, _ in each.places)], ends, margin=0.03)
    else:
        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    what = "Validation accuracy" if info.imported else "Validation accuracy, median, range"
    ax.set_title(what, loc="left")
    if not info.curves:
        say(ax, "no measure trial yet")
    elif not info.far_ends:
        ax.legend(loc="best", handlelength=2.6)


def _curve_look(info: AnswerInfo, swept: SweptCurve, looks: Mapping[str, Look]) -> Look:
    """Its series' look where each series has one curve; else a shade of its architecture by place on the axis."""
    if info.far_ends:
        return looks[swept.series]
    alike = [each for each in info.curves if each.arch == swept.arch]
    own = arch_styles([each.arch for each in info.curves])[swept.arch]
    said = "unknown place" if swept.x is None else in_words(info.axis or "", swept.x)
    name = swept.series if swept.series.endswith(said) else f"{swept.series}, {said}"
    rank, number = alike.index(swept), info.curves.index(swept)
    return Look(shade(own.colour, rank, len(alike)), own.marker, style.DASHES[number % len(style.DASHES)], name)


def draw_params(info: AnswerInfo, ax: Axes, looks: Mapping[str, Look]) -> None:
    """Parameters of every cell as bars, the count above each."""
    if any(cell.num_params is not None for cell in info.cells):
        for x, series in enumerate(info.series):
            _draw_bar(ax, x, series.cells[0], looks[series.name])
    cell_ticks(info, ax, looks)
    ax.set_title("Parameters", loc="left")
    if all(cell.num_params is None for cell in info.cells):
        ax.set_yticks([])
        say(ax, _UNCOUNTED)
        return
    ax.margins(y=0.12)
    ax.yaxis.set_major_formatter(lambda value, _: compact(value))
    ax.set_ylabel("parameters")


def _draw_bar(ax: Axes, x: int, cell: CellPoints, look: Look) -> None:
    """A cell's parameters with their count, or the word that nobody knows them."""
    height, known = cell.num_params or 0, cell.num_params is not None
    ax.bar(x, height, color=look.colour, width=0.62)
    label, turned = (compact(height), 0) if known else ("unknown", 90)
    shown: dict[str, Any] = {"color": "black" if known else style.REFERENCE, "rotation": turned}
    ax.annotate(label, (x, height), (0, 2), textcoords="offset points", ha="center", size=7.5, **shown)


def _columns(looks: Mapping[str, Look]) -> int:
    """Names abreast in the legend."""
    longest = max((len(look.label) for look in looks.values()), default=0)
    return max(1, min(len(looks), int(0.96 * style.WIDTH / (0.5 + LETTER * longest))))


def _legend(info: AnswerInfo, figure: Any, looks: Mapping[str, Look]) -> None:
    """What colours and marks mean, below the panels."""
    share = style.HEIGHT / figure.get_figheight()
    named = {look.label: look for look in looks.values()}
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, ms=4.5, lw=1, ls=look.dashes, label=label)
        for label, look in named.items()
    ]
    columns = _columns(named)
    place = (0.06, 0.07 * share)
    figure.legend(handles=handles, loc="lower left", ncols=columns, bbox_to_anchor=place, handlelength=3)
    notes = ["Large marks: IQM; bars: 95 % interval; small marks: seeds."]
    if info.imported:
        notes = ["Imported: one run per cell, seed unknown, so no interval; ladder and ceiling unknown."]
    if info.references and info.axis:
        notes.append("Lines across: cells at one size." if info.imported else "Lines across, bands: references.")
    if any(outcome != "finished" for cell in info.cells for outcome in cell.outcomes):
        notes.append("Crosses: diverged or failed.")
    if not info.imported and any(cell.score and cell.score.iqm.num_units < MIN_SEEDS for cell in info.cells):
        notes.append("No interval below 5 seeds.")
    if any(cell.score and cell.score.groups for cell in info.cells):
        notes.append("No interval where seeds fall into two groups.")
    if info.ended < info.asked:
        notes.append(f"Partial: {info.ended} of {info.asked} trials.")
    figure.text(0.075, 0.078 * share, textwrap.fill(" ".join(notes), 125), size=7, va="top", color=style.REFERENCE)
