"""The W&B report as a server receives it. In processes, as a user makes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.__main__ import main
from analysis.findings.findings import findings_of
from analysis.report.wandb import report_of, workspace_of
from analysis.sources.sweep import Sweep, load_sweep
from tests import wandb_account
from tests.analysis.builder import Plan, around, hypothesis, spectrum, write_sweep
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
    (view,) = (view for view in double.views.values() if view["type"] == "runs")
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
    (saved,) = (view for view in double.views.values() if view["type"] == "project-view")
    assert (saved["projectName"], saved["entityName"], saved["displayName"]) == ("fsm_icl", ENTITY, GROUP)
    address = saved["name"].removeprefix("nw-").removesuffix("-v")
    assert f"workspace view: {double.url}/{ENTITY}/fsm_icl?nw={address}" in shared.stdout
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


@pytest.mark.slow
def test_variables_say_where_and_not_whether(folder: Path, double: Double) -> None:
    double.projects.add("mine")
    double.runs["two"] = StoredRun("mine", "two", 1, {"groupName": GROUP})
    command = [sys.executable, "-m", "analysis", "wandb-report", str(folder)]
    environment = wandb_account.environment(folder.parent / "home", double) | {"PYTHONPATH": os.getcwd()}
    environment |= {"WANDB_ENTITY": "us", "WANDB_PROJECT": "mine", "WANDB_MODE": "disabled", "WANDB_SWEEP_ID": "s1"}
    made = subprocess.run(command, env=environment, cwd=folder.parent, capture_output=True, text=True, timeout=60)
    assert made.returncode == 0, made.stderr
    assert {(view["projectName"], view["entityName"]) for view in double.views.values()} == {("mine", "us")}


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["revoked", "ProjectViews", "upsertView", "UpsertView2"])
def test_what_the_server_refuses_is_one_line(folder: Path, double: Double, fault: str) -> None:
    if fault == "revoked":
        double.revoked = True
    else:
        double.refusals[fault] = "you may not do this"
    refused = report(folder, double)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    (line,) = refused.stderr.splitlines()
    assert line.startswith("error: W&B")
    assert fault == "revoked" or "you may not do this" in line


def many(folder: Path, num_cells: int) -> Sweep:
    """A sweep of many cells, each of which searched three parameters."""
    plans = [Plan("gru", around(0.9, 0.01, 3), d_model=8 * (i + 1)) for i in range(num_cells)]
    sweep = load_sweep(write_sweep(folder, plans, []))
    searched = {"learning_rate": 0.01, "weight_decay": 0.1, "dropout": 0.1}
    cells = [
        cell.model_copy(update={"winners": [w.model_copy(update={"params": searched}) for w in cell.winners]})
        for cell in sweep.manifest.cells
    ]
    config = {"model": {"dropout": 0.1}, "optimizer": {"learning_rate": 0.01, "weight_decay": 0.1, "beta1": 0.9}}
    records = {key: record.model_copy(update={"config": config}) for key, record in sweep.records.items()}
    return replace(sweep, manifest=sweep.manifest.model_copy(update={"cells": cells}), records=records)


@pytest.mark.parametrize("num_cells", [1, 30])
def test_every_cell_is_drawn_and_run_sets_are_grouped(tmp_path: Path, num_cells: int) -> None:
    blocks = report_of(findings_of(many(tmp_path, num_cells)), ENTITY, "fsm_icl").blocks
    grids = [block for block in blocks if hasattr(block, "runsets")]
    assert [grid.runsets[0].groupby for grid in grids] == [["config.cell"], ["config.cell"], []]
    bars, *curves = grids[0].panels
    assert bars.max_bars_to_show == num_cells
    assert all(panel.max_runs_to_show >= 3 * num_cells for panel in (bars, *curves))


def test_a_search_of_several_parameters_has_parallel_coordinates(tmp_path: Path) -> None:
    sweep = many(tmp_path, 2)
    view = workspace_of(sweep, ENTITY, "fsm_icl")._to_model()
    spec = view.spec.model_dump(by_alias=True, mode="json")
    sections = spec["section"]["panelBankConfig"]["sections"]
    (plot,) = (p for section in sections for p in section["panels"] if p["viewType"] == "Parallel Coordinates Plot")
    columns = [column["accessor"] for column in plot["config"]["columns"]]
    assert columns[0] == "config:cell.value"
    assert columns[1:-1] == [
        "config:model.value.dropout",
        "config:optimizer.value.learning_rate",
        "config:optimizer.value.weight_decay",
    ]
    assert columns[-1] == "summary:val/accuracy"


def test_the_view_shows_the_runs_that_the_report_shows(tmp_path: Path) -> None:
    sweep = many(tmp_path, 12)
    text = workspace_of(sweep, ENTITY, "fsm_icl")._to_model().spec.model_dump_json(by_alias=True)
    for words in (GROUP, "jobType", "measure", "search", "cell.value"):
        assert words in text
    settings = json.loads(text)["section"]["settings"]
    assert settings["maxRuns"] == 24


def test_without_an_entity_it_is_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.delenv("WANDB_ENTITY", raising=False)
    assert main(["wandb-report", str(folder)]) == 2
    assert "name the W&B user or team with --entity, or set WANDB_ENTITY" in capsys.readouterr().err
