"""Two sweeps side by side, as printed."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.findings.comparison import CellChange, Comparison
from analysis.findings.pairs import LACKING
from analysis.findings.wording import CONDITIONAL, points, short, span
from analysis.report.terminal import say


def print_comparison(found: Comparison, console: Console) -> None:
    """Print what changed between the two and, cell by cell, what came of it."""
    for side, sweep in (("A", found.a), ("B", found.b)):
        counts = sweep.counts
        say(console, f"{side}: {sweep.folder}, {sweep.manifest.scale}, {counts.ended} of {counts.asked} trials")
        if sweep.manifest.imported:
            say(console, f"{side} is imported: {LACKING}")
    say(console, "\nChanged from A to B:" if found.changes else "\nThe sweep files and the code are the same.")
    for change in found.changes:
        say(console, f"- {change.name}: {_shortened(change.a)} -> {_shortened(change.b)}")
    console.print(_table(found))
    repeats = {sweep.manifest.repeats for sweep in (found.a, found.b)}
    condition = f", {CONDITIONAL}" if 1 in repeats else ""
    say(
        console,
        f"Gain: IQM test accuracy in B minus that in A, in points, with its 95 % interval{condition}; none below 5 "
        "seeds, nor where both are the same trials. Cells are matched by label, imported runs by the fields they "
        "state. Gains are not corrected for their number.",
    )


def _table(found: Comparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for head in ("cell", "seeds", "IQM A", "IQM B", "gain", "95 %", "P(B better)", "success A", "success B", "note"):
        table.add_column(head, justify="left" if head in ("cell", "note") else "right", overflow="fold")
    for cell in found.cells:
        table.add_row(*(Text(text) for text in cell_texts(cell)))
    return table


def cell_texts(cell: CellChange) -> list[str]:
    """The cell's row as printed; "-" stands where a number does not exist."""
    scores = [side.score if side else None for side in (cell.a, cell.b)]
    seeds = "/".join(str(side.num_seeds) if side else "-" for side in (cell.a, cell.b))
    return [
        cell.label,
        seeds,
        *(short(score.iqm.value if score else None) for score in scores),
        f"{'+' if cell.gain.value >= 0 else ''}{points(cell.gain.value)}" if cell.gain else "-",
        (span(cell.gain) or "-") if cell.gain else "-",
        short(cell.improvement.value, 2) if cell.improvement else "-",
        *(f"{s.success.successes}/{s.success.total}" if s and s.success else "-" for s in scores),
        "; ".join(cell.notes),
    ]


def _shortened(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[: most - 4]} ..."
