"""What of a sweep's analysis is shown elsewhere, in W&B for one: figure, tables, verdicts, as files."""

from __future__ import annotations

import shlex

from analysis.escaping import csv
from analysis.figures.answer_drawing import picture
from analysis.load import Sweep
from analysis.page import markdown
from analysis.writing import tables_of


def files_to_share(sweep: Sweep) -> dict[str, bytes]:
    """Name -> content: the figure that answers the question (also written to figures/), tables, report.md."""
    folder = sweep.folder / "figures"
    folder.mkdir(exist_ok=True)
    answer = picture(sweep)
    png, _ = answer.save(folder)
    tables = {f"{name}.csv": csv(table) for name, table in tables_of(sweep, [answer]).items()}
    typed = shlex.join(["python", "-m", "analysis", sweep.manifest.sweep, "--scale", sweep.manifest.scale])
    text = markdown(sweep, typed)
    return {png.name: png.read_bytes(), **tables, "report.md": text.encode()}
