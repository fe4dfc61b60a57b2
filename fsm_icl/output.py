"""What is printed never stops what is written: a pipe that is closed, a terminal that is gone, a narrow encoding."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from typing import TextIO

_NOBODY = (errno.EPIPE, errno.EIO, errno.EBADF, errno.ECONNRESET)
"""Errors of a stream that nobody reads any more: `| head`, a terminal or a connection that has gone."""


@contextlib.contextmanager
def steady_output() -> Iterator[None]:
    """Inside, printing goes on where nothing can be printed, and escapes what the terminal's encoding lacks.

    Streams that are not the process's own, as a test's or a notebook's, stay as they are.

    Raises:
        SystemExit: all went well, but the disk that stdout was sent to is full, or the like.
    """
    before = sys.stdout, sys.stderr
    lost: list[OSError] = []
    sys.stdout, sys.stderr = steady = _steady(sys.stdout, lost), _steady(sys.stderr, lost)
    try:
        yield
    except BaseException as error:
        _flush(*steady)
        if not lost or getattr(error, "exit_code", None) != 0:  # typer ends what went well by an exception, too
            raise
    finally:
        _flush(*steady)
        if lost:
            print(f"error: what was printed is not complete: {lost[0].strerror}", file=steady[1], flush=True)
        sys.stdout, sys.stderr = before
    if lost:
        raise SystemExit(1)


def end_without_reader() -> None:
    """From now on printing raises BrokenPipeError, once, where nobody reads it: for what would run for hours."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if isinstance(raw, _Descriptor):
        raw.needs_reader = True


def _flush(*streams: TextIO) -> None:
    for stream in streams:
        stream.flush()


def _steady(stream: TextIO | None, lost: list[OSError]) -> TextIO:
    if stream is None:  # closed by the shell: `>&-`
        return open(os.devnull, "w", encoding="utf-8")
    try:
        stream.flush()
        descriptor = stream.fileno()
    except (OSError, ValueError):  # it is in memory, or gone
        return stream
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(_Descriptor(descriptor, lost)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _Descriptor(io.RawIOBase):
    """A file descriptor that is someone else's to close, and takes everything."""

    def __init__(self, descriptor: int, lost: list[OSError]) -> None:
        """What can't be written though somebody may read it is added to `lost`."""
        self._descriptor, self._lost = descriptor, lost
        self.needs_reader = False
        """See `end_without_reader`."""

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: object) -> int:
        """Write what can be written now, and drop what never can."""
        content = bytes(data)  # type: ignore[call-overload]
        while True:
            try:
                return os.write(self._descriptor, content)
            except BlockingIOError:  # another program has set the terminal so
                select.select([], [self._descriptor], [])
            except OSError as error:
                if error.errno not in _NOBODY:
                    self._lost.append(error)
                elif self.needs_reader:
                    self.needs_reader = False
                    raise BrokenPipeError from None
                return len(content)
