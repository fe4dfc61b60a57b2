"""A package adds a figure through an entry point; a broken one stops no other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from analysis.figures.picture import NotDrawn
from analysis.figures.registry import FIGURES, pictures
from analysis.findings.findings import Findings, findings_of
from analysis.sources.sweep import load_sweep
from tests.analysis.builder import spectrum, write_sweep


@pytest.fixture
def findings(tmp_path: Path) -> Findings:
    return findings_of(load_sweep(write_sweep(tmp_path / "spectrum-laptop", spectrum())))


def install(folder: Path, code: str) -> None:
    """As pip leaves a package of one module with one figure."""
    (folder / "sketches.py").write_text(code)
    about = folder / "sketches-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: sketches\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text("[fsm_icl.figures]\nsketch = sketches:picture\n")


def test_a_figure_of_an_installed_package_comes_last(
    findings: Findings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(
        tmp_path, "from analysis.figures.picture import NotDrawn\ndef picture(f): return NotDrawn('sketch', f.kind)"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    made = pictures(findings)
    assert len(made) == len(FIGURES) + 1
    assert made[-1] == NotDrawn("sketch", "spectrum")


def test_a_figure_that_cannot_be_imported_says_why_in_its_place(
    findings: Findings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "import nothing_of_that_name")
    monkeypatch.delitem(sys.modules, "sketches", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    made = pictures(findings)[-1]
    assert isinstance(made, NotDrawn)
    assert "sketches 1.2 can't provide 'sketch'" in made.reason
    assert "nothing_of_that_name" in made.reason
