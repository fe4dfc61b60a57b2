"""The W&B report as a server receives it. In processes, as a user makes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import wandb_account
from tests.analysis.builder import hypothesis, spectrum, write_sweep
from tests.wandb_double import ENTITY, Double, StoredRun, serving

GROUP = "spectrum-0123abcd"
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_sweep(tmp_path / "results" / "spectrum-laptop", spectrum(), [hypothesis()])


@pytest.fixture
def double() -> Iterator[Double]:
    """A server that has a run of the sweep."""
    with serving() as double:
        double.projects.add("fsm_icl")
        double.runs["one"] = StoredRun("fsm_icl", "one", 0, {"groupName": GROUP})
        yield double


def report(folder: Path, double: Double | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "analysis", "wandb-report", str(folder), "--entity", ENTITY, *arguments]
    environment = wandb_account.environment(folder.parent / "home", double) | {"PYTHONPATH": os.getcwd()}
    return subprocess.run(command, env=environment, cwd=folder.parent, capture_output=True, text=True, timeout=60)


def panels(spec: dict[str, Any]) -> list[dict[str, Any]]:
    grids = [block["metadata"] for block in spec["blocks"] if block["type"] == "panel-grid"]
    return [panel for grid in grids for panel in grid["panelBankSectionConfig"]["panels"]]


@pytest.mark.slow
def test_making_it_twice_updates_the_same_one_and_shares_it_only_when_asked(folder: Path, double: Double) -> None:
    made = report(folder, double)
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith(f"made {double.url}/{ENTITY}/fsm_icl/reports/")
    assert "createAccessToken" not in double.operations
    shared = report(folder, double, "--share")
    assert shared.stdout.startswith("updated ")
    assert "accessToken=share-me" in shared.stdout
    assert not double.unknown
    (view,) = double.views.values()
    assert (view["projectName"], view["entityName"], view["type"]) == ("fsm_icl", ENTITY, "runs")
    spec = json.loads(view["spec"])
    kinds = [block["type"] for block in spec["blocks"]]
    sections = ["heading", "panel-grid"]
    assert kinds[1:-1] == ["markdown-block", *sections * 3, "heading", "markdown-block"]
    assert [panel["viewType"] for panel in panels(spec)] == [
        *["Bar Chart", "Run History Line Plot", "Run History Line Plot"],
        *["Scatter Plot", "Media Browser", "Weave"],
    ]
    bars, accuracy, _, rates, figure, trials = (panel["config"] for panel in panels(spec))
    assert (accuracy["xAxis"], accuracy["groupAgg"], accuracy["groupArea"]) == ("step", "mean", "stddev")
    assert "test/accuracy" in json.dumps(bars)
    assert "optimizer.value.learning_rate" in json.dumps(rates)
    assert figure["mediaKeys"] == ["figures/spectrum"]
    assert "tables/trials" in json.dumps(trials)
    text = json.dumps(spec)
    for words in ("Gates help", "supported", "+41.5 points", "python -m fsm_icl.tune spectrum --scale laptop", GROUP):
        assert words in text


@pytest.mark.slow
def test_what_it_needs_is_said_and_nothing_is_sent_before(folder: Path, double: Double) -> None:
    assert "run `wandb login`" in report(folder, None).stderr
    double.runs.clear()
    missing = report(folder, double)
    assert missing.returncode == 2
    assert f"no runs of {GROUP} in {ENTITY}/fsm_icl: upload them with fsm-icl sync {folder}" in missing.stderr
    assert not double.views
