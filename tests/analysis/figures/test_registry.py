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
from tests.plugin.site import install


@pytest.fixture
def findings(tmp_path: Path) -> Findings:
    return findings_of(load_sweep(write_sweep(tmp_path / "spectrum-laptop", spectrum())))


def test_a_figure_of_an_installed_package_comes_last(
    findings: Findings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "from analysis.figures.picture import NotDrawn\ndef picture(f): return NotDrawn('sketch', f.kind)"
    (tmp_path / "sketches.py").write_text(code)
    install(tmp_path, "sketches", "1.2", "fsm_icl.figures", sketch="sketches:picture")
    monkeypatch.syspath_prepend(str(tmp_path))
    made = pictures(findings)
    assert len(made) == len(FIGURES) + 1
    assert made[-1] == NotDrawn("sketch", "spectrum")


def test_a_figure_that_cannot_be_imported_says_why_in_its_place(
    findings: Findings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sketches.py").write_text("import nothing_of_that_name")
    install(tmp_path, "sketches", "1.2", "fsm_icl.figures", sketch="sketches:picture")
    monkeypatch.delitem(sys.modules, "sketches", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    made = pictures(findings)[-1]
    assert isinstance(made, NotDrawn)
    assert "sketches 1.2 can't provide 'sketch'" in made.reason
    assert "nothing_of_that_name" in made.reason
