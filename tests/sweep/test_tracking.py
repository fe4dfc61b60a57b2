"""W&B, offline and for real: one run a trial, complete whatever happened to live rows, and never in the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fsm_icl.records import TrialRecord
from fsm_icl.sweep import tracking
from fsm_icl.sweep.planner import Planner
from fsm_icl.sweep.search import Planned
from fsm_icl.sweep.tracking import Tracker
from fsm_icl.sweep.wandb_runs import Runs
from tests.sweep import simulate


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / ".netrc"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wandb").mkdir()
    return tmp_path


def trials(count: int) -> list[tuple[Planned, TrialRecord]]:
    sweep = simulate.loaded()
    planner = Planner(sweep.spec, simulate.cells(sweep), {})
    flying: dict[str, Planned] = {}
    while len(flying) < count and (planned := planner.next(flying)) is not None:
        flying[planned.hash] = planned
    return [(planned, simulate.train(planned)) for planned in flying.values()]


def tracker(folder: Path) -> Tracker:
    return Tracker(folder, "spectrum", "0123abcd", "laptop", "offline")


def read_run(folder: Path, trial_hash: str) -> list[dict[str, Any]]:
    """The records of the one offline run of a trial."""
    (path,) = folder.glob(f"wandb/offline-run-*/run-0123abcd-{trial_hash}.wandb")
    command = [str(Path(sys.executable).parent / "wandb"), "leet", "inspect", "--json", str(path.parent)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def rows(run: list[dict[str, Any]]) -> list[dict[str, float]]:
    return [record["history"] for record in run if record["type"] == "history"]


def test_a_trial_is_a_run_with_config_history_and_tags(folder: Path) -> None:
    (planned, record), *_ = trials(1)
    logged = tracker(folder)
    for report in record.reports:
        logged.report(planned, report)
    logged.record(planned, record)
    logged.close()
    assert logged.problem is None
    run = read_run(folder, planned.hash)
    text = json.dumps(run)
    (head,) = [r["run"] for r in run if r["type"] == "run"][:1]
    assert head["run_group"] == "spectrum-0123abcd"
    assert head["job_type"] == "search"
    assert len(rows(run)) == len(record.reports)
    assert str(record.reports[-1].metric("val/accuracy")) in text
    assert str(planned.params["learning_rate"]) in text
    for tag in (planned.cell.label, "laptop", record.end.outcome):
        assert tag in text
    assert (folder / "wandb" / f"{planned.hash}.done").exists()


def test_rows_that_were_dropped_come_back_with_the_record(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (planned, record), *_ = trials(1)
    logged = tracker(folder)
    logged.report(planned, record.reports[0])  # the only live row that got through
    logged.record(planned, record)
    logged.report(planned, record.reports[0])  # said again by a resumed trial: its record has been logged
    logged.record(planned, record)
    logged.close()
    assert len(rows(read_run(folder, planned.hash))) == len(record.reports)


def test_records_without_a_marker_are_logged_by_the_next_driver(folder: Path) -> None:
    ended = trials(3)
    first = tracker(folder)
    first.record(*ended[0])
    first.close()
    second = tracker(folder)
    second.catch_up(ended)
    second.close()
    for planned, record in ended:
        assert len(rows(read_run(folder, planned.hash))) == len(record.reports)


def test_a_full_queue_never_blocks_and_loses_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "QUEUE_SIZE", 2)
    ended = trials(4)
    logged = tracker(folder)
    for planned, record in ended:
        for report in record.reports:
            logged.report(planned, report)
        logged.record(planned, record)
    logged.close()
    for planned, record in ended:
        assert len(rows(read_run(folder, planned.hash))) == len(record.reports)


def test_wandb_breaking_is_remembered_and_not_raised(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("no room for runs")

    monkeypatch.setattr(Runs, "open", broken)
    (planned, record), *_ = trials(1)
    logged = tracker(folder)
    logged.record(planned, record)
    logged.close()
    assert logged.problem == "RuntimeError: no room for runs; what is missing there is logged by the next run"
    assert not (folder / "wandb" / f"{planned.hash}.done").exists()


def test_disabled_does_nothing(folder: Path) -> None:
    logged = Tracker(folder, "spectrum", "0123abcd", "laptop", "disabled")
    logged.record(*trials(1)[0])
    logged.close()
    assert list((folder / "wandb").iterdir()) == []


@pytest.mark.slow
def test_a_trial_costs_the_thread_less_than_a_tenth_of_a_cpu_second(folder: Path) -> None:
    ended = trials(8)
    logged = tracker(folder)
    logged.record(*ended[0])  # the first one starts W&B
    while not (folder / "wandb" / f"{ended[0][0].hash}.done").exists():
        time.sleep(0.05)
    before = time.process_time()
    logged.catch_up(ended[1:])
    logged.close()
    assert (time.process_time() - before) / (len(ended) - 1) < 0.1


def test_a_relative_folder_is_the_drivers_whoever_started_wandb(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """wandb's service, maybe inherited through WANDB_SERVICE, opens files from the folder that it was started in."""
    Runs(folder, "spectrum", "0123abcd", "laptop", "offline").start()
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    (planned, record), *_ = trials(1)
    logged = tracker(Path("results"))
    logged.record(planned, record)
    logged.close()
    assert read_run(Path("results"), planned.hash)
