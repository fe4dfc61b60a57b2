"""What a trial needs to go on where it was stopped, in one file.

Batches, learning rate and dropout are functions of (config, step), so no generator state is kept.
"""

from __future__ import annotations

import logging
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

FORMAT = 1
"""Raised when what the file holds changes; a file of another format is set aside."""

NAME = "checkpoint.pt"
SET_ASIDE = "checkpoint-set-aside.pt"

_UNREADABLE = (pickle.UnpicklingError, RuntimeError, zipfile.BadZipFile, EOFError, ValueError, KeyError)
"""What torch.load raises on a file that is cut short, overwritten or not a checkpoint at all."""


class CheckpointNotWrittenError(OSError):
    """The disk, not the trial, is at fault."""


def save(folder: Path, fingerprint: str, content: dict[str, Any]) -> None:
    """Write `content` (tensors and plain values) as the trial's one checkpoint, whole or not at all.

    Raises:
        CheckpointNotWrittenError: the file could not be written; the one before it is untouched.
    """
    path = folder / NAME
    unfinished = path.with_name(f"{NAME}.{os.getpid()}.tmp")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            torch.save({"format": FORMAT, "fingerprint": fingerprint, "content": content}, file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except (OSError, RuntimeError) as error:  # torch's writer makes a RuntimeError of a full disk
        unfinished.unlink(missing_ok=True)
        raise CheckpointNotWrittenError(f"can't write {path}: {error}") from error


def load(folder: Path, fingerprint: str) -> dict[str, Any] | None:
    """The content that was saved for this trial, its tensors on the CPU; None where there is none.

    A file that is unreadable, of another format or of another trial is set aside and counts as none.
    """
    path = folder / NAME
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        if saved["format"] != FORMAT or saved["fingerprint"] != fingerprint:
            raise ValueError(f"format {saved['format']} of trial {saved['fingerprint']}")
        content: dict[str, Any] = saved["content"]
    except FileNotFoundError:
        return None
    except (*_UNREADABLE, TypeError) as error:
        path.replace(path.with_name(SET_ASIDE))
        logging.getLogger(__name__).warning("%s is not this trial's, set aside: %s", path, error)
        return None
    return content
