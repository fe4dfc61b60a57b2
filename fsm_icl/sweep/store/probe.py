"""A sweep's folder as every machine has to see it: the same folder, where files can be written, read and removed."""

from __future__ import annotations

import errno
import functools
import platform
import secrets
from typing import TYPE_CHECKING

from fsm_icl.results.files import exists, os_error_text, read_bytes, remove, write_atomically
from fsm_icl.results.layout import SweepFolder

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder

PROBE = "probe"
"""Begins the name of the file that is written and removed again."""
_ENOUGH = 4096
"""Bytes: a full disk takes a small file's name, but not its content."""


def probe(folder: Folder, size: int = _ENOUGH) -> None:
    """Write a file of `size` bytes into `folder`, read it and remove it. Raises OSError, naming what went wrong."""
    path = folder / f"{PROBE}-{secrets.token_hex(8)}"
    content = b"x" * size
    try:
        write_atomically(path, content)
        if read_bytes(path) != content:
            raise OSError(errno.EIO, "what was written is not what is read", str(path))
    finally:
        remove(path)


@functools.cache
def problem_here(folder: Folder, sweep_id: str, driver: str) -> str | None:
    """Why this process can't work in the sweep's folder, and on which machine that is; None if it can.

    `sweep_id` is what the driver, on the machine of that name, reads in `folder/id`. Asked once a process.
    """
    here, advice = platform.node(), "give --results a folder that every machine sees under one path, or a URI"
    try:
        if not exists(SweepFolder(folder).id):
            return f"{here} does not see {folder}, which the driver on {driver} does: {advice}"
        found = read_bytes(SweepFolder(folder).id).decode(errors="replace").strip()
        if found != sweep_id:
            where = f"on {here} (id {found!r}) than on the driver's machine {driver} (id {sweep_id!r})"
            return f"{folder} is another folder {where}: {advice}"
        probe(folder)
    except OSError as error:
        return f"{folder} can't be used by {here}, but by the driver on {driver}: {os_error_text(error)}"
    return None
