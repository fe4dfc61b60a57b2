"""What a process may use, on machines that are made up of a few files."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from fsm_icl import hardware

V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
V1 = "33 31 0:30 {top} /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct"
MEMORY = "34 31 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """64 cores, and none of the files."""
    monkeypatch.setattr(hardware, "ROOT", tmp_path)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


def put(machine: Path, **files: str) -> None:
    for path, text in files.items():
        target = machine / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def grouped(machine: Path, membership: str, mounts: str, files: dict[str, str]) -> None:
    put(machine, **{"proc/self/cgroup": membership, "proc/self/mountinfo": mounts})
    put(machine, **{f"sys/fs/cgroup/{path}": text for path, text in files.items()})


def test_without_control_groups_it_is_the_affinity() -> None:
    assert hardware.num_cores() == 64
    assert hardware.cpu_quota() is None


@pytest.mark.parametrize(
    ("said", "cores"),
    [
        ("200000 100000\n", 2),
        ("50000 25000\n", 2),
        ("350000 100000\n", 3),  # half a core more would only be throttled
        ("20000 100000\n", 1),
        ("9900000 100000\n", 64),
        ("max 100000\n", 64),
        ("nonsense\n", 64),
    ],
)
def test_a_quota_of_version_2_counts_beside_the_affinity(machine: Path, said: str, cores: int) -> None:
    grouped(machine, "0::/\n", V2, {"cpu.max": said})
    assert hardware.num_cores() == cores


def test_a_quota_of_any_group_above_counts(machine: Path) -> None:
    files = {"a/cpu.max": "300000 100000", "a/b/cpu.max": "500000 100000", "a/b/c/cpu.max": "max 100000"}
    grouped(machine, "0::/a/b/c\n", V2, files)
    assert hardware.num_cores() == 3


def test_a_group_that_lies_outside_what_is_mounted_is_read_at_the_mount(machine: Path) -> None:
    grouped(machine, "0::/../../elsewhere\n", V2, {"cpu.max": "400000 100000"})
    assert hardware.num_cores() == 4


@pytest.mark.parametrize(("top", "path"), [("/", "docker/abc/"), ("/docker/abc", "")])
def test_a_quota_of_version_1_counts(machine: Path, top: str, path: str) -> None:
    files = {f"cpu,cpuacct/{path}cpu.cfs_quota_us": "600000", f"cpu,cpuacct/{path}cpu.cfs_period_us": "100000"}
    membership = "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/system.slice\n"
    grouped(machine, membership, V1.format(top=top), files)
    assert hardware.num_cores() == 6
    put(machine, **{f"sys/fs/cgroup/cpu,cpuacct/{path}cpu.cfs_quota_us": "-1"})
    assert hardware.num_cores() == 64


def test_memory_that_is_granted_is_less_than_the_machines(machine: Path) -> None:
    whole = hardware.memory_bytes()
    assert whole is not None
    grouped(machine, "0::/job\n", V2, {"job/memory.max": "max", "memory.max": "123456789"})
    assert hardware.memory_bytes() == 123456789
    grouped(machine, "5:memory:/\n", MEMORY, {"memory/memory.limit_in_bytes": "9223372036854771712"})
    assert hardware.memory_bytes() == whole


def with_gpus(machine: Path, number: int) -> None:
    for index in range(number):
        (machine / f"proc/driver/nvidia/gpus/0000:0{index}:00.0").mkdir(parents=True)


@pytest.mark.parametrize(
    ("visible", "number"),
    [(None, 2), ("0", 1), ("", 0), ("-1", 0), ("0,1,2", 2), ("MIG-a,MIG-b,MIG-c", 3), ("GPU-a, GPU-b", 2)],
)
def test_gpus_and_slices_that_are_visible(
    machine: Path, monkeypatch: pytest.MonkeyPatch, visible: str | None, number: int
) -> None:
    with_gpus(machine, 2)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert hardware.num_gpus() == number
    assert hardware.uncounted_gpus() is None


def test_gpus_that_are_not_counted_are_named_with_what_to_do(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hardware.uncounted_gpus() is None
    put(machine, **{f"sys/class/kfd/kfd/topology/nodes/{n}/gpu_id": gpu for n, gpu in enumerate(("0", "3", "7"))})
    assert "2 AMD GPUs" in str(hardware.uncounted_gpus())
    assert "--gpus 2" in str(hardware.uncounted_gpus())
    put(machine, **{"dev/dxg": ""})
    assert "WSL2" in str(hardware.uncounted_gpus())
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert "on the CPU" in str(hardware.uncounted_gpus())
    with_gpus(machine, 1)
    assert hardware.uncounted_gpus() is None


def test_what_was_hidden_on_purpose_is_not_asked_for(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(machine, **{"dev/dxg": ""})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert hardware.uncounted_gpus() is None
