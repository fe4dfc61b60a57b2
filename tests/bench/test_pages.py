"""What docs say of the code is what the code is: generated parts, fields, names of files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from analysis.figures.registry import pictures
from analysis.findings.findings import findings_of
from analysis.report.files import tables_of
from analysis.sources.snapshot import Origin
from analysis.sources.sweep import load_sweep
from bench.pages import HOUSE, PAGES, UNSAID, picture, written
from bench.rooms import ROOT, house_in
from fsm_icl.results.claims import Claim
from fsm_icl.results.records import Manifest, TrialRecord
from fsm_icl.sweep.store.declarations import DeclarationLog
from fsm_icl.sweep.store.lock import Beat
from fsm_icl.tracking.markers import Marker
from fsm_icl.training.config import BudgetSpec, OptimizerSpec, TrialConfig
from fsm_icl.training.resumable import FIELDS
from tests.analysis.builder import hypothesis, spectrum, write_sweep

AGAIN = "write it again: python -m bench.pages"
FORMATS = (ROOT / "docs" / "file-formats.md").read_text(encoding="utf-8")
KEPT = (TrialRecord, TrialConfig, OptimizerSpec, BudgetSpec, Manifest, DeclarationLog, Claim, Beat, Marker, Origin)
TEXTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("cluster/*.md")]


def models_in(kind: object) -> set[type[BaseModel]]:
    """The models of ours that a type holds, at any depth; tasks and architectures, which a sweep file has, left out."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        inner = [] if kind is TrialConfig else [info.annotation for info in kind.model_fields.values()]
        return {kind}.union(*map(models_in, inner))
    return set().union(*map(models_in, getattr(kind, "__args__", ())))


@pytest.mark.parametrize("name", PAGES)
def test_generated_parts_are_as_the_code_is(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "<!-- generated: " in text
    assert text == written(text), AGAIN


def test_the_picture_of_the_house_is_as_the_code_is() -> None:
    assert HOUSE.read_text(encoding="utf-8") == picture(house_in(ROOT)), AGAIN
    assert HOUSE.stat().st_size < 50_000


def test_every_field_of_what_is_kept_is_described() -> None:
    models = set().union(*map(models_in, KEPT))
    assert {"TestScore", "ManifestCell", "Occasion"} < {model.__name__ for model in models}
    for model in models:
        name = f"{model.__module__}.{model.__name__}"
        part = re.search(rf"<!-- generated: fields {re.escape(name)} -->(.*?)<!-- end -->", FORMATS, re.DOTALL)
        assert part, f"docs/file-formats.md has no table of {name}"
        rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (.+) \|$", part[1], re.MULTILINE))
        assert [field for field in model.model_fields if len(rows.get(field, UNSAID)) < 8] == [], name


def test_a_changed_field_changes_its_row_and_keeps_the_words() -> None:
    text = (
        "<!-- generated: fields fsm_icl.results.records.Slice -->\n| `label` | old | What they share. |\n<!-- end -->"
    )
    now = written(text)
    assert "| `label` | string | What they share. |" in now
    assert f"| `total` | integer | {UNSAID} |" in now


def test_every_file_that_analysis_writes_is_described(tmp_path: Path) -> None:
    findings = findings_of(load_sweep(write_sweep(tmp_path, spectrum(), [hypothesis()])))
    found = pictures(findings)
    names = {f"`{one.name}`" for one in found} | {f"`{name}.csv`" for name in tables_of(findings, ())}
    assert len(names) > 15
    assert sorted(name for name in names if name not in FORMATS) == []


def test_everything_in_a_checkpoint_is_described() -> None:
    assert [name for name in FIELDS if f"| `{name}` |" not in FORMATS] == []


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_that_docs_name_exist(path: Path) -> None:
    to_be_made = r"(?<!save it as `)"
    folders = "fsm_icl|analysis|bench|tests|docs|tune_configs"
    named = re.findall(rf"{to_be_made}\b(?:{folders})/[\w/]+\.\w+\b", path.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []
