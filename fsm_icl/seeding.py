"""One seed -> named independent generators.

A stream depends on `(seed, *name)` only: never on how much another part drew, on the worker or on PYTHONHASHSEED.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive(seed: int, *name: str | int) -> int:
    """A 63-bit seed for the stream `name` of `seed` (first bytes of the SHA-256 of their JSON)."""
    digest = hashlib.sha256(json.dumps([seed, *name]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def numpy_generator(seed: int, *name: str | int) -> np.random.Generator:
    """A fresh NumPy generator for the stream `name` of `seed`."""
    return np.random.default_rng(derive(seed, *name))


def torch_generator(seed: int, *name: str | int) -> torch.Generator:
    """A fresh CPU torch generator for the stream `name` of `seed`."""
    import torch  # here, so that who only needs numbers does not wait for torch

    return torch.Generator().manual_seed(derive(seed, *name))
