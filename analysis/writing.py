"""One sweep, presented: printed, and written under its folder as figures/."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from rich.console import Console

from analysis.drawing import save_figure
from analysis.figures import figure_info
from analysis.load import Sweep
from analysis.report import conclusion, print_cell_table, print_gains, say, verdict_markdown
from analysis.tables import cell_table, gain_table, gains
from analysis.verdicts import judge


def present(sweep: Sweep, console: Console) -> list[Path]:
    """Print table, gains and verdicts, write the figure and the numbers behind them; returns what was written."""
    say(console, f"Reading {sweep.origin}")
    say(console, sweep.manifest.question)
    print_cell_table(sweep, console)
    say(console, "\nGains in test accuracy from step to step:")
    print_gains(gains(sweep), console)
    verdicts = [judge(sweep, hypothesis) for hypothesis in sweep.manifest.hypotheses]
    say(console, "\nVerdicts:")
    for verdict in verdicts:
        say(console, f"- {verdict.sentence}")
    say(console, f"\n{conclusion(sweep, verdicts)}\n")
    written = write(sweep, verdict_markdown(sweep, verdicts))
    for path in written:
        console.print(str(path), markup=False, highlight=False, soft_wrap=True)
    return written


def write(sweep: Sweep, verdict: str) -> list[Path]:
    """Write <kind>.png/.pdf/.csv, cells, gains and trials.csv, verdict.md; equal sweeps give byte-equal CSVs."""
    folder = sweep.folder / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    info = figure_info(sweep)
    written = save_figure(info, folder / info.kind)
    tables = {info.kind: info.table(), "cells": cell_table(sweep), "gains": gain_table(gains(sweep))}
    tables["trials"] = sweep.table
    for name, table in tables.items():
        written.append(_write_csv(table, folder / f"{name}.csv"))
    path = folder / "verdict.md"
    path.write_text(verdict, encoding="utf-8")
    return [*written, path]


def _write_csv(table: pd.DataFrame, path: Path) -> Path:
    # Six digits: enough for every reader, and the last bits differ between CPU models.
    table.to_csv(path, index=False, float_format="%.6g", lineterminator="\n", encoding="utf-8")
    return path
