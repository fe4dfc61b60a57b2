"""What a worker says where its machine fails it."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import pytest

from fsm_icl.results.files import write_atomically
from fsm_icl.sweep.protocol.planner import Planner
from fsm_icl.sweep.store.store import Store
from fsm_icl.training import checkpoint
from fsm_icl.tune.job import Job, WorkerContext
from fsm_icl.tune.trainable import TrialTrainable
from tests.sweep import simulate


def begun(folder: Path) -> TrialTrainable:
    sweep = simulate.loaded("budget.steps=60", "budget.report_every=30", "search.rungs=[]")
    planned = Planner(sweep.spec, simulate.cells(sweep), {}).next([])
    assert planned is not None
    with Store(folder) as store:
        context = WorkerContext(sweep_id=store.id, driver_host=platform.node(), stall_limit=600)
        place = str(store.trial_folder(planned.hash).path)
    job = Job(trial=planned.config, folder=place, cutoffs={}, context=context, cpu=1, gpu=0)
    trial = TrialTrainable.__new__(TrialTrainable)  # without Ray's own folders
    trial.setup(job.for_tune())
    return trial


def test_a_checkpoint_that_cannot_be_written_is_the_disks_fault_and_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that takes small files but no checkpoint fails every trial alike: no other one is worth trying."""

    def small_only(path: Path, content: Any) -> None:
        if len(content) > 4096:
            raise OSError(28, "No space left on device", str(path))
        write_atomically(path, content)

    trial = begun(tmp_path)
    monkeypatch.setattr(checkpoint, "write_atomically", small_only)
    said = trial.step()
    trial.cleanup()
    assert said["done"]
    assert platform.node() in said["storage"]
    assert "checkpoint.pt" in said["storage"]
    assert "No space left on device" in said["storage"]
