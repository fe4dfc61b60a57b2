"""One driver at a time, also where there is no kernel to see to it."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from fsm_icl.results.files import as_folder, read_bytes, remove, write_atomically
from fsm_icl.sweep.store import lock as lock_module
from fsm_icl.sweep.store.lock import Beat, FileLock, LockedError, LockLostError, ObjectLock, driver_of, lock

BEAT = 0.1
US = f"pid {os.getpid()} on"


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(lock_module, "BEAT_SECONDS", BEAT)
    monkeypatch.setattr(lock_module, "SETTLE_SECONDS", BEAT / 2)
    return as_folder(f"memory://{uuid.uuid4().hex}")


def waited_for(what: Any, seconds: float = 5) -> bool:
    until = time.monotonic() + seconds
    while not what() and time.monotonic() < until:
        time.sleep(BEAT / 10)
    return bool(what())


def test_the_second_is_refused_with_the_firsts_pid_and_host(folder: Any) -> None:
    first = lock(folder)
    with pytest.raises(LockedError, match=US):
        lock(folder)
    first.check()
    first.close()
    lock(folder).close()
    assert driver_of(folder) is None


def test_a_lock_that_stands_still_is_taken_over(folder: Any, caplog: pytest.LogCaptureFixture) -> None:
    write_atomically(folder / "lock", Beat(owner="pid 1 on elsewhere", token="t", beats=7).model_dump_json())
    began = time.monotonic()
    taken = lock(folder)
    assert time.monotonic() - began >= BEAT * lock_module.STILL_BEATS
    assert "pid 1 on elsewhere has it" in caplog.text
    assert US.encode() in read_bytes(folder / "lock")
    taken.close()


def test_whatever_lies_there_is_judged_by_whether_it_moves(folder: Any) -> None:
    write_atomically(folder / "lock", "no lock at all")
    lock(folder).close()


def test_who_was_asleep_sees_that_the_lock_is_gone(folder: Any) -> None:
    sleeper = ObjectLock(folder)
    theirs = Beat(owner="pid 2 on elsewhere", token="t").model_dump_json()
    write_atomically(folder / "lock", theirs)

    def lost() -> bool:
        try:
            sleeper.check()
        except LockLostError:
            return True
        return False

    assert waited_for(lost)
    with pytest.raises(LockLostError, match="taken over by pid 2 on elsewhere"):
        sleeper.check()
    sleeper.close()
    assert read_bytes(folder / "lock") == theirs.encode()


def test_of_two_newcomers_one_gets_it(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one writes in the moment between our write and our second look."""

    def meanwhile(_: float) -> None:
        write_atomically(folder / "lock", Beat(owner="pid 3 on elsewhere", token="t").model_dump_json())

    monkeypatch.setattr(lock_module.time, "sleep", meanwhile)
    with pytest.raises(LockedError, match="pid 3 on elsewhere"):
        lock(folder)


def test_a_store_out_of_reach_for_a_moment_loses_nothing(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = lock(folder)
    seen = read_bytes(folder / "lock")
    with monkeypatch.context() as patch:

        def down(*_: Any) -> bytes:
            raise OSError("down")

        patch.setattr(lock_module, "read_bytes", down)
        time.sleep(3 * BEAT)
    assert waited_for(lambda: read_bytes(folder / "lock") != seen)
    mine.check()
    mine.close()


def test_a_lock_that_someone_removed_is_lost(folder: Any) -> None:
    mine = ObjectLock(folder)
    remove(folder / "lock")
    assert waited_for(lambda: mine._lost)
    mine.close()


def test_on_a_disk_the_kernel_keeps_it(tmp_path: Path) -> None:
    first = lock(tmp_path)
    assert isinstance(first, FileLock)
    assert driver_of(tmp_path).startswith(US)  # type: ignore[union-attr]
    with pytest.raises(LockedError, match=US):
        lock(tmp_path)
    first.close()
    assert driver_of(tmp_path) is None
