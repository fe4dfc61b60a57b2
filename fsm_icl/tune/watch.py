"""Ends a run whose Ray has died: Tune would wait for it for ever, and Ray itself says nothing."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Iterator

import ray

from fsm_icl.tune.interruptions import RayIsGone, interrupt, say_why

LOOK_SECONDS = 1.0
LEAVE_SECONDS = 20.0
"""Time for the driver's main thread to end by itself; it may be inside a call to Ray that never returns."""
GRACE_SECONDS = 120.0
"""Beyond the stall limit: a worker that was given up for silence is started again first."""


class Watch:
    """A thread beside the run. Inside `looking` it looks at Ray's processes and at how long all trials are silent."""

    def __init__(
        self,
        silence: Callable[[], float],
        limit: float,
        last_words: Callable[[], None],
        leave: float = LEAVE_SECONDS,
    ) -> None:
        """Start the thread.

        Args:
            silence: seconds since any trial that runs has given a sign of life, 0 where none runs.
            limit: how many of them are too many.
            last_words: what is to be written before the process is ended by force.
            leave: seconds in which the main thread has to end by itself.
        """
        self._silence, self._limit, self._last_words, self._leave = silence, limit, last_words, leave
        self._looking, self._left = threading.Event(), threading.Event()
        threading.Thread(target=self._work, name="ray-watch", daemon=True).start()

    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        """While Ray should be alive: not while it starts or ends."""
        self._looking.set()
        try:
            yield
        finally:
            self._looking.clear()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()

    def _work(self) -> None:
        while not self._left.wait(LOOK_SECONDS):
            if self._looking.is_set() and (why := self._trouble()) is not None:
                error = RayIsGone(why)
                interrupt(error)
                if not self._left.wait(self._leave):
                    self._end(error)
                return

    def _trouble(self) -> str | None:
        if dead := dead_parts():
            return f"parts of Ray have died ({', '.join(dead)}), as when the machine is short of memory"
        silent = self._silence()
        if silent > self._limit + GRACE_SECONDS:
            return f"no trial has given a sign of life for {silent:.0f} s (--stall-limit {self._limit:.0f}s)"
        return None

    def _end(self, error: RayIsGone) -> None:
        with contextlib.suppress(Exception):
            self._last_words()
        for process in _processes():
            with contextlib.suppress(OSError):
                process.kill()
        os._exit(say_why(error))


def dead_parts() -> list[str]:
    """Processes of Ray on this machine that have ended though nobody asked them to, with their exit codes."""
    node = ray._private.worker._global_node
    dead = [] if node is None else node.dead_processes()
    return [f"{kind}, exit code {process.returncode}" for kind, process in dead]


def _processes() -> list[subprocess.Popen[bytes]]:
    node = ray._private.worker._global_node
    return [] if node is None else [process for _, process in node.live_processes()]
