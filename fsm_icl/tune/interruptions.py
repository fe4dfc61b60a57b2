"""What ends a run early: Ctrl-C, signals, the time limit, Ray's death. Each is a KeyboardInterrupt on its way out."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import ClassVar

AGAIN_SECONDS = 5.0
"""The time limit fires again after this, since a library on the way may have swallowed the first exception."""
_ASKED = signal.SIGUSR2
"""Sent by a thread of this process (see `interrupt`)."""


class Interrupted(KeyboardInterrupt):
    """The run ends early, as on Ctrl-C; what has ended is kept."""

    why: str = "stopped"
    code: int = 130
    """Exit code of the command, as timeout(1) and shells have it."""


class TimeLimitReached(Interrupted):
    """The time limit has passed."""

    why, code = "the time limit is reached", 124


class Terminated(Interrupted):
    """SIGTERM or SIGHUP: a scheduler wants the machine, or the terminal is gone."""

    why, code = "terminated", 143


class RayIsGone(Interrupted):
    """Parts of Ray have died, or nothing has been heard of any trial for too long."""

    why, code = "Ray is gone", 1

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class _Pending:
    """What `interrupt` was called with."""

    error: ClassVar[Interrupted | None] = None


def interrupt(error: Interrupted) -> None:
    """Raise `error` in the main thread, inside `interruptions`; may be called from any thread."""
    _Pending.error = error
    signal.pthread_kill(threading.main_thread().ident or 0, _ASKED)


@contextlib.contextmanager
def interruptions(time_limit: float | None) -> Iterator[None]:
    """Inside, signals and the end of the time limit raise in the main thread, as Ctrl-C does.

    SIGHUP stays ignored where it is, as under nohup(1).
    """
    why: list[Interrupted] = []

    def end(number: int, _: FrameType | None) -> None:
        why.append(_meaning(number))
        raise why[0]

    numbers = [signal.SIGALRM, signal.SIGTERM, _ASKED]
    numbers += [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN else []
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        signal.setitimer(signal.ITIMER_REAL, time_limit or 0, AGAIN_SECONDS if time_limit else 0)
        yield
    except (KeyboardInterrupt, SystemExit):
        if why:
            raise why[0] from None  # Ray's own code turns each into a plain one
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _meaning(number: int) -> Interrupted:
    if number == _ASKED:
        return _Pending.error or Interrupted()
    return TimeLimitReached() if number == signal.SIGALRM else Terminated()


def say_why(error: KeyboardInterrupt) -> int:
    """Print why the run ended early and how to go on; returns the exit code."""
    end = error if isinstance(error, Interrupted) else Interrupted()
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(f"\n{end.why}; what has ended is kept, the same command goes on from there", file=sys.stderr, flush=True)
    return end.code
