"""A trained model's weights: weights.pt, a plain state dict as torch.save writes it, and beside it its digest.

`torch.load("weights.pt")` reads the one; `sha256sum -c weights.pt.sha256` checks it by the other, whose first line, a
comment, names the trial.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fsm_icl.results.files import is_local, read_bytes, write_atomically
from fsm_icl.results.layout import TrialFolder
from fsm_icl.training.checkpoint import CheckpointNotWrittenError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fsm_icl.results.files import Folder

_HEADER = b'{"format": 1, '
"""Begins a file of an earlier version: a line of JSON with trial and digest, then what torch.save wrote."""


def save_weights(folder: Folder, trial: str, weights: Mapping[str, Tensor]) -> None:
    """Write a trial's weights, on the CPU so that any machine reads them, and then their digest.

    Raises:
        CheckpointNotWrittenError: a file could not be written.
    """
    buffer, kept = io.BytesIO(), TrialFolder(folder)
    torch.save({name: tensor.detach().cpu() for name, tensor in weights.items()}, buffer)
    body = buffer.getvalue()
    try:
        if is_local(folder):
            folder.mkdir(parents=True, exist_ok=True)
        write_atomically(kept.weights, body)
        write_atomically(kept.weights_digest, _digest(trial, body))
    except OSError as error:
        raise CheckpointNotWrittenError(f"can't write {kept.weights}: {error}") from error


def load_weights(folder: Folder, trial: str) -> dict[str, Tensor]:
    """The weights that were saved for this trial, on the CPU. Writes and renames nothing.

    Raises:
        ValueError: they are gone, damaged, or another trial's.
        OSError: they can't be read.
    """
    kept = TrialFolder(folder)
    try:
        raw = read_bytes(kept.weights)
        early = raw.startswith(_HEADER)
        return _earlier(raw, trial) if early else _checked(raw, trial, read_bytes(kept.weights_digest))
    except (ValueError, LookupError, RuntimeError, pickle.UnpicklingError, FileNotFoundError) as error:
        why = f"{error.filename} is not there" if isinstance(error, FileNotFoundError) else error
        raise ValueError(f"{kept.weights}: the trained weights are gone or damaged: {why}") from None


def _digest(trial: str, body: bytes) -> str:
    return f"# trial {trial}\n{hashlib.sha256(body).hexdigest()}  weights.pt\n"


def _checked(raw: bytes, trial: str, digest: bytes) -> dict[str, Tensor]:
    # The digest is ours because torch checks none, and raises OSError, like a broken disk, on a short file.
    if digest.decode(errors="replace").split() != _digest(trial, raw).split():
        raise ValueError(f"weights.pt.sha256 is not their digest in trial {trial[:12]}")
    found: dict[str, Tensor] = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    return found


def _earlier(raw: bytes, trial: str) -> dict[str, Tensor]:
    header, _, body = raw.partition(b"\n")
    said = json.loads(header)
    if (said["fingerprint"], said["sha256"]) != (trial, hashlib.sha256(body).hexdigest()):
        raise ValueError(f"the first line does not fit the rest and trial {trial[:12]}")
    model: dict[str, Tensor] = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)["model"]
    return model
