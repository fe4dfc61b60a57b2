"""A machine that does not see the sweep's folder as the driver does says so, and writes nothing."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from fsm_icl.sweep.store import probe as probe_module
from fsm_icl.sweep.store.probe import probe, problem_here
from fsm_icl.sweep.store.store import Store, StoreError

HERE = platform.node()


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


@pytest.fixture
def sweep(tmp_path: Path) -> Store:
    with Store(tmp_path / "sweep") as store:
        return store


def test_a_folder_that_is_shared_is_left_as_it_was(sweep: Store) -> None:
    before = contents(sweep.folder)  # type: ignore[arg-type]
    assert problem_here(sweep.folder, sweep.id, "head") is None
    assert contents(sweep.folder) == before  # type: ignore[arg-type]


def test_a_folder_of_this_machine_alone_is_told_apart(sweep: Store, tmp_path: Path) -> None:
    missing = tmp_path / "elsewhere"
    assert problem_here(missing, sweep.id, "head") == (
        f"{HERE} does not see {missing}, which the driver on head does: "
        "give --results a folder that every machine sees under one path, or a URI"
    )
    assert not missing.exists()
    said = problem_here(sweep.folder, "00000000", "head")
    assert said is not None
    assert f"another folder on {HERE} (id '{sweep.id}') than on the driver's machine head (id '00000000')" in said


@pytest.mark.parametrize("step", ["write_atomically", "read_bytes", "remove"])
def test_each_step_that_fails_is_told_with_the_machine(
    sweep: Store, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fails(path: Path, *_: object) -> bytes:
        if "probe" in path.name:
            raise OSError(30, "Read-only file system", str(path))
        return path.read_bytes()

    monkeypatch.setattr(probe_module, step, fails)
    said = problem_here(sweep.folder, sweep.id, step)  # a driver's name that no other call has: it is asked once
    assert said is not None
    assert said.startswith(f"{sweep.folder} can't be used by {HERE}, but by the driver on {step}: ")
    assert "Read-only file system" in said


def test_what_is_read_is_compared_with_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "read_bytes", lambda _: b"")
    with pytest.raises(OSError, match="what was written is not what is read"):
        probe(tmp_path)
    assert contents(tmp_path) == []


def test_the_driver_probes_when_it_opens_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: Path) -> None:
        raise OSError(28, "No space left on device", str(folder))

    monkeypatch.setattr("fsm_icl.sweep.store.store.probe", full)
    with pytest.raises(StoreError, match=f"cannot be written by {HERE}: No space left on device"):
        Store(tmp_path)
