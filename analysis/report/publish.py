"""A sweep as a page of docs/findings: its snapshot, its main figure, and its numbers in a page that a person writes.

The page holds everything that a person says, and between two markers what is computed. `publish` writes the computed
part again; a test compares it with what the snapshot gives, so a page's numbers are those of its snapshot.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from analysis.figures import main_drawing
from analysis.figures.picture import Picture
from analysis.findings.declarations import withdrawn_lines
from analysis.findings.findings import Findings, findings_of
from analysis.findings.sentences import CELL_HEADS, cell_notes, cell_texts
from analysis.report.escaping import code, label, markdown
from analysis.sources.snapshot import load_snapshot, origin, write_snapshot
from analysis.sources.sweep import Sweep

BEGIN, END = "<!-- computed: begin -->", "<!-- computed: end -->"
_COLUMNS = {
    "cell": "cell",
    "parameters": "params",
    "seeds": "seeds",
    "test accuracy, IQM [95 %]": "IQM [95 %]",
    "solved": "success [Wilson]",
    "best learning rate": "best lr",
}
"""Heads of the table, and which of CELL_HEADS stands below each."""


def publish(sweep: Sweep, page: Path, command: str) -> list[Path]:
    """Write the computed part of `page`, and snapshot and figure into the folder beside it. Returns their paths.

    Raises:
        ValueError: the page does not hold the two markers.
        OSError: the page can't be read, or something can't be written.
    """
    before, after = around(page)
    folder = page.with_suffix("")
    folder.mkdir(exist_ok=True)
    written = write_snapshot(sweep, folder, origin(sweep, command))
    published = findings_of(load_snapshot(folder))
    picture = main_drawing.picture(published)
    if isinstance(picture, Picture):
        png, pdf = replace(picture, name="answer").save(folder)
        pdf.unlink()  # pages show the PNG; whoever wants another format renders the snapshot
        written.append(png)
    page.write_text(f"{before}{BEGIN}\n{computed(published, page.stem)}{END}{after}", encoding="utf-8")
    return [page, *written]


def around(page: Path) -> tuple[str, str]:
    """What a person wrote before and after the computed part. Raises as `publish`."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page}: expected a line {BEGIN} and, below it, a line {END}")
    return before, after


def computed(findings: Findings, name: str) -> str:
    """The computed part of the page `name` as Markdown."""
    return "\n".join(_lines(findings, name)) + "\n"


def _lines(findings: Findings, name: str) -> Iterator[str]:
    sweep, rows = findings.sweep, findings.cell_table
    yield from ("", f"![{label(sweep.manifest.question)}]({name}/answer.png)", "", *_run(sweep, name), "")
    yield f"| {' | '.join(_COLUMNS)} |"
    yield "|" + " --- |" * len(_COLUMNS)
    for row in rows.to_dict("records"):
        texts = dict(zip(CELL_HEADS, cell_texts(row), strict=True))
        yield f"| {' | '.join(markdown(texts[head]) for head in _COLUMNS.values())} |"
    yield ""
    yield from (f"- {markdown(note)}" for note in cell_notes(rows))
    yield from ("", markdown(findings.protocol), "", f"**{findings.heading}**", "")
    yield from (f"- {markdown(sentence)}" for sentence in findings.sentences)
    yield from (f"- Withdrawn: {markdown(line)}" for line in withdrawn_lines(sweep))
    yield from ("", "**Not tested**", "", *(f"- {markdown(one)}" for one in findings.not_tested), "")


def _run(sweep: Sweep, name: str) -> Iterator[str]:
    """Where, when and with what the trials were trained, and how to get every number again."""
    records, manifest = list(sweep.records.values()), sweep.manifest
    came_from = origin(sweep, "")
    ended = [record.end.ended_at for record in records if record.end.ended_at is not None]
    cpus = sorted({record.end.cpu_model for record in records if record.end.cpu_model})
    hours = sum(record.end.seconds or 0.0 for record in records) / 3600
    torch = " and ".join(came_from.trained_with.get("torch", ["of an unknown version"]))
    day = datetime.fromtimestamp(max(ended), UTC).date().isoformat() if ended else "an unknown day"
    command = code(shlex.join(["python", "-m", "fsm_icl.tune", manifest.sweep, "--scale", manifest.scale]))
    yield f"- Run: {command}; {len(records)} trials took"
    yield f"  {hours:.1f} hours one after the other ({', '.join(cpus)}, torch {torch}) and ended on {day}."
    yield f"- Code: commit {', '.join(came_from.commits)}."
    yield f"- Every figure and table again: `python -m analysis report docs/findings/{name}`."
