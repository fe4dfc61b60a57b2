"""What a trial needs to go on where it was stopped: a file of a line of JSON, then torch's.

Batches, learning rate and dropout are functions of (config, step), so no generator state is kept.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import pickle
from typing import TYPE_CHECKING, Any

import torch

from fsm_icl.results.files import found, is_local, read_bytes, remove, rename, write_atomically
from fsm_icl.results.layout import TrialFolder

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder

FORMAT = 1
"""Raised when what the file holds changes; a file of another format is set aside."""

SET_ASIDE = "set-aside-"
"""Begins the name of a file that is not what it should be."""


class CheckpointNotWrittenError(OSError):
    """The disk, not the trial, is at fault."""


def save_checkpoint(folder: Folder, fingerprint: str, content: dict[str, Any]) -> None:
    """Write `content` (tensors and plain values) as the trial's one checkpoint, whole or not at all.

    Raises:
        CheckpointNotWrittenError: the file could not be written; the one before it is untouched.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    path, body = TrialFolder(folder).checkpoint, buffer.getvalue()
    try:
        if is_local(folder):
            folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, _header(fingerprint, body) + body)
    except OSError as error:
        raise CheckpointNotWrittenError(f"can't write {path}: {error}") from error


def load_checkpoint(folder: Folder, fingerprint: str) -> dict[str, Any] | None:
    """The content that was saved for this trial, its tensors on the CPU; None where there is none.

    A file that is damaged, of another format or of another trial is set aside and counts as none.
    """
    path = TrialFolder(folder).checkpoint
    try:
        raw = read_bytes(path)
    except FileNotFoundError:
        return None
    header, _, body = raw.partition(b"\n")
    # The digest is ours because torch doesn't check one, and raises OSError, like a broken disk, on a short file.
    try:
        if header + b"\n" != _header(fingerprint, body):
            raise ValueError(f"it begins with {header[:200]!r}")
        content: dict[str, Any] = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except (ValueError, RuntimeError, pickle.UnpicklingError) as error:
        set_aside(path, str(error))
        return None
    return content


def set_aside(path: Folder, why: str) -> None:
    """Give a file another name under which nobody asks for it. Raises OSError."""
    rename(path, SET_ASIDE + path.name)
    logging.getLogger(__name__).warning("set aside %s, which is not this trial's: %s", path, why)


def forget(folder: Folder) -> None:
    """Remove what an ended trial has no more use for, what writers that died left behind included. Raises OSError."""
    name = TrialFolder(folder).checkpoint.name
    for path in [*found(folder, f"*{name}"), *found(folder, f".{name}.*")]:
        remove(path)


def _header(fingerprint: str, body: bytes) -> bytes:
    plain = {"format": FORMAT, "fingerprint": fingerprint, "sha256": hashlib.sha256(body).hexdigest()}
    return json.dumps(plain).encode() + b"\n"
