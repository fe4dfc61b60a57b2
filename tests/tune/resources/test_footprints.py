"""How much of a GPU a trial takes: what its own record says in the end, and a little more."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

from fsm_icl.results.records import Report
from fsm_icl.sweep.file.planned import PlannedTrial
from fsm_icl.sweep.file.spec import ResourcesSpec
from fsm_icl.sweep.protocol.planner import Planner
from fsm_icl.training.config import RunEnv
from fsm_icl.training.trial import run_trial
from fsm_icl.tune.resources import footprints
from fsm_icl.tune.resources.footprints import MADE_UP_BYTES, footprint, measure
from fsm_icl.tune.resources.packing import Capacity, Footprint, Packing, footprint_line
from fsm_icl.tune.trainable import TrialTrainable
from tests.sweep import simulate
from tests.training.tiny import tiny


def test_without_a_gpu_one_is_made_up_and_says_so() -> None:
    found = footprint(tiny().model_dump_json())
    assert found is not None
    assert found.device == f"made up: torch sees no GPU on {platform.node()}"
    assert found.total_bytes == MADE_UP_BYTES
    assert 50e6 < found.used_bytes < MADE_UP_BYTES  # a process that has imported torch


def test_a_trial_that_fails_at_once_has_no_footprint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fsm_icl.training.trial.train", lambda *_: 1 / 0)
    assert footprint(tiny().model_dump_json()) is None


def test_a_trial_too_large_for_a_whole_gpu_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("tried to allocate 200 GiB")

    monkeypatch.setattr("fsm_icl.training.trial.train", full)
    assert footprint(tiny().model_dump_json()) is None


@pytest.mark.gpu
def test_on_a_gpu_it_holds_the_whole_tiny() -> None:
    config = tiny()
    found = footprint(config.model_dump_json())
    assert found is not None
    *_, last = run_trial(config, RunEnv(device="cuda"))
    assert last.end is not None
    assert last.end.peak_memory_bytes <= torch.cuda.max_memory_reserved() <= found.used_bytes < found.total_bytes
    assert found.device == torch.cuda.get_device_name()


GB = 10**9
LOOKED = "looking at how much of a GPU one trial of each cell takes"


class Cluster:
    """GPUs that are not there: what is looked at on them is counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.types, self.totals, self.looked = {"accelerator_type:L4"}, [24 * GB], 0
        monkeypatch.setattr(footprints, "_types", lambda: frozenset(self.types))
        monkeypatch.setattr(footprints, "_totals", lambda _: self.totals)
        monkeypatch.setattr(footprints, "_measured", self.measured)

    def measured(self, firsts: Sequence[tuple[str, PlannedTrial]], *_: object) -> dict[str, Footprint]:
        self.looked += len(firsts)
        self.types |= {"accelerator_type:L4"}  # it has grown
        return {cell: Footprint(2 * GB, 80 * GB, "H100") for cell, _ in firsts}


def run(folder: Path) -> tuple[Packing, list[str]]:
    """What a run of the sweep asks for, and what it says."""
    sweep, said = simulate.loaded(), list[str]()
    packing = Packing(ResourcesSpec(), Capacity(64, 2))
    measure(Planner(sweep.spec, simulate.cells(sweep), {}), packing, folder, said.append)
    return packing, said


def test_footprints_are_kept_between_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cluster = Cluster(monkeypatch)
    cluster.types = set()
    first, said = run(tmp_path)
    assert (said, cluster.looked) == ([LOOKED], 5)
    again, said = run(tmp_path)
    assert (said, cluster.looked) == ([], 5)
    assert (again.footprints, again.smallest) == (first.footprints, first.smallest)
    cluster.types = set()  # none has come yet
    assert run(tmp_path)[1] == []
    cluster.types = {"accelerator_type:T4"}
    assert run(tmp_path)[1] == [LOOKED]
    assert run(tmp_path)[1] == []
    monkeypatch.setattr(footprints.torch, "__version__", "0")
    assert run(tmp_path)[1] == [LOOKED]
    (tmp_path / footprints.NAME).write_text("{")
    assert run(tmp_path)[1] == [LOOKED]


def test_a_gpu_that_is_made_up_is_looked_at_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cluster = Cluster(monkeypatch)
    made_up = {
        cell.key: Footprint(GB, 4 * GB, f"{footprints.MADE_UP}torch sees none")
        for cell in simulate.cells(simulate.loaded())
    }
    monkeypatch.setattr(footprints, "_measured", lambda *_: made_up)
    assert run(tmp_path)[0].footprints == made_up
    monkeypatch.setattr(footprints, "_measured", cluster.measured)
    packing, said = run(tmp_path)
    assert said == [LOOKED]
    assert {found.device for found in packing.footprints.values()} == {"H100"}


def test_the_smallest_gpu_says_how_many_share_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Cluster(monkeypatch)
    packing, _ = run(tmp_path)
    assert {packing.per_gpu(cell) for cell in packing.footprints} == {10}  # of 24 GB, though measured on 80
    assert "10 trials share a GPU" in footprint_line(packing)
    assert " of 24.0 GB" in footprint_line(packing)


@pytest.mark.parametrize(
    ("message", "yes"),
    [
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),
        ("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`", True),
        ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", True),
        ("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED", True),
        ("cusolver error: CUSOLVER_STATUS_ALLOC_FAILED", True),
        ("CUDA error: out of memory\nCUDA kernel errors might be reported", True),
        ("CUDA out of memory. Tried to allocate 2 GiB", True),
        ("CUDA error: an illegal memory access was encountered", False),
        ("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED", False),
        ("mat1 and mat2 shapes cannot be multiplied", False),
    ],
)
def test_what_cudas_libraries_say_when_a_gpu_is_full_is_out_of_memory(message: str, yes: bool) -> None:
    def broken() -> Iterator[Report]:
        yield from ()
        raise RuntimeError(message)

    trial = object.__new__(TrialTrainable)
    trial._problem, trial._reports, trial._stall_limit = None, broken(), 60.0
    with open("/dev/null", "w") as trial._stack:
        if yes:
            assert message in trial.step()["out_of_memory"]
        else:
            with pytest.raises(RuntimeError):
                trial.step()
