"""What is printed: the table of cells, gains, verdicts, and what they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.findings.declarations import withdrawn_lines
from analysis.findings.findings import Findings
from analysis.findings.sentences import CELL_HEADS, cell_notes, cell_texts, gain_text, imported_notes
from analysis.findings.tables import Gain


def print_findings(findings: Findings, console: Console) -> None:
    """Print table, gains, verdicts and conclusion."""
    say(console, f"Reading {findings.sweep.origin}")
    say(console, findings.sweep.manifest.question)
    print_cell_table(findings, console)
    if findings.gains:
        say(console, "\nGains in test accuracy from step to step:")
        print_gains(findings.gains, console)
    if findings.insights:
        say(console, "\nWhat the notebook's insight texts are about, computed from these runs (one a cell):")
        for line in findings.insights:
            say(console, f"- {line}.")
    say(console, f"\n{findings.heading}:")
    for sentence in findings.sentences:
        say(console, f"- {sentence}")
    for line in withdrawn_lines(findings.sweep):
        say(console, f"- withdrawn: {line}")
    say(console, f"\n{findings.conclusion}")
    say(console, f"Not tested: {'; '.join(findings.not_tested)}.\n")


def print_cell_table(findings: Findings, console: Console) -> None:
    """Print the table of cells (fits 110 columns), and below it what a reader must know of single cells."""
    rows = findings.cell_table
    table = _rich_table(rows, gap=1)
    unclipped = console.options.update(max_width=1000)
    if console.measure(table, options=unclipped).maximum > console.width:
        table = _rich_table(rows, gap=0)
    console.print(table)
    for line in (*cell_notes(rows), *imported_notes(findings.sweep), findings.protocol):
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
