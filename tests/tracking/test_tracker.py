"""W&B, offline and for real: one run a trial, complete whatever happened to live rows, and never in the way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wandb

from fsm_icl.results.records import TrialRecord
from fsm_icl.sweep.examine import backlog
from fsm_icl.sweep.file.planned import PlannedTrial
from fsm_icl.sweep.protocol.planner import Planner
from fsm_icl.sweep.store.store import Store
from fsm_icl.tracking import tracker as tracker_module
from fsm_icl.tracking.encoding import TrackedTrial
from fsm_icl.tracking.offline_logs import read_log
from fsm_icl.tracking.tracker import Tracker
from fsm_icl.tracking.trial_runs import TrialRuns, run_settings
from tests.sweep import folders, simulate


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


def trials(count: int) -> list[tuple[TrackedTrial, TrialRecord]]:
    sweep = simulate.loaded()
    planner = Planner(sweep.spec, simulate.cells(sweep), {})
    flying: dict[str, PlannedTrial] = {}
    while len(flying) < count and (planned := planner.next(flying)) is not None:
        flying[planned.hash] = planned
    return [(planned.tracked, simulate.train(planned)) for planned in flying.values()]


def tracker(folder: Path) -> Tracker:
    return Tracker(TrialRuns(folder, "spectrum", "0123abcd", "laptop", "offline"))


def read_run(folder: Path, trial_hash: str) -> list[dict[str, Any]]:
    """The records of the one offline run of a trial."""
    (path,) = folder.glob(f"wandb/offline-run-*/run-0123abcd-{trial_hash}.wandb")
    return inspected(path)


def inspected(path: Path) -> list[dict[str, Any]]:
    """The records of a log."""
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
    assert str(planned.config.optimizer.learning_rate) in text
    for tag in (planned.cell, "laptop", record.end.outcome):
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
    monkeypatch.setattr(tracker_module, "QUEUE_SIZE", 2)
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

    monkeypatch.setattr(TrialRuns, "open", broken)
    (planned, record), *_ = trials(1)
    logged = tracker(folder)
    logged.record(planned, record)
    logged.close()
    assert logged.problem == "RuntimeError: no room for runs; what is missing there is logged by the next run"
    assert not (folder / "wandb" / f"{planned.hash}.done").exists()


def test_disabled_does_nothing(folder: Path) -> None:
    logged = Tracker(TrialRuns(folder, "spectrum", "0123abcd", "laptop", "disabled"))
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
    TrialRuns(folder, "spectrum", "0123abcd", "laptop", "offline").start()
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    (planned, record), *_ = trials(1)
    logged = tracker(Path("results"))
    logged.record(planned, record)
    logged.close()
    assert read_run(Path("results"), planned.hash)


class BreaksOnce:
    """A method of a wandb.Run that raises the first time that it is called for each trial, before or after its work."""

    def __init__(self, method: Callable[..., None], after: bool, times: int = 1) -> None:
        self.method, self.after, self.times = method, after, times
        self.calls: Counter[str] = Counter()

    def __call__(self, run: Any, *arguments: Any, **named: Any) -> None:
        trial = run.config["hash"]
        self.calls[trial] += 1
        breaks = self.calls[trial] <= self.times
        if self.after or not breaks:
            self.method(run, *arguments, **named)
        if breaks:
            raise ConnectionResetError("the machine is busy")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("method", ["finish", "log"])
def test_what_went_wrong_once_is_made_good_by_the_same_driver(
    folder: Path, monkeypatch: pytest.MonkeyPatch, method: str, after: bool
) -> None:
    breaks = BreaksOnce(getattr(wandb.Run, method), after)
    monkeypatch.setattr(wandb.Run, method, lambda *args, **named: breaks(*args, **named))
    ended = trials(3)
    logged = tracker(folder)
    for planned, record in ended:
        logged.report(planned, record.reports[0])
        logged.record(planned, record)
    logged.catch_up(ended)
    logged.close()
    assert set(breaks.calls) == {planned.hash for planned, _ in ended}
    assert logged.problem is None
    for planned, record in ended:
        assert (folder / "wandb" / f"{planned.hash}.done").exists()
        (log,) = folder.glob(f"wandb/*run-*/run-0123abcd-{planned.hash}*.wandb")
        assert len(rows(inspected(log))) == len(record.reports)


def test_what_goes_wrong_last_of_all_is_tried_again_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    breaks = BreaksOnce(wandb.Run.finish, after=False, times=99)
    monkeypatch.setattr(wandb.Run, "finish", lambda *args, **named: breaks(*args, **named))
    (planned, record), *_ = trials(1)
    logged = tracker(folder)
    logged.record(planned, record)
    logged.close()
    assert breaks.calls[planned.hash] == 2
    assert (
        logged.problem == "ConnectionResetError: the machine is busy; what is missing there is logged by the next run"
    )
    assert not (folder / "wandb" / f"{planned.hash}.done").exists()
    monkeypatch.undo()
    again = tracker(folder)
    again.catch_up([(planned, record)])
    again.close()
    assert again.problem is None
    (log,) = folder.glob(f"wandb/*run-*/run-0123abcd-{planned.hash}*.wandb")
    assert len(rows(inspected(log))) == len(record.reports)


def test_a_busy_machine_is_waited_for_where_no_server_is() -> None:
    offline, online = run_settings("offline"), run_settings("online")
    assert min(offline.init_timeout, offline.finish_timeout) >= 60
    assert max(online.init_timeout, online.finish_timeout) <= 10
    slow = run_settings("online", answer=8.0)
    assert slow.init_timeout >= 2 * 2 * 8.0  # twice what two answers take
    assert slow.finish_timeout >= 2 * 5 * 8.0


def test_wandb_that_hangs_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def hangs(_: Any, planned: PlannedTrial) -> None:
        asked.append(planned.hash)
        time.sleep(0.02)
        raise TimeoutError("no answer")

    monkeypatch.setattr(tracker_module, "SLOW_SECONDS", 0.01)
    monkeypatch.setattr(TrialRuns, "open", hangs)
    logged = tracker(folder)
    for planned, record in trials(6):
        logged.record(planned, record)
    logged.close()
    assert len(asked) == tracker_module.SLOW_FAILURES
    assert logged.problem == "TimeoutError: no answer; what is missing there is logged by the next run"


def catch_up(folder: Path, sweep_id: str, ended: list[tuple[PlannedTrial, TrialRecord]]) -> list[str]:
    """Let a driver log these trials where they are not logged; the names of all logs then."""
    logged = Tracker(TrialRuns(folder, "spectrum", sweep_id, "laptop", "offline"))
    logged.catch_up(ended)
    logged.close()
    assert logged.problem is None
    return sorted(path.parent.name for path in folder.glob("wandb/offline-run-*/*.wandb"))


def test_a_marker_of_another_sweep_hides_no_trial(folder: Path) -> None:
    """Two folders merged into one: the trials are the same, the sweep in W&B is another."""
    ended = trials(2)
    catch_up(folder, "0123abcd", ended)
    logs = catch_up(folder, "fedcba98", ended)
    assert len([name for name in logs if "fedcba98" in name]) == 2
    assert catch_up(folder, "fedcba98", ended) == logs


def test_a_marker_without_its_log_hides_no_trial(folder: Path) -> None:
    ended = trials(2)
    (first, second) = catch_up(folder, "0123abcd", ended)
    shutil.rmtree(folder / "wandb" / first)
    logs = catch_up(folder, "0123abcd", ended)
    assert len(logs) == 2
    assert second in logs


def test_a_marker_of_an_earlier_version_counts_beside_its_log(folder: Path) -> None:
    ended = trials(2)
    logs = catch_up(folder, "0123abcd", ended)
    for marker in folder.glob("wandb/*.done"):
        marker.write_text("")
    assert catch_up(folder, "0123abcd", ended) == logs
    for name in logs:
        shutil.rmtree(folder / "wandb" / name)
    assert len(catch_up(folder, "0123abcd", ended)) == 2


def test_a_trial_that_ended_anew_is_logged_anew(folder: Path) -> None:
    ((planned, record),) = trials(1)
    catch_up(folder, "0123abcd", [(planned, record)])
    later = record.end.model_copy(update={"ended_at": record.end.ended_at + 100})
    (name,) = catch_up(folder, "0123abcd", [(planned, record.model_copy(update={"end": later}))])
    (log,) = (folder / "wandb" / name).glob("*.wandb")
    assert read_log(log).summary["ended_at"] == later.ended_at


def test_a_record_that_a_driver_logs_is_left_to_it(folder: Path) -> None:
    records = folders.write(folder, simulate.loaded(), stop_after=2)
    with Store(folder):
        assert backlog._is_busy(folder)
    assert not backlog._is_busy(folder)
    assert records


def test_a_hidden_folder_does_not_draw_the_logs_away(folder: Path) -> None:
    (folder / ".wandb").mkdir()
    assert len(catch_up(folder, "0123abcd", trials(1))) == 1


def test_a_folder_may_be_a_link(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    link = tmp_path_factory.mktemp("links") / "results"
    link.symlink_to(folder)
    assert len(catch_up(link, "0123abcd", trials(1))) == 1


def test_what_was_asked_for_is_compared_with_what_came(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever makes W&B do something else than it is asked, also what nobody has thought of."""
    init = wandb.init
    monkeypatch.setattr(wandb, "init", lambda **named: init(**named | {"project": "theirs", "group": "another"}))
    (planned, record), *_ = trials(1)
    logged = tracker(folder)
    logged.record(planned, record)
    logged.close()
    assert logged.problem is not None
    assert logged.problem.startswith("W&B opened a run with project 'theirs' and not 'fsm_icl', group 'another'")
    assert not list(folder.glob("wandb/*.done"))
