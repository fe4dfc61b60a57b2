"""What this machine lets this process use: cores, memory and GPUs. Reads a few small files of the kernel, no torch."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/")
"""Where /proc, /sys and /dev lie; tests put a made-up machine there."""


def num_cores() -> int:
    """CPU cores that this process may use: its affinity, and the quota of its control groups rounded down."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return allowed if quota is None else max(1, min(allowed, int(quota)))


def cpu_quota() -> float | None:
    """Cores' worth of time that containers, Slurm or systemd grant this process; None where nothing limits it.

    `docker run --cpus 2` and a Kubernetes limit set a quota, and leave the affinity at all cores of the machine.
    """
    quotas = [quota for group in _control_groups("cpu") if (quota := _quota(group)) is not None]
    return min(quotas, default=None)


def memory_bytes() -> int | None:
    """Memory that this process may use: the machine's, or the least that its control groups grant. None: unknown."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None
    names = ("memory.max", "memory.limit_in_bytes")
    said = [words[0] for group in _control_groups("memory") for name in names if (words := _words(group / name))]
    return min([total, *(int(word) for word in said if word.isdigit())])


def num_gpus() -> int:
    """Visible NVIDIA GPUs, as the driver says, and the MIG slices that CUDA_VISIBLE_DEVICES names; needs no torch."""
    there, visible = driver_gpus(), visible_gpus()
    if visible is None or not there:
        return there
    slices = sum(name.startswith("MIG-") for name in visible)
    return slices or min(there, len(visible))


def driver_gpus() -> int:
    """GPUs that NVIDIA's driver lists, whoever may use them."""
    return len(list((ROOT / "proc/driver/nvidia/gpus").glob("*")))


def visible_gpus() -> list[str] | None:
    """What CUDA_VISIBLE_DEVICES lets this process see; None where it is not set."""
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    return None if said is None else [name for name in map(str.strip, said.split(",")) if name not in ("", "-1")]


def uncounted_gpus() -> str | None:
    """A GPU that `num_gpus` does not count, and what to do about it; None where there is no sign of one."""
    if num_gpus() or visible_gpus() == []:
        return None
    if platform.system() == "Darwin":
        return "Apple's GPU is not used: trials run on the CPU"
    if (ROOT / "dev/dxg").exists():
        return "WSL2 shows a GPU to CUDA but not under /proc/driver/nvidia: give --gpus 1 to use it"
    if amd := _amd_gpus():
        return f"{amd} AMD GPUs are not counted: with torch's build for ROCm give --gpus {amd} to use them"
    if any((ROOT / "dev").glob("nvidia[0-9]*")):
        return "/dev has NVIDIA GPUs that are not under /proc/driver/nvidia: give --gpus N to use them"
    return None


def _amd_gpus() -> int:
    """Nodes of ROCm's topology that are GPUs: a CPU's gpu_id is 0."""
    nodes = (ROOT / "sys/class/kfd/kfd/topology/nodes").glob("*/gpu_id")
    return sum(_words(node) not in ([], ["0"]) for node in nodes)


def _quota(group: Path) -> float | None:
    """Cores' worth of time in one control group, of either version."""
    words = _words(group / "cpu.max")  # "200000 100000", or "max 100000"
    if not words:
        words = [*_words(group / "cpu.cfs_quota_us"), *_words(group / "cpu.cfs_period_us")]  # -1: no quota
    if len(words) != 2 or not all(word.isdigit() for word in words) or not int(words[1]):
        return None
    return int(words[0]) / int(words[1])


def _control_groups(controller: str) -> Iterator[Path]:
    """The folders of this process's control group and of all above it that can be seen: each limits it."""
    memberships = [line.split(":", 2) for line in _lines(ROOT / "proc/self/cgroup")]
    paths = {name: path for _, names, path in memberships for name in names.split(",")}  # version 2 has no names: ""
    for line in _lines(ROOT / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        name = "" if kind == "cgroup2" else controller
        if kind not in ("cgroup", "cgroup2") or (name and name not in options.split(",")) or name not in paths:
            continue
        top, mount = before.split(" ")[3:5]
        yield from _upwards(ROOT / mount.lstrip("/"), PurePosixPath(paths[name]), PurePosixPath(top))


def _upwards(mount: Path, path: PurePosixPath, top: PurePosixPath) -> Iterator[Path]:
    """From a group's folder up to its mount point; what lies above `top` is not mounted here."""
    inside = path.relative_to(top) if path.is_relative_to(top) and ".." not in path.parts else PurePosixPath()
    yield mount / inside
    yield from (mount / above for above in inside.parents)


def _lines(path: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return path.read_text().splitlines()
    return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()
