"""How much of a GPU a trial takes: what its own record says in the end, and a little more."""

from __future__ import annotations

import platform

import pytest
import torch

from fsm_icl.training.config import RunEnv
from fsm_icl.training.run import run_trial
from fsm_icl.tune.footprints import MADE_UP_BYTES, footprint
from tests.training.tiny import tiny


def test_without_a_gpu_one_is_made_up_and_says_so() -> None:
    found = footprint(tiny().model_dump_json())
    assert found is not None
    assert found.device == f"made up: torch sees no GPU on {platform.node()}"
    assert found.total_bytes == MADE_UP_BYTES
    assert 50e6 < found.used_bytes < MADE_UP_BYTES  # a process that has imported torch


def test_a_trial_that_fails_at_once_has_no_footprint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fsm_icl.training.run.train", lambda *_: 1 / 0)
    assert footprint(tiny().model_dump_json()) is None


def test_a_trial_too_large_for_a_whole_gpu_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("tried to allocate 200 GiB")

    monkeypatch.setattr("fsm_icl.training.run.train", full)
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
