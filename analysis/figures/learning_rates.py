"""Learning-rate sensitivity: every proposal of every cell's search, with the winner."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from analysis.figures import style
from analysis.figures.panels import MAX_PANELS, sheet
from analysis.figures.picture import NotDrawn, Picture
from analysis.figures.style import Look, cell_looks
from analysis.findings.findings import Findings
from analysis.findings.searches import CellSearch

_COLUMNS = ["cell", "repeat", "index", "learning_rate", "accuracy", "outcome", "winner"]
_TITLE = 26
"""Letters of a title that fit above one of four panels abreast."""


def picture(findings: Findings) -> Picture | NotDrawn:
    """The figure of a sweep's searches."""
    cells = findings.searches
    if not cells:
        return NotDrawn("learning_rates", "no proposal has ended")
    table = pd.DataFrame(
        [{"cell": each.cell.label, **proposal.__dict__} for each in cells for proposal in each.proposals],
        columns=_COLUMNS,
    )
    flagged = [f"{each.cell.label} ({', '.join(each.flags)})" for each in cells if each.flags]
    text = (
        "Each proposal's last validation accuracy against its learning rate, one panel a cell. Filled: finished; "
        "hollow: pruned, so it would have gone on; cross: diverged or failed; ring, and in the title: the winner, "
        "which is trained again on fresh seeds. "
        f"{f'To beware of: {listed(flagged)}.' if flagged else 'No winner is flagged.'}"
    )
    if len(cells) > MAX_PANELS:
        text += f" {MAX_PANELS} of {len(cells)} cells are drawn; all are in the table."
    looks = cell_looks(findings.sweep.manifest.cells, {each.cell.label for each in cells})
    return Picture("learning_rates", "Learning-rate sensitivity", text, table, lambda: draw(cells, looks))


def listed(names: list[str], most: int = 8) -> str:
    """The names, of many the first few and how many more."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def draw(cells: Sequence[CellSearch], looks: dict[str, Look]) -> Figure:
    """One small panel a cell, four abreast."""
    shown = cells[:MAX_PANELS]
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = sheet(rows, columns, 0.4 + 1.75 * rows, sharex=True, sharey=True)
    for ax, each in zip(axes, shown, strict=False):
        _draw_cell(ax, each, looks[each.cell.label])
    rates = [proposal.learning_rate for each in shown for proposal in each.proposals]
    axes[0].set_xscale("log")
    axes[0].xaxis.set_minor_formatter(NullFormatter())
    axes[0].set_xlim(min(rates) / 1.5, max(rates) * 1.5)
    axes[0].set_ylim(-0.04, 1.06)
    for ax in axes[len(shown) :]:
        ax.set_axis_off()
    for ax in axes[max(0, len(shown) - columns) : len(shown)]:
        ax.tick_params(labelbottom=True)
    figure.supxlabel("learning rate", fontsize=8)
    figure.supylabel("last validation accuracy", fontsize=8)
    return figure


def _draw_cell(ax: Axes, each: CellSearch, look: Look) -> None:
    for proposal in each.proposals:
        broken = proposal.outcome in ("diverged", "failed")
        fill = look.colour if proposal.outcome == "finished" else "none"
        x, y = [proposal.learning_rate], [proposal.accuracy]
        ax.plot(x, y, "x" if broken else look.marker, ms=4.5, mfc=fill, mec=look.colour, mew=0.9)
        if proposal.winner:
            ax.plot(x, y, "o", ms=9, mfc="none", mec=style.CEILING, mew=0.9)
    best = sorted(proposal.learning_rate for proposal in each.proposals if proposal.winner)
    rates = f": {' to '.join(f'{rate:.2g}' for rate in dict.fromkeys((best[0], best[-1])))}" if best else ""
    ax.set_title(textwrap.fill(f"{look.label}{rates}", _TITLE), loc="left", size=8)
    if each.flags:
        ax.text(0.02, 0.03, "\n".join(each.flags), transform=ax.transAxes, size=7, va="bottom", weight="bold")
