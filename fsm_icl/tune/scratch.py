"""The folder of this machine that one run's Ray works in: nobody else may look into it, and it goes with the run."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "fsm-"
LOCK = "lock"
LONGEST = 24
"""Characters of the parent folder's path: Ray's unix sockets lie far below it, and their paths may have 107."""
NEEDED_BYTES = 2**20


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder with mode 0700, locked while it is in use and removed afterwards.

    What drivers that were killed have left behind is removed, too. Whether a driver lives is told by the kernel's lock
    and not by its process id, which means nothing in another container that shares the folder for temporary files.

    Raises:
        OSError: the folder for temporary files can't take it; `filename` says which one that is.
    """
    parent = _parent()
    _clear(parent)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    try:
        with (folder / "new-lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (folder / "new-lock").rename(folder / LOCK)  # so that it is never seen unlocked
            _check_room(folder)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _parent() -> Path:
    """Where temporary files go: $TMPDIR where it is set, though Python would pass over one that can't be used."""
    asked = os.environ.get("TMPDIR")
    parent = Path(asked or tempfile.gettempdir()).absolute()
    if asked and not parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "TMPDIR is no folder; name one that is, or unset it", asked)
    return parent if len(str(parent)) <= LONGEST else Path("/tmp")


def _check_room(folder: Path) -> None:
    """Raises OSError where the disk is full: Ray would time out with no word about it."""
    room = folder / "room"
    try:
        room.write_bytes(bytes(NEEDED_BYTES))
        room.unlink()
    except OSError as error:
        why = f"{error.strerror}; make room there, or set TMPDIR to a folder that has some"
        raise OSError(error.errno, why, str(folder.parent)) from None


def _clear(parent: Path) -> None:
    for lock in parent.glob(f"{PREFIX}*/{LOCK}"):
        with contextlib.suppress(OSError):  # another user's, or gone meanwhile
            if lock.stat().st_uid == os.getuid() and _is_free(lock):
                shutil.rmtree(lock.parent, ignore_errors=True)


def _is_free(lock: Path) -> bool:
    with lock.open() as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
