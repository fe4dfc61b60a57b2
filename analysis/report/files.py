"""All that is written of one sweep, under its folder as figures/, and what of it W&B is sent."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from analysis.figures.picture import NotDrawn, Picture
from analysis.figures.registry import pictures
from analysis.findings.declarations import declaration_table
from analysis.findings.findings import Findings, findings_of
from analysis.findings.tables import gain_table, verdict_table
from analysis.report.escaping import csv
from analysis.report.page import markdown_page, write_page
from analysis.sources.snapshot import origin, write_snapshot
from analysis.sources.sweep import load_sweep
from fsm_icl.results.files import read_bytes
from fsm_icl.results.layout import SweepFolder

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder


def write(findings: Findings, command: str, folder: Path | None = None) -> list[Path]:
    """Write <figure>.png/.pdf, every table as CSV, the snapshot and report.html/.md into `folder`.

    Without one it is figures/ in the sweep's folder.

    Equal records give byte-equal CSVs; only those of the wall-clock (timeline, matchings, declarations) differ between
    two runs of one sweep.
    """
    sweep = findings.sweep
    folder = folder or SweepFolder(sweep.folder).figures
    folder.mkdir(parents=True, exist_ok=True)
    found, came_from = pictures(findings), origin(sweep, command)
    written, images = [], {}
    for picture in (one for one in found if isinstance(one, Picture)):
        png, pdf = picture.save(folder)
        images[picture.name] = png.read_bytes()
        written += [png, pdf]
    written += [_write_csv(table, folder / f"{name}.csv") for name, table in tables_of(findings, found).items()]
    written += write_snapshot(sweep, folder, came_from)
    return [*written, *write_page(findings, folder, found, images, came_from)]


def tables_of(findings: Findings, found: Sequence[Picture | NotDrawn]) -> dict[str, pd.DataFrame]:
    """Every table that is written, by name; of each figure the numbers behind it."""
    tables = {one.name: one.table for one in found if isinstance(one, Picture)}
    tables["cells"] = findings.cell_table
    tables["gains"] = gain_table(findings.gains).assign(interval_over=findings.interval_over)
    timings = [history.text for history in findings.histories.values()]
    tables["verdicts"] = verdict_table(findings.verdicts).assign(declared=timings)
    tables["declarations"] = declaration_table(findings.sweep)
    tables |= {"counts": findings.count_table, "searches": findings.search_table}
    return tables | {"trials": findings.sweep.table}


def _write_csv(table: pd.DataFrame, path: Path) -> Path:
    # Six digits: enough for every reader, and the last bits differ between CPU models.
    path.write_bytes(csv(table, float_format="%.6g"))
    return path


def sweep_files(folder: Folder) -> dict[str, bytes]:
    """Name -> content of all that a sweep's own W&B run shows: manifest, sweep file, and what `files_to_share` makes.

    Raises:
        ValueError: the sweep can't be read.
        OSError: a file can't be read or written.
    """
    sweep = SweepFolder(folder)
    kept = {path.name: read_bytes(path) for path in (sweep.manifest, sweep.sweep_file)}
    return kept | files_to_share(findings_of(load_sweep(folder)))


def files_to_share(findings: Findings) -> dict[str, bytes]:
    """Name -> content: the figure that answers the question (also written to figures/), tables, report.md."""
    folder, manifest = SweepFolder(findings.sweep.folder).figures, findings.sweep.manifest
    folder.mkdir(exist_ok=True)
    found = pictures(findings)
    answer = found[0]
    assert isinstance(answer, Picture), "the main figure can be drawn of every sweep"
    png, _ = answer.save(folder)
    tables = {f"{name}.csv": csv(table) for name, table in tables_of(findings, [answer]).items()}
    typed = shlex.join(["python", "-m", "analysis", manifest.sweep, "--scale", manifest.scale])
    return {png.name: png.read_bytes(), **tables, "report.md": markdown_page(findings, found, typed).encode()}
