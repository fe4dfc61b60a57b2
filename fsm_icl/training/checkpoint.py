"""What a trial needs to go on where it was stopped, in one file: a line of JSON, then torch's own format.

Batches, learning rate and dropout are functions of (config, step), so no generator state is kept.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import pickle
from pathlib import Path
from typing import Any

import torch

FORMAT = 1
"""Raised when what the file holds changes; a file of another format is set aside."""

NAME = "checkpoint.pt"
SET_ASIDE = "checkpoint-set-aside.pt"


class CheckpointNotWrittenError(OSError):
    """The disk, not the trial, is at fault."""


def save(folder: Path, fingerprint: str, content: dict[str, Any]) -> None:
    """Write `content` (tensors and plain values) as the trial's one checkpoint, whole or not at all.

    Raises:
        CheckpointNotWrittenError: the file could not be written; the one before it is untouched.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    path = folder / NAME
    unfinished = path.with_name(f"{NAME}.{os.getpid()}.tmp")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            file.write(_header(fingerprint, buffer.getbuffer()))
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise CheckpointNotWrittenError(f"can't write {path}: {error}") from error
    finally:
        if unfinished.is_file():
            unfinished.unlink()


def load(folder: Path, fingerprint: str) -> dict[str, Any] | None:
    """The content that was saved for this trial, its tensors on the CPU; None where there is none.

    A file that is damaged, of another format or of another trial is set aside and counts as none.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    header, _, body = path.read_bytes().partition(b"\n")
    # The digest is ours because torch doesn't check one, and raises OSError, like a broken disk, on a short file.
    try:
        if header + b"\n" != _header(fingerprint, body):
            raise ValueError(f"it begins with {header[:200]!r}")
        content: dict[str, Any] = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except (ValueError, RuntimeError, pickle.UnpicklingError) as error:
        path.replace(path.with_name(SET_ASIDE))
        logging.getLogger(__name__).warning("set aside %s, which is not this trial's: %s", path, error)
        return None
    return content


def _header(fingerprint: str, body: bytes | memoryview) -> bytes:
    plain = {"format": FORMAT, "fingerprint": fingerprint, "sha256": hashlib.sha256(body).hexdigest()}
    return json.dumps(plain).encode() + b"\n"
