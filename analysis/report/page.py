"""report.html, one file that needs no network, and the same as report.md. Both are filled from one set of contents."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.figures.picture import NotDrawn, Picture
from analysis.findings.declarations import WITHDRAWN_HEADS, withdrawn_rows
from analysis.findings.findings import Findings
from analysis.findings.sentences import (
    CELL_HEADS,
    VERDICT_HEADS,
    cell_notes,
    cell_texts,
    gain_text,
    imported_notes,
    verdict_texts,
)
from analysis.findings.settings import Roles
from analysis.findings.wording import short
from analysis.report import escaping
from analysis.sources.snapshot import Origin, origin
from analysis.sources.sweep import Sweep
from fsm_icl.results.records import ManifestCell


@dataclass(frozen=True)
class Cell:
    """One entry of a table: what is shown, and what it is sorted by."""

    text: str
    key: float | str


@dataclass(frozen=True)
class Table:
    """A table as both formats show it."""

    title: str
    note: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Image:
    """A figure, or why there is none."""

    name: str
    title: str
    text: str
    data: str | None
    """PNG in base64; None where it was not drawn."""


@dataclass(frozen=True)
class Trial:
    """One ended trial behind its disclosure."""

    summary: str
    config: str


def write_page(
    findings: Findings,
    folder: Path,
    found: Sequence[Picture | NotDrawn],
    images: Mapping[str, bytes],
    came_from: Origin,
) -> list[Path]:
    """Write report.html and report.md into `folder`; `images` are the PNGs of `found` by name. Returns their paths."""
    contents = _contents(findings, found, images, came_from)
    paths = []
    for name in ("report.html", "report.md"):
        path = folder / name
        path.write_text(_rendered(name, contents), encoding="utf-8")
        paths.append(path)
    return paths


def markdown(findings: Findings, found: Sequence[Picture | NotDrawn], command: str) -> str:
    """The text of report.md, without drawing what it shows."""
    images = {one.name: b"" for one in found if isinstance(one, Picture)}
    return _rendered("report.md", _contents(findings, found, images, origin(findings.sweep, command)))


def _rendered(name: str, contents: dict[str, Any]) -> str:
    html = name.endswith(".html")
    environment = Environment(
        loader=PackageLoader("analysis.report"),
        autoescape=True,  # in Markdown, too: what a macro has made is Markup, and not escaped once more
        finalize=None if html else _in_markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = lambda text: Markup(escaping.code(text))
    environment.filters["label"] = lambda text: Markup(escaping.label(text))
    return environment.get_template(f"{name}.j2").render(contents)


def _in_markdown(value: Any) -> Markup:
    """Every expression of report.md, so that none can be forgotten."""
    return value if isinstance(value, Markup) else Markup(escaping.markdown(value))


def _contents(
    findings: Findings, found: Sequence[Picture | NotDrawn], images: Mapping[str, bytes], came_from: Origin
) -> dict[str, Any]:
    sweep, rows = findings.sweep, findings.cell_table
    manifest = sweep.manifest
    return {
        "manifest": manifest,
        "counts": sweep.counts,
        "conclusion": findings.conclusion,
        "heading": findings.heading,
        "not_tested": findings.not_tested,
        "protocol": findings.protocol,
        "sentences": findings.sentences,
        "verdicts": _texts_table(
            "Verdicts",
            "",
            (*VERDICT_HEADS, "declared"),
            ((*verdict_texts(v), findings.histories[v.name].text.removeprefix("declared ")) for v in findings.verdicts),
        ),
        "withdrawn": _texts_table(
            "Withdrawn claims",
            "Versions that were declared once and replaced or taken back. Each counts as a further test in its family.",
            WITHDRAWN_HEADS,
            withdrawn_rows(sweep),
        ),
        "roles": _roles(findings.roles),
        "cells": _cells(rows),
        "notes": [*cell_notes(rows), *imported_notes(sweep)],
        "gains": _texts_table(
            "Gains in test accuracy from step to step",
            f"Intervals over {findings.interval_over}. Estimates, not verdicts: no claim about "
            "them was declared, and they are not corrected for their number. "
            "P(better): probability that a seed of the second cell beats one of the first. Log-rank: whether the two "
            "need the same number of steps to threshold.",
            ("from", "to", "gain", "log-rank p"),
            ((g.before, g.after, gain_text(g), short(g.logrank_p)) for g in findings.gains),
        ),
        "insights": findings.insights,
        "sources": [r.imported for r in sweep.records.values() if r.imported is not None],
        "tables": [
            _frame_table(
                "Trials by cell and outcome",
                "Nothing is dropped: what is missing, broke off or is no longer wanted is counted here.",
                findings.count_table,
            ),
            _frame_table(
                "The search, cell by cell",
                "Steps of all proposals against what they would have taken unpruned; the best validation accuracy; the "
                "learning rates within the success margin of the best proposal's accuracy.",
                findings.search_table,
            ),
        ],
        "answer": _image(found[0], images),
        "images": [_image(one, images) for one in found[1:]],
        "trials": [(cell.label, _trials(sweep, cell)) for cell in manifest.cells],
        "spec": json.dumps(manifest.spec, indent=1),
        "origin": came_from,
    }


def _roles(found: Roles) -> Table:
    """What each hyperparameter is there for."""
    groups = (
        ("scientific (compared)", found.scientific),
        ("nuisance (searched in each cell)", found.nuisance),
        ("fixed", found.fixed),
    )
    rows = [(role, name, text) for role, group in groups for name, text in group.items()]
    note = (
        "Verdicts are about the scientific ones, with each cell's nuisance ones at their best; what other values of "
        "the fixed ones would change was not tested."
    )
    return _texts_table("Hyperparameters", note, ("role", "hyperparameter", "values"), rows)


def _cells(rows: pd.DataFrame) -> Table:
    keys = ["cell", "num_params", "state_size", "seeds", "iqm", "mean", "minimum", "maximum", "success_rate", "ceiling"]
    lines = []
    for row in rows.to_dict("records"):
        rates = sorted(float(rate) for rate in row["best_learning_rate"].split())
        wanted = [*(row[key] for key in keys), rates[0] if rates else None, row["pruned"]]
        line = [Cell(text, _key(key)) for text, key in zip(cell_texts(row), wanted, strict=True)]
        median = row["steps_to_threshold"]
        text = "-" if pd.isna(median) else f"{median:,.0f} ({row['reached_threshold']:.0f}/{row['seeds']})"
        lines.append([*line, Cell(text, _key(median))])
    note = (
        "Accuracies are shares of the test set's query steps. Steps to threshold: the first step by which at least "
        "half of the seeds have reached it (Kaplan-Meier's median; of an even number of seeds the lower middle one's "
        "step), and how many ever do."
    )
    return Table("Cells", note, [*(head.replace("/ ", "/") for head in CELL_HEADS), "steps to threshold"], lines)


def _key(value: Any) -> float | str:
    """What to sort by; what does not exist comes last."""
    return value if isinstance(value, str) else float("inf") if value is None or pd.isna(value) else float(value)


def _texts_table(title: str, note: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    return Table(title, note, heads, [[Cell(text, text) for text in row] for row in rows])


def _frame_table(title: str, note: str, frame: pd.DataFrame) -> Table:
    rows = [[Cell(_text(value), _key(value)) for value in row] for row in frame.itertuples(index=False)]
    return Table(title, note, [str(name).replace("_", " ") for name in frame.columns], rows)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return "-" if pd.isna(value) else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _image(one: Picture | NotDrawn, images: Mapping[str, bytes]) -> Image:
    if isinstance(one, NotDrawn):
        return Image(one.name, one.name.replace("_", " ").capitalize(), f"Not drawn: {one.reason}.", None)
    return Image(one.name, one.title, one.text, base64.b64encode(images[one.name]).decode())


def _trials(sweep: Sweep, cell: ManifestCell) -> list[Trial]:
    """The cell's ended trials; the config as JSON on one line, since a page may hold a thousand of them."""
    found = []
    for wanted in cell.wanted:
        if (record := sweep.records.get(wanted.hash)) is None:
            continue
        end = record.end
        score = f", test accuracy {end.test.accuracy:.4f}" if end.test else ""
        reason = f" ({end.reason})" if end.reason else ""
        place = f"{wanted.phase} {wanted.repeat}/{wanted.index}"
        unit = sweep.manifest.step_unit
        summary = f"{place} {wanted.hash[:8]}: {end.outcome}{reason} after {end.steps:,} {unit}{score}"
        found.append(Trial(summary, json.dumps(record.config, separators=(", ", ": "))))
    return found
