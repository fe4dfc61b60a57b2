"""What this machine has, and what of it would make a sweep fail or crawl: `fsm-icl doctor`."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from fsm_icl.cluster.cluster_file import pinned
from fsm_icl.hardware import cpu_quota, driver_gpus, memory_bytes, num_cores, num_gpus, uncounted_gpus, visible_gpus
from fsm_icl.tune.scratch import LONGEST

PACKAGES = ("torch", "ray", "optuna", "wandb")
MIN_MEMORY = MIN_DISK = 2 * 10**9
"""Bytes. A worker takes half a gigabyte, most of it torch."""


@dataclass(frozen=True)
class Diagnosis:
    """One line: what was looked at, what was found, and what to do about it where it is wrong."""

    name: str
    found: str
    fix: str | None = None

    @property
    def line(self) -> str:
        """As it is shown."""
        mark = "ok  " if self.fix is None else "BAD "
        return f"{mark} {self.name:<12} {self.found}" + (f": {self.fix}" if self.fix else "")


def findings(results: Path) -> Iterator[Diagnosis]:
    """Everything, in the order shown. Raises ValueError where there is no constraints.txt to compare with."""
    python = platform.python_version()
    old = tuple(map(int, platform.python_version_tuple()[:2])) < (3, 11)
    yield Diagnosis("python", python, "needs 3.11 or later: make PYTHON=python3.11" if old else None)
    wanted = pinned()
    for package in PACKAGES:
        yield _package(package, wanted[package])
    yield _threads()
    yield _gpus()
    yield _seen()
    yield _memory()
    yield from _folder(results)
    yield _temp()
    yield _others(results)
    yield _wandb()
    yield _rsync()


def _package(name: str, wanted: str) -> Diagnosis:
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Diagnosis(name, "not installed", "make .venv/installed")
    same = found.partition("+")[0] == wanted  # 2.13.0+cpu is torch 2.13.0
    return Diagnosis(name, found, None if same else f"constraints.txt has {wanted}; run make .venv/installed")


def _threads() -> Diagnosis:
    cores, quota = num_cores(), cpu_quota()
    threads = os.environ.get("OMP_NUM_THREADS")
    granted = "" if quota is None else f" (a quota of {quota:g})"
    text = f"{cores} usable of {os.cpu_count()}{granted}, OMP_NUM_THREADS {threads or 'not set'}"
    crowded = threads is not None and threads.isdigit() and int(threads) > cores
    return Diagnosis("cores", text, "more threads than cores; unset OMP_NUM_THREADS" if crowded else None)


def _gpus() -> Diagnosis:
    count = num_gpus()
    if not count:
        note = uncounted_gpus()
        return Diagnosis("gpus", f"none visible; sweeps run on the CPU{'' if note is None else f' ({note})'}")
    fix = f"torch {torch_version()} can't use them; install the build for this driver"
    return Diagnosis("gpus", f"{count}, {_driver()}", None if torch_gpus() else fix)


def _seen() -> Diagnosis:
    """How many GPUs each of those who look for them has seen; where only some see one, sweeps use none."""
    visible, seen = visible_gpus(), torch_gpus()
    by = {"the driver": driver_gpus(), "torch": seen, "Ray": _rays()}
    if visible is not None:
        by["CUDA_VISIBLE_DEVICES"] = len(visible)
    text = ", ".join(f"{who} {number}" for who, number in by.items())
    missed = seen and not num_gpus()
    return Diagnosis("gpus seen by", text, f"to use what torch sees give `tune` --gpus {seen}" if missed else None)


def torch_gpus() -> int:
    """GPUs that torch can compute on."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def torch_version() -> str:
    """torch's version, and what of CUDA it was built for."""
    import torch

    return f"{torch.__version__} (CUDA {torch.version.cuda})"


def _rays() -> int | str:
    """How many GPUs Ray finds on this machine."""
    try:
        from ray._private.accelerators import get_all_accelerator_managers

        managers = [m for m in get_all_accelerator_managers() if m.get_resource_name() == "GPU"]
        return sum(int(manager.get_current_node_num_accelerators()) for manager in managers)
    except Exception as error:  # noqa: BLE001  (libraries of several vendors; what else was seen is told all the same)
        return f"can't tell ({type(error).__name__})"


def _hidden() -> str:
    visible = visible_gpus()
    return "" if visible is None else f", CUDA_VISIBLE_DEVICES shows {len(visible)}"


def _driver() -> str:
    version = Path("/proc/driver/nvidia/version")
    return version.read_text().splitlines()[0] if version.is_file() else "a driver that does not name its version"


def _memory() -> Diagnosis:
    info = Path("/proc/meminfo")
    if not info.is_file():
        return Diagnosis("memory", "can't be told on this system")
    (line,) = (line for line in info.read_text().splitlines() if line.startswith("MemAvailable"))
    free = int(line.split()[1]) * 1024
    granted = memory_bytes()  # of a container, or of a job
    free = free if granted is None else min(free, granted)
    return Diagnosis(
        "memory", f"{free / 1e9:.1f} GB available", "less than 2 GB; end something" if free < MIN_MEMORY else None
    )


def _nearest(results: Path) -> Path:
    """The folder, or the one that it will be made in."""
    return next(folder for folder in (results.absolute(), *results.absolute().parents) if folder.is_dir())


def _folder(results: Path) -> Iterator[Diagnosis]:
    there = _nearest(results)
    free = shutil.disk_usage(there).free
    few = "less than 2 GB; choose another disk with --results" if free < MIN_DISK else None
    yield Diagnosis("disk", f"{free / 1e9:.1f} GB free at {there}", few)
    writable = os.access(there, os.W_OK)
    yield Diagnosis(
        "results",
        f"{there} can{'' if writable else 'not'} be written",
        None if writable else "choose another with --results",
    )


def _temp() -> Diagnosis:
    folder = tempfile.gettempdir()
    if len(folder) <= LONGEST:
        return Diagnosis("temp", folder)
    usable = os.access("/tmp", os.W_OK)
    text = f"{folder} is too long for Ray's sockets"
    return (
        Diagnosis("temp", f"{text}, so /tmp is used")
        if usable
        else Diagnosis("temp", text, "set TMPDIR to a short path")
    )


def _others(results: Path) -> Diagnosis:
    """What other users of this machine can and can't do."""
    there = _nearest(results)
    mode = there.stat().st_mode
    seen = "read the results" if mode & stat.S_IROTH and mode & stat.S_IXOTH else "not read the results"
    text = f"can {seen}, and see the command line; Ray asks for a token that you alone can read"
    risk = f"{there} can be changed by every user; take that right away (chmod o-w)" if _anyone_writes(mode) else None
    return Diagnosis("other users", text, risk)


def _anyone_writes(mode: int) -> bool:
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def _wandb() -> Diagnosis:
    mode = os.environ.get("WANDB_MODE")
    if mode is not None and mode not in ("offline", "online", "disabled"):
        return Diagnosis("wandb mode", f"WANDB_MODE={mode!r}", "use offline, online or disabled")
    read = "" if mode is None else f"; WANDB_MODE={mode} is not read, --wandb says it"
    return Diagnosis("wandb mode", f"offline, the default; no account is needed{read}")


def _rsync() -> Diagnosis:
    """No fault here: only clusters of machines, and of AWS, need it."""
    there = shutil.which("rsync")
    return Diagnosis("rsync", there or "not installed; `ray up` and `fsm-icl cluster fetch` need it here")
