"""What is expensive is computed once per command, however many readers it has."""

from __future__ import annotations

import cProfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.__main__ import main
from analysis.figures.picture import Picture
from analysis.findings.axis import kind_of
from analysis.findings.findings import findings_of
from analysis.findings.searches import searches_of
from analysis.findings.summary import summarise
from analysis.findings.tables import cell_table, count_table, gains, search_table
from analysis.findings.verdicts import judge
from analysis.report.files import sweep_files
from analysis.report.publish import BEGIN, END
from analysis.report.wandb import report_of
from analysis.sources.sweep import load_sweep
from tests.analysis.builder import hypothesis, share_hypothesis, spectrum, write_sweep

EXPENSIVE = (summarise, searches_of, judge, gains, kind_of, cell_table, count_table, search_table)
Command = Callable[[Path], object]


def published(folder: Path) -> object:
    page = folder / "mine.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    return main(["publish", str(folder), str(page)])


COMMANDS: dict[str, Command] = {
    "present": lambda folder: main([str(folder)]),
    "report": lambda folder: main(["report", str(folder)]),
    "publish": published,
    "files for W&B": sweep_files,
    "report in W&B": lambda folder: report_of(findings_of(load_sweep(folder)), "me", "mine"),
}


def undrawn(picture: Picture, folder: Path) -> tuple[Path, Path]:
    """Stands in for drawing, which takes seconds."""
    paths = folder / f"{picture.name}.png", folder / f"{picture.name}.pdf"
    for path in paths:
        path.write_bytes(b"a picture")
    return paths


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Picture, "save", undrawn)
    folder = write_sweep(tmp_path / "s", spectrum(), [hypothesis(), share_hypothesis()])
    (folder / "sweep.yaml").write_text("question: Is simple gating enough?\n")
    return folder


def calls(command: Command, folder: Path) -> dict[str, int]:
    """How often `command` calls each expensive function, whatever name it is imported under."""
    profile = cProfile.Profile()
    profile.runcall(command, folder)
    counted: dict[Any, int] = {entry.code: entry.callcount for entry in profile.getstats()}
    return {function.__name__: counted.get(function.__code__, 0) for function in EXPENSIVE}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_command_computes_everything_once(folder: Path, command: Command) -> None:
    assert calls(command, folder) == {function.__name__: 1 for function in EXPENSIVE}


def test_a_comparison_draws_each_sweep_once_and_judges_neither(folder: Path) -> None:
    found = calls(lambda folder: main(["compare", str(folder), str(folder)]), folder)
    assert found == {function.__name__: 2 if function is summarise else 0 for function in EXPENSIVE}
