"""All that is written of one sweep, under its folder as figures/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.figures.picture import NotDrawn, Picture
from analysis.figures.registry import pictures
from analysis.findings.declarations import declaration_table, of_sweep
from analysis.findings.summary import summarise
from analysis.findings.tables import cell_table, count_table, gain_table, gains, search_table, verdict_table
from analysis.findings.verdicts import judge
from analysis.findings.wording import rests_on
from analysis.report.escaping import csv
from analysis.report.page import write_page
from analysis.sources.snapshot import origin, write_snapshot
from analysis.sources.sweep import Sweep
from fsm_icl.results.layout import SweepFolder


def write(sweep: Sweep, command: str, folder: Path | None = None) -> list[Path]:
    """Write <figure>.png/.pdf, every table as CSV, the snapshot and report.html/.md into `folder`.

    Without one it is figures/ in the sweep's folder.

    Equal records give byte-equal CSVs; only those of the wall-clock (timeline, matchings, declarations) differ between
    two runs of one sweep.
    """
    folder = folder or SweepFolder(sweep.folder).figures
    folder.mkdir(parents=True, exist_ok=True)
    found, came_from = pictures(sweep), origin(sweep, command)
    written, images = [], {}
    for picture in (one for one in found if isinstance(one, Picture)):
        png, pdf = picture.save(folder)
        images[picture.name] = png.read_bytes()
        written += [png, pdf]
    written += [_write_csv(table, folder / f"{name}.csv") for name, table in tables_of(sweep, found).items()]
    written += write_snapshot(sweep, folder, came_from)
    return [*written, *write_page(sweep, folder, found, images, came_from)]


def tables_of(sweep: Sweep, found: Sequence[Picture | NotDrawn]) -> dict[str, pd.DataFrame]:
    """Every table that is written, by name; of each figure the numbers behind it."""
    tables = {one.name: one.table for one in found if isinstance(one, Picture)}
    over = rests_on(summarise(sweep).values(), sweep.manifest.repeats)
    tables |= {"cells": cell_table(sweep), "gains": gain_table(gains(sweep)).assign(interval_over=over)}
    timings = [history.text for history in of_sweep(sweep).values()]
    tables["verdicts"] = verdict_table(judge(sweep)).assign(declared=timings)
    tables["declarations"] = declaration_table(sweep)
    return tables | {"counts": count_table(sweep), "searches": search_table(sweep), "trials": sweep.table}


def _write_csv(table: pd.DataFrame, path: Path) -> Path:
    # Six digits: enough for every reader, and the last bits differ between CPU models.
    path.write_bytes(csv(table, float_format="%.6g"))
    return path
