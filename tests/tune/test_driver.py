"""The driver: takes in whatever workers say, never raises, and loses nothing."""

from __future__ import annotations

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
from fsm_icl.tracking.trial_runs import TrialRuns
from fsm_icl.tune.driver import Driver
from fsm_icl.tune.job import Job, requested
from fsm_icl.tune.outcome import SweepOutcome, _problems
from fsm_icl.tune.resources.packing import Capacity, Packing
from tests.sweep import simulate

STEPS = 750
DUE = list(range(30, STEPS + 1, 30))
PACKING = Packing(ResourcesSpec(), Capacity(cpus=2, gpus=0))


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    sweep = simulate.loaded()
    with Store(tmp_path) as store:
        planner = Planner(sweep.spec, simulate.cells(sweep), store.records)
        tracker = Tracker(TrialRuns(tmp_path, "spectrum", store.id, "laptop", "disabled"))
        yield Driver(planner, store, tracker, lambda: pytest.fail("no cell is decided here"), PACKING, 60)


def row(step: int, accuracy: float = 0.5) -> dict[str, Any]:
    return {"report": Report(step=step, metrics={"val/accuracy": accuracy, "val/loss": 1.0}).model_dump_json()}


def closing(outcome: str = "finished") -> dict[str, Any]:
    return {"report": Report(step=STEPS, end=simulate.end(outcome, STEPS)).model_dump_json(), "done": True}


def test_a_trial_becomes_a_record_with_each_report_once(driver: Driver, tmp_path: Path) -> None:
    assert driver.next("a")
    for step in (30, 60, *DUE):  # lost its worker after 60, and said its reports again
        driver.heard("a", row(step))
    driver.ended("a", closing())
    (record,) = read_records(tmp_path).values()
    assert [r.step for r in record.reports] == DUE
    assert driver.in_flight == {}


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
def test_a_row_that_cannot_be_read_ends_nothing(driver: Driver, result: dict[str, Any]) -> None:
    assert driver.next("a")
    driver.heard("a", result)
    driver.heard("a", row(60))
    assert list(driver.in_flight["a"].reports) == [60]


@pytest.mark.parametrize("result", [None, {}, {"report": '{"step": 3}'}])
def test_a_trial_without_an_outcome_leaves_no_record_and_is_not_asked_for_again(
    driver: Driver, result: dict[str, Any] | None, tmp_path: Path
) -> None:
    first = driver.next("a")
    assert first is not None
    driver.ended("a", result)
    assert read_records(tmp_path) == {}
    assert [lost.planned.config for lost in driver.lost.values()] == [first.trial]
    handed = [job.trial for name in "bcdefgh" if (job := driver.next(name))]
    assert len(handed) == 7
    assert first.trial not in handed


def test_a_trial_out_of_memory_is_asked_for_once_more_with_twice_the_share(driver: Driver) -> None:
    driver.packing = Packing(ResourcesSpec(gpus_per_trial=0.25), Capacity(cpus=8, gpus=2))
    first = driver.next("a")
    assert first is not None
    assert requested(first.for_tune()) == {"cpu": 1, "gpu": 0.25}
    driver.ended("a", {"out_of_memory": "gpu7: tried to allocate 2 GiB", "done": True})
    again = driver.next("b")
    assert again is not None
    assert again.trial == first.trial
    assert requested(again.for_tune()) == {"cpu": 1, "gpu": 0.5}
    driver.ended("b", {"out_of_memory": "gpu7: tried to allocate 2 GiB", "done": True})
    (lost,) = driver.lost.values()
    assert lost.why == "out of memory with 0.5 of a GPU: gpu7: tried to allocate 2 GiB"
    assert driver.next("c").trial != first.trial


def test_a_trial_that_had_a_gpu_and_ran_on_the_cpu_is_told(driver: Driver) -> None:
    assert driver.next("a")
    driver.heard("a", row(600))
    driver.ended("a", closing())
    assert driver.on_cpu == {}  # it asked for none
    driver.packing = Packing(ResourcesSpec(gpus_per_trial=0.25), Capacity(cpus=8, gpus=2))
    assert driver.next("b")
    driver.heard("b", row(600))
    driver.ended("b", closing())
    node = simulate.end("finished", 600).node
    assert driver.on_cpu == {node: 1}
    ended = SweepOutcome(driver.planner, 1.0, 1.0, 1, None, [], None, driver.on_cpu)
    (problem,) = (line for line in _problems(ended) if "CPU" in line)
    assert problem.startswith(f"1 trials were given a GPU of {node} and ran on its CPU")


def test_a_machine_that_lacks_the_folder_stops_the_sweep_and_is_named(driver: Driver) -> None:
    assert driver.next("a")
    driver.ended("a", {"storage": "gpu7 does not see /results", "done": True})
    assert driver.broken == "gpu7 does not see /results"
    assert driver.lost == {}
    assert driver.finished


def test_an_end_whose_last_report_never_came_is_a_failure(driver: Driver, tmp_path: Path) -> None:
    assert driver.next("a")
    for step in DUE[:-1]:
        driver.heard("a", row(step))
    driver.ended("a", closing())
    (record,) = read_records(tmp_path).values()
    assert (record.end.outcome, record.end.reason) == ("failed", f"no valid report at step {STEPS}")


def test_a_report_that_never_came_is_a_failure_from_there_on(driver: Driver, tmp_path: Path) -> None:
    assert driver.next("a")
    for step in (step for step in DUE if step != 60):
        driver.heard("a", row(step))
    driver.ended("a", closing())
    (record,) = read_records(tmp_path).values()
    assert (record.end.outcome, record.end.reason, record.end.steps) == ("failed", "no valid report at step 60", 60)
    assert [report.step for report in record.reports] == [30]


def test_unknown_trials_are_ignored(driver: Driver) -> None:
    driver.heard("x", row(30))
    driver.ended("x", closing())


def test_a_record_that_cannot_be_written_stops_the_sweep_and_stays_in_memory(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    assert driver.next("a")
    monkeypatch.setattr(store_module, "write_atomically", full)
    driver.ended("a", closing())
    assert driver.broken is not None
    assert "No space left on device" in driver.broken
    assert "records" in driver.broken
    assert len(driver.store.records) == 1
    assert driver.next("b") is None
    assert driver.finished


def test_an_error_of_our_own_stops_the_sweep_and_is_told(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Planner, "advance", lambda *_: 1 / 0)
    assert driver.next("a")
    driver.heard("a", row(STEPS))
    driver.ended("a", closing())
    assert driver.broken is not None
    assert "ZeroDivisionError" in driver.broken


def test_cutoffs_travel_with_the_trial_and_not_in_its_identity(driver: Driver) -> None:
    planned = driver.planner.plans[0].searches[0].proposals[0]
    job = driver.next("a")
    assert job is not None
    cut = job.model_copy(update={"cutoffs": {30: 0.5}})
    assert Job.of(cut.for_tune()) == cut
    assert (cut.trial, cut.trial.fingerprint()) == (planned.config, planned.hash)
