"""Workers that say nonsense, raise or die, under a real Tuner in this process: the sweep ends, and says so."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fsm_icl.sweep.loading import load_sweep
from fsm_icl.sweep.store import Store
from fsm_icl.tune import sweep as sweep_module
from fsm_icl.tune.ended import Ended
from fsm_icl.tune.trainable import TrialTrainable

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]
SETS = ["grid={arch: [gru, rnn], d_model: 8}", "hypotheses=[]"]


class Faulty(TrialTrainable):
    """The GRU's first proposal misbehaves as the class says."""

    def setup(self, config: dict[str, Any]) -> None:
        super().setup(config)
        trial = json.loads(config["trial"])
        self.bad = (
            trial["model"]["arch"] == "gru" and trial["phase"] == "search" and not json.loads(config["env"])["cutoffs"]
        )
        self.folder = Path(json.loads(config["env"])["folder"])

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


class DiesOnce(Faulty):
    def spoil(self, result: dict[str, Any]) -> dict[str, Any]:
        mark = self.folder / "died"
        if not mark.exists():
            mark.touch()
            os._exit(1)
        return result


class AlwaysRaises(Faulty):
    def spoil(self, result: dict[str, Any]) -> dict[str, Any]:
        raise MemoryError


def run(folder: Path, trainable: type, monkeypatch: pytest.MonkeyPatch) -> tuple[Ended, Store]:
    monkeypatch.setattr(sweep_module, "TrialTrainable", trainable)
    loaded = load_sweep("spectrum", "smoke", SETS)
    with Store(folder) as store:
        return sweep_module.run_sweep(loaded, store, "disabled", 2, Console(quiet=True)), store


@pytest.mark.parametrize("trainable", [SaysNaN, SaysNothing, LacksTheMetric])
def test_a_metric_that_is_missing_or_nan_never_ends_the_sweep(
    trainable: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, store = run(tmp_path, trainable, monkeypatch)
    assert ended.planner.complete
    assert len(store.records) == 2 * (4 + 2)


def test_a_worker_that_dies_is_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial is begun again, and the records are those of an undisturbed sweep."""
    ended, store = run(tmp_path / "died", DiesOnce, monkeypatch)
    assert ended.sound
    monkeypatch.undo()
    _, clean = run(tmp_path / "clean", TrialTrainable, monkeypatch)
    assert {h: r.reports for h, r in store.records.items()} == {h: r.reports for h, r in clean.records.items()}
    assert list((tmp_path / "died").glob("trials/*/died")) == []  # search folders go with their records


def test_a_trial_that_always_loses_its_worker_is_left_to_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, store = run(tmp_path, AlwaysRaises, monkeypatch)
    assert not ended.sound
    assert ended.lost >= 1
    assert not ended.planner.complete
    assert {r.end.outcome for r in store.records.values()} <= {"finished", "pruned"}
    assert sum(r.config["model"]["arch"] == "rnn" for r in store.records.values()) == 4 + 2
