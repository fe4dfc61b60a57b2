"""The desk: takes in whatever workers say, never raises, and loses nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fsm_icl.results.reading import read_records
from fsm_icl.results.records import Report
from fsm_icl.sweep.file.spec import ResourcesSpec
from fsm_icl.sweep.protocol.planner import Planner
from fsm_icl.sweep.store import store as store_module
from fsm_icl.sweep.store.store import Store
from fsm_icl.tracking.tracker import Tracker
from fsm_icl.tune.driver import Desk
from fsm_icl.tune.outcome import SweepOutcome, _problems
from fsm_icl.tune.resources.packing import Capacity, Packing
from fsm_icl.tune.trainable import requested
from tests.sweep import simulate

STEPS = 750
DUE = list(range(30, STEPS + 1, 30))
PACKING = Packing(ResourcesSpec(), Capacity(cpus=2, gpus=0))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    sweep = simulate.loaded()
    with Store(tmp_path) as store:
        planner = Planner(sweep.spec, simulate.cells(sweep), store.records)
        tracker = Tracker(tmp_path, "spectrum", store.id, "laptop", "disabled")
        yield Desk(planner, store, tracker, lambda: pytest.fail("no cell is decided here"), PACKING, 60)


def row(step: int, accuracy: float = 0.5) -> dict[str, Any]:
    return {"report": Report(step=step, metrics={"val/accuracy": accuracy, "val/loss": 1.0}).model_dump_json()}


def closing(outcome: str = "finished") -> dict[str, Any]:
    return {"report": Report(step=STEPS, end=simulate.end(outcome, STEPS)).model_dump_json(), "done": True}


def test_a_trial_becomes_a_record_with_each_report_once(desk: Desk, tmp_path: Path) -> None:
    assert desk.next("a")
    for step in (30, 60, *DUE):  # lost its worker after 60, and said its reports again
        desk.heard("a", row(step))
    desk.ended("a", closing())
    (record,) = read_records(tmp_path).values()
    assert [r.step for r in record.reports] == DUE
    assert desk.in_flight == {}


@pytest.mark.parametrize(
    "result",
    [
        {"report": '{"step": 30, "metrics": {"val/accuracy": NaN, "val/loss": 1}}'},
        {"report": '{"step": 30, "metrics": {"val/loss": 1}}'},
        {"report": "{}"},
        {"report": "x"},
        {},
    ],
)
def test_a_row_that_cannot_be_read_ends_nothing(desk: Desk, result: dict[str, Any]) -> None:
    assert desk.next("a")
    desk.heard("a", result)
    desk.heard("a", row(60))
    assert list(desk.in_flight["a"].reports) == [60]


@pytest.mark.parametrize("result", [None, {}, {"report": '{"step": 3}'}])
def test_a_trial_without_an_outcome_leaves_no_record_and_is_not_asked_for_again(
    desk: Desk, result: dict[str, Any] | None, tmp_path: Path
) -> None:
    first = desk.next("a")
    desk.ended("a", result)
    assert read_records(tmp_path) == {}
    assert [lost.planned.config.model_dump_json() for lost in desk.lost.values()] == [first["trial"]]  # type: ignore[index]
    handed = [job["trial"] for name in "bcdefgh" if (job := desk.next(name))]
    assert len(handed) == 7
    assert first["trial"] not in handed  # type: ignore[index]


def test_a_trial_out_of_memory_is_asked_for_once_more_with_twice_the_share(desk: Desk) -> None:
    desk.packing = Packing(ResourcesSpec(gpus_per_trial=0.25), Capacity(cpus=8, gpus=2))
    first = desk.next("a")
    assert first is not None
    assert requested(first) == {"cpu": 1, "gpu": 0.25}
    desk.ended("a", {"out_of_memory": "gpu7: tried to allocate 2 GiB", "done": True})
    again = desk.next("b")
    assert again is not None
    assert again["trial"] == first["trial"]
    assert requested(again) == {"cpu": 1, "gpu": 0.5}
    desk.ended("b", {"out_of_memory": "gpu7: tried to allocate 2 GiB", "done": True})
    (lost,) = desk.lost.values()
    assert lost.why == "out of memory with 0.5 of a GPU: gpu7: tried to allocate 2 GiB"
    assert desk.next("c")["trial"] != first["trial"]  # type: ignore[index]


def test_a_trial_that_had_a_gpu_and_ran_on_the_cpu_is_told(desk: Desk) -> None:
    assert desk.next("a")
    desk.heard("a", row(600))
    desk.ended("a", closing())
    assert desk.on_cpu == {}  # it asked for none
    desk.packing = Packing(ResourcesSpec(gpus_per_trial=0.25), Capacity(cpus=8, gpus=2))
    assert desk.next("b")
    desk.heard("b", row(600))
    desk.ended("b", closing())
    node = simulate.end("finished", 600).node
    assert desk.on_cpu == {node: 1}
    ended = SweepOutcome(desk.planner, 1.0, 1.0, 1, None, [], None, desk.on_cpu)
    (problem,) = (line for line in _problems(ended) if "CPU" in line)
    assert problem.startswith(f"1 trials were given a GPU of {node} and ran on its CPU")


def test_a_machine_that_lacks_the_folder_stops_the_sweep_and_is_named(desk: Desk) -> None:
    assert desk.next("a")
    desk.ended("a", {"storage": "gpu7 does not see /results", "done": True})
    assert desk.broken == "gpu7 does not see /results"
    assert desk.lost == {}
    assert desk.finished


def test_an_end_whose_last_report_never_came_is_a_failure(desk: Desk, tmp_path: Path) -> None:
    assert desk.next("a")
    for step in DUE[:-1]:
        desk.heard("a", row(step))
    desk.ended("a", closing())
    (record,) = read_records(tmp_path).values()
    assert (record.end.outcome, record.end.reason) == ("failed", f"no valid report at step {STEPS}")


def test_a_report_that_never_came_is_a_failure_from_there_on(desk: Desk, tmp_path: Path) -> None:
    assert desk.next("a")
    for step in (step for step in DUE if step != 60):
        desk.heard("a", row(step))
    desk.ended("a", closing())
    (record,) = read_records(tmp_path).values()
    assert (record.end.outcome, record.end.reason, record.end.steps) == ("failed", "no valid report at step 60", 60)
    assert [report.step for report in record.reports] == [30]


def test_unknown_trials_are_ignored(desk: Desk) -> None:
    desk.heard("x", row(30))
    desk.ended("x", closing())


def test_a_record_that_cannot_be_written_stops_the_sweep_and_stays_in_memory(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    assert desk.next("a")
    monkeypatch.setattr(store_module, "write_atomically", full)
    desk.ended("a", closing())
    assert desk.broken is not None
    assert "No space left on device" in desk.broken
    assert "records" in desk.broken
    assert len(desk.store.records) == 1
    assert desk.next("b") is None
    assert desk.finished


def test_an_error_of_our_own_stops_the_sweep_and_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Planner, "advance", lambda *_: 1 / 0)
    assert desk.next("a")
    desk.heard("a", row(STEPS))
    desk.ended("a", closing())
    assert desk.broken is not None
    assert "ZeroDivisionError" in desk.broken


def test_cutoffs_travel_with_the_trial_and_not_in_its_identity(desk: Desk) -> None:
    planned = desk.planner.plans[0].searches[0].proposals[0]
    job = desk.next("a")
    assert job is not None
    assert "cutoffs" not in job["trial"]
    assert json.loads(job["env"])["cutoffs"] == {}
    assert json.loads(job["trial"])["seed"] == planned.config.seed
