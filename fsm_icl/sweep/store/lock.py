"""One driver at a time on a sweep's folder: the kernel's lock on a disk, an object with a heartbeat at a URI."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import secrets
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from pydantic import ValidationError

from fsm_icl.results.files import read_bytes, remove, write_atomically
from fsm_icl.results.layout import SweepFolder
from fsm_icl.results.records import FrozenModel

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder

log = logging.getLogger(__name__)
ATTEMPTS = 20
"""Times that a lock is tried, 50 ms apart: a command that looks who holds it may be stopped while it looks."""
BEAT_SECONDS = 5.0
STILL_BEATS = 4
"""A lock object whose counter has not moved for this number of beats has lost its driver."""
SETTLE_SECONDS = 1.0
"""Object stores have no locks: of two newcomers who write at the same moment, the last one to write wins."""


class LockedError(Exception):
    """Another driver has the folder; the message is its pid and host."""


class LockLostError(OSError):
    """Another driver has taken the folder over, since this one stood still for too long."""


class Lock(Protocol):
    """A folder that is this process's own until `close`."""

    def check(self) -> None:
        """Raises LockLostError when it is not ours any more."""

    def close(self) -> None:
        """Let another driver in."""


def lock(folder: Folder) -> Lock:
    """Lock a sweep's folder.

    Raises:
        LockedError: another driver has it.
        OSError: it can't be written.
    """
    return FileLock(folder) if isinstance(folder, Path) else ObjectLock(folder)


def driver_of(folder: Folder) -> str | None:
    """Who holds the folder, e.g. "pid 12 on host"; None when nobody does. At a URI, with its last sign of life."""
    try:
        if isinstance(folder, Path):
            return _holder(SweepFolder(folder).lock)
        path = SweepFolder(folder).lock
        owner = _owner(read_bytes(path))
        return f"{owner}, last sign of life {max(0, time.time() - path.stat().st_mtime):.0f} s ago"
    except OSError:
        return None


def _holder(path: Path) -> str | None:
    _refuse_special(path)
    try:
        with path.open() as stream, _folder_lock(path.parent, fcntl.LOCK_SH):
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)  # let go of at once, as the file is closed
    except BlockingIOError:
        return path.read_text(errors="replace").strip() or "another process"
    return None


def _refuse_special(path: Path) -> None:
    """Raises OSError where `path` is a pipe, a device or the like, on which opening it would wait for ever."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(errno.EINVAL, "is no file; move it away", str(path))


@contextlib.contextmanager
def _folder_lock(folder: Path, how: int) -> Iterator[int]:
    """Lock the folder itself: unlike the file in it, nobody removes it by mistake. Raises BlockingIOError.

    Network file systems lock files alone; there the file has to do.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            log.debug("%s: the folder can't be locked, only the file in it", folder)
        yield descriptor
    finally:
        os.close(descriptor)


def _me() -> str:
    return f"pid {os.getpid()} on {socket.gethostname()}"


class FileLock:
    """The kernel drops it with the process, so it can be neither lost nor left behind."""

    def __init__(self, folder: Path) -> None:
        _refuse_special(SweepFolder(folder).lock)
        with contextlib.ExitStack() as undo:
            stream = undo.enter_context((SweepFolder(folder).lock).open("a+"))
            if not self._acquired(stream, folder, undo):
                stream.seek(0)
                raise LockedError(stream.read().strip() or "another process")
            stream.truncate(0)
            stream.write(f"{_me()}\n")
            stream.flush()
            self._held = undo.pop_all()

    def _acquired(self, stream: TextIO, folder: Path, undo: contextlib.ExitStack) -> bool:
        """Whether it is ours now. Tried for a moment: who asks for a sweep's status holds it for as long."""
        for attempt in range(ATTEMPTS):
            time.sleep(0.05 if attempt else 0)
            with contextlib.suppress(BlockingIOError), contextlib.ExitStack() as both:
                both.enter_context(_folder_lock(folder, fcntl.LOCK_EX))
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                undo.push(both.pop_all())
                return True
        return False

    def check(self) -> None:
        """Nobody can take it."""

    def close(self) -> None:
        """Let another driver in."""
        self._held.close()


class Beat(FrozenModel):
    """The lock object: whose it is, and a counter that moves while they live."""

    owner: str
    token: str
    beats: int = 0


class ObjectLock:
    """An object in the folder that a thread keeps counting up.

    A newcomer watches the counter by its own clock and takes over when it stands still; whoever was only asleep sees
    that at its next beat and stops. What the two write meanwhile is the same: a record is a function of its trial.
    """

    def __init__(self, folder: Folder) -> None:
        """As `lock`; takes STILL_BEATS beats where a driver has died without a word."""
        self._path = SweepFolder(folder).lock
        self._mine = Beat(owner=_me(), token=secrets.token_hex(8))
        self._lost: str | None = None
        self._closing = threading.Event()
        if (theirs := self._read()) is not None:
            self._watch(theirs)
        self._write()
        time.sleep(SETTLE_SECONDS)
        if not self._still_mine():
            raise LockedError(str(self._lost))
        self._thread = threading.Thread(target=self._live, name="lock", daemon=True)
        self._thread.start()

    def _watch(self, theirs: bytes) -> None:
        """Return once the lock is gone or stands still. Raises LockedError when it moves."""
        seconds = BEAT_SECONDS * STILL_BEATS
        log.warning("%s: %s has it; waiting up to %.0f s for a sign of life", self._path, _owner(theirs), seconds)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(BEAT_SECONDS / 5)
            now = self._read()
            if now is None:
                return
            if now != theirs:
                raise LockedError(_owner(now))

    def _live(self) -> None:
        while not self._closing.wait(BEAT_SECONDS):
            with contextlib.suppress(OSError):  # out of reach: the next beat may get through
                if not self._still_mine():
                    return
                self._mine = self._mine.model_copy(update={"beats": self._mine.beats + 1})
                self._write()

    def _still_mine(self) -> bool:
        found = self._read()
        if found is None or self._mine.token.encode() not in found:
            self._lost = _owner(found) if found else "someone who removed the lock"
        return self._lost is None

    def check(self) -> None:
        """Raises LockLostError when another driver has taken over."""
        if self._lost is not None:
            raise LockLostError(errno.EBUSY, f"taken over by {self._lost}", str(self._path))

    def close(self) -> None:
        """Let another driver in."""
        self._closing.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            if self._still_mine():
                remove(self._path)

    def _read(self) -> bytes | None:
        try:
            return read_bytes(self._path)
        except FileNotFoundError:
            return None

    def _write(self) -> None:
        write_atomically(self._path, self._mine.model_dump_json())


def _owner(content: bytes) -> str:
    try:
        return Beat.model_validate_json(content).owner
    except ValidationError:
        return "another process"
