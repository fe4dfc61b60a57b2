"""What of a sweep's analysis is shown elsewhere, in W&B for one: figure, tables, verdicts, as files."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from analysis.figures.main_drawing import picture
from analysis.report.escaping import csv
from analysis.report.files import tables_of
from analysis.report.page import markdown
from analysis.sources.sweep import Sweep, load_sweep
from fsm_icl.results.files import read_bytes
from fsm_icl.results.layout import SweepFolder

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder


def files_to_share(sweep: Sweep) -> dict[str, bytes]:
    """Name -> content: the figure that answers the question (also written to figures/), tables, report.md."""
    folder = SweepFolder(sweep.folder).figures
    folder.mkdir(exist_ok=True)
    answer = picture(sweep)
    png, _ = answer.save(folder)
    tables = {f"{name}.csv": csv(table) for name, table in tables_of(sweep, [answer]).items()}
    typed = shlex.join(["python", "-m", "analysis", sweep.manifest.sweep, "--scale", sweep.manifest.scale])
    text = markdown(sweep, typed)
    return {png.name: png.read_bytes(), **tables, "report.md": text.encode()}


def sweep_files(folder: Folder) -> dict[str, bytes]:
    """Name -> content of all that a sweep's own W&B run shows: manifest, sweep file, and what `files_to_share` makes.

    Raises:
        ValueError: the sweep can't be read.
        OSError: a file can't be read or written.
    """
    kept = {name: read_bytes(folder / name) for name in ("manifest.json", "sweep.yaml")}
    return kept | files_to_share(load_sweep(folder))
