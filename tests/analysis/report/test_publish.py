"""Pages of docs/findings: what is computed in them is what their snapshots give, and their trials come out again."""

from __future__ import annotations

from pathlib import Path

import pytest

import fsm_icl
from analysis.__main__ import main
from analysis.findings.findings import findings_of
from analysis.report.publish import BEGIN, END, around, computed, publish
from analysis.sources.packing import unpacked
from analysis.sources.snapshot import load_snapshot
from analysis.sources.sweep import Sweep, load_sweep
from fsm_icl.sweep.examine.replay import replay_spec
from fsm_icl.sweep.examine.verify import TrialSample, verify_trial
from tests.analysis.builder import hypothesis, spectrum, write_sweep

DOCS = Path(fsm_icl.__file__).parents[1] / "docs"
PAGES = sorted((DOCS / "findings").glob("*.md"))
NAMES = ["budget", "capacity", "depth", "source", "spectrum"]
LARGEST = 300_000
"""Bytes of a page's snapshot."""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "mine.md"
    path.write_text(f"# Mine\n\n{BEGIN}\nold\n{END}\n\nLimits.\n")
    return path


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return load_sweep(write_sweep(tmp_path / "s", spectrum(), [hypothesis()]))


def test_a_page_keeps_its_words_and_gets_the_numbers(sweep: Sweep, page: Path) -> None:
    written = publish(sweep, page, "typed")
    text = page.read_text()
    assert text.startswith(f"# Mine\n\n{BEGIN}\n")
    assert text.endswith(f"{END}\n\nLimits.\n")
    assert "old" not in text
    for words in (
        "python -m fsm_icl.tune spectrum --scale laptop",
        "| gru-d64-L1 |",
        "supported. gru-d64-L1 is 41.5 points above",
        "0" * 40,
    ):
        assert words in text
    assert {path.name for path in written} == {"mine.md", "snapshot.json", "snapshot.parquet", "answer.png"}
    assert publish(sweep, page, "typed") == written
    assert page.read_text() == text


def test_a_page_without_the_markers_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_sweep(tmp_path / "s", spectrum(), [hypothesis()])
    page = tmp_path / "mine.md"
    page.write_text("# Mine\n")
    assert main(["publish", str(folder), str(page)]) == 2
    assert "mine.md: expected a line <!-- computed: begin -->" in capsys.readouterr().err
    assert page.read_text() == "# Mine\n"
    assert not page.with_suffix("").exists()


def test_every_question_has_a_page_that_the_readme_names() -> None:
    assert [path.stem for path in PAGES] == NAMES
    first_screen = "\n".join((DOCS.parent / "README.md").read_text().splitlines()[:60])
    for path in PAGES:
        assert f"](docs/findings/{path.name})" in first_screen


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_pages_numbers_are_its_snapshots(page: Path) -> None:
    folder = page.with_suffix("")
    before, after = around(page)
    computed_now = computed(findings_of(load_snapshot(folder)), page.stem)
    assert page.read_text() == f"{before}{BEGIN}\n{computed_now}{END}{after}"
    assert sum(path.stat().st_size for path in folder.glob("snapshot.*")) < LARGEST
    assert "## Limits" in after


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_sample_of_a_pages_trials_comes_out_again(page: Path) -> None:
    """The two finished trials that cost least, so that the sample takes a minute and not an hour."""
    published = load_snapshot(page.with_suffix(""))
    cells = {wanted.hash: cell.label for cell in published.manifest.cells for wanted in cell.wanted}
    finished = [unpacked(record) for record in published.records.values() if record.end.outcome == "finished"]
    for record in sorted(finished, key=lambda record: record.end.seconds or 0.0)[:2]:
        cell = cells[record.hash]
        found = verify_trial(TrialSample(cell, record, replay_spec(record, cell)))
        assert found.same, (cell, found.where, found.elsewhere)
