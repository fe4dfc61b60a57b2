"""Workers that say nonsense, raise or die, under a real Tuner in this process: the sweep ends, and says so."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fsm_icl.results.records import Report
from fsm_icl.sweep.file.load import load_sweep_file
from fsm_icl.sweep.store.store import Store
from fsm_icl.training import trial as trial_module
from fsm_icl.training.config import RunEnv, TrialConfig
from fsm_icl.tune import run as sweep_module
from fsm_icl.tune.job import Job
from fsm_icl.tune.outcome import SweepOutcome
from fsm_icl.tune.request import RunOptions
from fsm_icl.tune.resources.packing import Capacity, Packing
from fsm_icl.tune.session import session
from fsm_icl.tune.trainable import TrialTrainable
from tests.progress import HOWEVER_LONG

pytestmark = [pytest.mark.ray, pytest.mark.timeout(HOWEVER_LONG)]
# On a busy host a trial that is well may say nothing for half a minute.
OPTIONS = RunOptions(wandb="disabled", stall_limit=40, max_failures=1)
SETS = ["grid={arch: [gru, rnn], d_model: 8}", "hypotheses=[]"]


class Faulty(TrialTrainable):
    """The GRU's first proposal misbehaves as the class says."""

    def setup(self, config: dict[str, Any]) -> None:
        super().setup(config)
        job = Job.of(config)
        self.bad = job.trial.model.arch == "gru" and job.trial.phase == "search" and not job.cutoffs
        self.folder = Path(job.folder)

    def step(self) -> dict[str, Any]:
        result = super().step()
        return self.spoil(result) if self.bad and not result["done"] else result

    def spoil(self, result: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError


class SaysNaN(Faulty):
    def spoil(self, result: dict[str, Any]) -> dict[str, Any]:
        return result | {"report": '{"step": 2, "metrics": {"val/accuracy": NaN}}'}


class SaysNothing(Faulty):
    def spoil(self, result: dict[str, Any]) -> dict[str, Any]:
        return {"done": False}


class LacksTheMetric(Faulty):
    def spoil(self, result: dict[str, Any]) -> dict[str, Any]:
        return result | {"report": '{"step": 2, "metrics": {"val/loss": 1.0}}'}


class KilledOnce(Faulty):
    def spoil(self, result: dict[str, Any]) -> dict[str, Any]:
        if first_time(self.folder / "killed"):
            os.kill(os.getpid(), signal.SIGKILL)
        return result


class HangsOnce(Faulty):
    def spoil(self, result: dict[str, Any]) -> dict[str, Any]:
        if first_time(self.folder / "hung"):
            self._reports = sleeping()
        return result


class OutOfMemoryOnce(Faulty):
    def spoil(self, result: dict[str, Any]) -> dict[str, Any]:
        if first_time(self.folder / "full"):
            raise MemoryError
        return result


class CodeRaises(Faulty):
    """An exception of the code while it trains."""

    def setup(self, config: dict[str, Any]) -> None:
        super().setup(config)
        if self.bad:
            self._reports = exploding(Job.of(config).trial, RunEnv(folder=self.folder))

    def spoil(self, result: dict[str, Any]) -> dict[str, Any]:
        return result


def first_time(mark: Path) -> bool:
    seen = mark.exists()
    mark.touch()
    return not seen


def sleeping() -> Iterator[Report]:
    time.sleep(HOWEVER_LONG)
    yield Report(step=1)


def exploding(config: TrialConfig, env: RunEnv) -> Iterator[Report]:
    original, trial_module.train = trial_module.train, lambda *_: 1 / 0  # type: ignore[assignment]
    try:
        yield from trial_module.run_trial(config, env)
    finally:
        trial_module.train = original


class AlwaysRaises(Faulty):
    def spoil(self, result: dict[str, Any]) -> dict[str, Any]:
        raise MemoryError


@pytest.fixture(scope="module", autouse=True)
def one_ray() -> Iterator[None]:
    """One Ray for all sweeps of this file: starting it takes longer than most of them."""
    numbers = itertools.count()
    with session(None, 2) as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep_module, "session", lambda *_: contextlib.nullcontext(folder / str(next(numbers))))
        yield


def sweep(folder: Path, trainable: type) -> tuple[SweepOutcome, Store]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep_module, "TrialTrainable", trainable)
        loaded = load_sweep_file("spectrum", "smoke", SETS)
        with Store(folder) as store:
            packing = Packing(loaded.spec.resources, Capacity(cpus=2, gpus=0))
            return sweep_module.run_sweep(loaded, store, OPTIONS, packing, Console(quiet=True)), store


def found(store: Store) -> dict[str, Any]:
    """Hash -> what a trial found, without what the clock said."""
    kept = {trial: store.read(trial) for trial in store.records}
    return {h: (r.reports, r.end.outcome, r.end.test, r.end.steps) for h, r in kept.items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return found(sweep(tmp_path_factory.mktemp("clean"), TrialTrainable)[1])


@pytest.mark.parametrize("trainable", [SaysNaN, SaysNothing, LacksTheMetric])
def test_a_metric_that_is_missing_or_nan_never_ends_the_sweep(trainable: type, tmp_path: Path) -> None:
    ended, store = sweep(tmp_path, trainable)
    assert ended.planner.complete
    assert len(store.records) == 2 * (4 + 2)


@pytest.mark.parametrize("trainable", [KilledOnce, HangsOnce, OutOfMemoryOnce])
def test_a_worker_that_is_lost_is_no_result(trainable: type, tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    """The trial is begun again, and the records are those of an undisturbed sweep."""
    ended, store = sweep(tmp_path, trainable)
    assert ended.sound
    assert found(store) == undisturbed


def test_a_trial_that_always_loses_its_worker_is_left_to_the_next_run(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    ended, store = sweep(tmp_path, AlwaysRaises)
    assert not ended.sound
    assert len(ended.lost) >= 1
    assert not ended.planner.complete
    assert found(store).items() < undisturbed.items()
    assert sum(r.config["model"]["arch"] == "rnn" for r in store.records.values()) == 4 + 2
    ended, store = sweep(tmp_path, TrialTrainable)
    assert found(store) == undisturbed


def test_an_exception_of_the_code_is_an_outcome(tmp_path: Path) -> None:
    ended, store = sweep(tmp_path, CodeRaises)
    assert ended.planner.complete
    assert not ended.sound
    reasons = {r.end.reason for r in ended.failed}
    assert reasons == {"ZeroDivisionError: division by zero"}
    for record in ended.failed:
        assert "ZeroDivisionError" in store.trial_folder(record.hash).log.read_text()
