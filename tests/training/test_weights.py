"""Weights are a file that torch reads by itself; what is wrong with them is said, and nothing is renamed."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import uuid
from pathlib import Path

import pytest
import torch

from fsm_icl.results.files import as_folder, write_atomically
from fsm_icl.training import weights
from fsm_icl.training.checkpoint import CheckpointNotWrittenError

TRIAL = "a" * 64
STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2])}


def test_they_may_lie_in_an_object_store() -> None:
    folder = as_folder(f"memory://{uuid.uuid4().hex}")
    weights.save_weights(folder, TRIAL, STATE)
    assert equal(weights.load_weights(folder, TRIAL))
    with pytest.raises(ValueError, match=r"gone or damaged: .*weights\.pt is not there"):
        weights.load_weights(folder / "none", TRIAL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    weights.save_weights(tmp_path / "trial", TRIAL, STATE)
    return tmp_path / "trial"


def equal(found: dict[str, torch.Tensor]) -> bool:
    return found.keys() == STATE.keys() and all(torch.equal(found[name], STATE[name]) for name in STATE)


def test_torch_reads_them_and_sha256sum_checks_them(folder: Path) -> None:
    assert equal(torch.load(folder / "weights.pt", weights_only=True))
    assert equal(weights.load_weights(folder, TRIAL))
    subprocess.run(["sha256sum", "--check", "--status", "weights.pt.sha256"], cwd=folder, check=True)


def test_those_of_an_earlier_version_are_read(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"model": STATE}, buffer)
    header = {"format": 1, "fingerprint": TRIAL, "sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}
    write_atomically(tmp_path / "weights.pt", json.dumps(header).encode() + b"\n" + buffer.getvalue())
    assert equal(weights.load_weights(tmp_path, TRIAL))
    with pytest.raises(ValueError, match="gone or damaged: the first line does not fit"):
        weights.load_weights(tmp_path, "b" * 64)
    (tmp_path / "weights.pt").write_bytes((tmp_path / "weights.pt").read_bytes()[:-1])
    with pytest.raises(ValueError, match="gone or damaged: the first line does not fit"):
        weights.load_weights(tmp_path, TRIAL)


@pytest.mark.parametrize("spoil", ["short", "empty", "other", "no weights", "no digest", "half a header"])
def test_what_is_wrong_is_said_and_everything_stays(folder: Path, spoil: str) -> None:
    path, digest = folder / "weights.pt", folder / "weights.pt.sha256"
    match spoil:
        case "short":
            path.write_bytes(path.read_bytes()[:-1])
        case "empty":
            path.write_bytes(b"")
        case "no weights":
            path.unlink()
        case "no digest":
            digest.unlink()
        case "half a header":
            path.write_bytes(b'{"format": 1, "finger')
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(ValueError, match=r"weights.pt: the trained weights are gone or damaged: ."):
        weights.load_weights(folder, "b" * 64 if spoil == "other" else TRIAL)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_disk_that_takes_nothing_is_no_fault_of_the_trial(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointNotWrittenError):
        weights.save_weights(tmp_path / "file", TRIAL, STATE)
