"""What the search brought and cost: best accuracy to expect of so many proposals, and steps that pruning saved."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from analysis.figures import style
from analysis.figures.panels import cell_legend, compact, sheet
from analysis.figures.picture import NotDrawn, Picture
from analysis.figures.style import Look, cell_looks
from analysis.findings.findings import Findings
from analysis.findings.searches import CellSearch


def picture(findings: Findings) -> Picture | NotDrawn:
    """The figure of what a sweep's searches brought and cost."""
    cells = findings.searches
    if not cells:
        return NotDrawn("search", "no proposal has ended")
    steps, full = sum(each.saved.steps for each in cells), sum(each.saved.full for each in cells)
    kind = (
        "unbiased, from start-up proposals of unpruned searches"
        if all(each.best.unbiased for each in cells)
        else "descriptive only: proposals were pruned or learnt from one another"
    )
    text = (
        f"Left: the best validation accuracy to expect of so many proposals ({kind}). Right: optimiser steps that "
        f"the searches took (dark) and that pruning saved (pale): {compact(steps)} of {compact(full)} steps, "
        f"{full / max(steps, 1):.1f} times fewer."
    )
    table = pd.DataFrame(
        [
            {"cell": each.cell.label, "proposals": number, "expected_best": value, "unbiased": each.best.unbiased}
            for each in cells
            for number, value in enumerate(each.best.values, start=1)
        ]
    )
    looks = cell_looks(findings.sweep.manifest.cells, {each.cell.label for each in cells})
    return Picture("search", "The search itself", text, table, lambda: draw(cells, looks))


def draw(cells: Sequence[CellSearch], looks: dict[str, Look]) -> Figure:
    """Expected best on the left, steps on the right."""
    figure, (left, right) = sheet(1, 2, max(3.0, 1.2 + 0.13 * len(cells)))
    for place, each in enumerate(cells):
        look = looks[each.cell.label]
        numbers = range(1, len(each.best.values) + 1)
        left.plot(numbers, each.best.values, color=look.colour, ls=look.dashes, marker=look.marker, ms=2.5)
        right.barh(place, each.saved.steps, color=look.colour, height=0.7)
        right.barh(place, each.saved.full - each.saved.steps, left=each.saved.steps, color=look.colour, alpha=0.3,
                   height=0.7)  # fmt: skip
    left.set_xlabel("proposals")
    left.set_ylabel("expected best validation accuracy")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set_yticks(range(len(cells)), [looks[each.cell.label].label for each in cells], size=7)
    right.set_ylim(len(cells) - 0.4, -0.6)
    right.xaxis.set_major_formatter(lambda value, _: compact(value))
    right.set_xlabel("optimiser steps of the search")
    handles = [Patch(color=style.REFERENCE, label="taken"), Patch(color=style.REFERENCE, alpha=0.3, label="saved")]
    right.legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.1)
    cell_legend(figure, looks)
    return figure
