"""What is printed: the table of cells, gains, verdicts, and what they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.findings.conclusion import conclusion, not_tested
from analysis.findings.declarations import caution, heading, remark, withdrawn_lines
from analysis.findings.insights import insights
from analysis.findings.sentences import CELL_HEADS, cell_notes, cell_texts, gain_text, imported_notes, protocol
from analysis.findings.tables import Gain, cell_table, gains
from analysis.findings.verdicts import judge
from analysis.sources.sweep import Sweep


def print_sweep(sweep: Sweep, console: Console) -> None:
    """Print table, gains, verdicts and conclusion."""
    say(console, f"Reading {sweep.origin}")
    say(console, sweep.manifest.question)
    print_cell_table(sweep, console)
    if steps := gains(sweep):
        say(console, "\nGains in test accuracy from step to step:")
        print_gains(steps, console)
    if found := insights(sweep):
        say(console, "\nWhat the notebook's insight texts are about, computed from these runs (one a cell):")
        for line in found:
            say(console, f"- {line}.")
    verdicts = judge(sweep)
    say(console, f"\n{heading(sweep)}:")
    for verdict in verdicts:
        say(console, f"- {verdict.sentence}{remark(sweep, verdict.name)}")
    for line in withdrawn_lines(sweep):
        say(console, f"- withdrawn: {line}")
    say(console, f"\n{conclusion(sweep, verdicts)} {caution(sweep)}".rstrip())
    say(console, f"Not tested: {'; '.join(not_tested(sweep))}.\n")


def print_cell_table(sweep: Sweep, console: Console) -> None:
    """Print the table of cells (fits 110 columns), and below it what a reader must know of single cells."""
    rows = cell_table(sweep)
    table = _rich_table(rows, gap=1)
    unclipped = console.options.update(max_width=1000)
    if console.measure(table, options=unclipped).maximum > console.width:
        table = _rich_table(rows, gap=0)
    console.print(table)
    for line in (*cell_notes(rows), *imported_notes(sweep), protocol(sweep)):
        say(console, line)


def _rich_table(rows: pd.DataFrame, gap: int) -> Table:
    """The table of cells with `gap` blanks more than one between columns."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, gap, 0, 0), pad_edge=False)
    for head in CELL_HEADS:
        side: Literal["left", "right"] = "left" if head == "cell" else "right"
        table.add_column(head.replace(" [", "\n[").replace("/ ", "/\n"), justify=side, overflow="fold")
    for row in rows.to_dict("records"):
        table.add_row(*(Text(text) for text in cell_texts(row)))
    return table


def say(console: Console, line: str) -> None:
    """Print a line as it is: brackets are no markup, nothing is coloured."""
    console.print(line, markup=False, highlight=False)


def print_gains(found: Sequence[Gain], console: Console) -> None:
    """Print one line a gain."""
    for gain in found:
        say(console, f"- {gain.before} -> {gain.after}: {gain_text(gain)}")
