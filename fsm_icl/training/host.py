"""The machine a trial ran on, for its record. No result depends on any of it."""

from __future__ import annotations

import platform
import resource
import sys
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import numpy as np
import torch


def device_name(device: str) -> str:
    """The GPU's model name, or "cpu"."""
    return torch.cuda.get_device_name(device) if _is_cuda(device) else device


def start_peak_memory(device: str) -> None:
    """Begin a new maximum. On the CPU there is none to begin: see peak_memory_bytes."""
    if _is_cuda(device):
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory_bytes(device: str) -> int:
    """Most GPU memory that tensors held since start_peak_memory; on the CPU the process's peak resident set.

    The latter includes torch itself and, in a worker that is reused, the trials before this one.
    """
    if _is_cuda(device):
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kilobytes everywhere but on macOS


@lru_cache
def cpu_model() -> str:
    """E.g. "Intel(R) Xeon(R) CPU @ 2.20GHz"; results are bit for bit the same only on one model."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


@lru_cache
def versions() -> dict[str, str]:
    """Versions of what computes the results."""
    try:
        ours = metadata.version("fsm-icl")
    except metadata.PackageNotFoundError:  # run from a bare folder on PYTHONPATH
        ours = "not installed"
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "fsm_icl": ours,
    }


def _is_cuda(device: str) -> bool:
    return torch.device(device).type == "cuda"
