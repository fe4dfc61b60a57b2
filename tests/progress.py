"""Limits by progress: a test that waits for another process gives up when nothing happens, however slow the host is."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PATIENCE = 300.0
"""Seconds without any progress: starting Ray and importing torch takes a minute on a host with 12 processes a core."""
HOWEVER_LONG = 3600
"""For `pytest.mark.timeout`, which counts seconds alone: a last resort."""


class NoProgress(AssertionError):
    """Nothing has happened for PATIENCE seconds."""


class Watch:
    """Knows when something below some folders last changed."""

    def __init__(self, *folders: Path) -> None:
        self.folders, self.seen, self.since = folders, frozenset[tuple[str, int]](), time.monotonic()

    def check(self, about: object = "") -> None:
        """Look. Raises NoProgress when nothing has changed for too long."""
        now = frozenset(_changes(self.folders))
        if now != self.seen:
            self.seen, self.since = now, time.monotonic()
        elif time.monotonic() - self.since > PATIENCE:
            raise NoProgress(f"nothing has changed for {PATIENCE:.0f} s below {self.folders}; {about}")


def _changes(folders: Sequence[Path]) -> list[tuple[str, int]]:
    found = []
    for folder in folders:
        for path, _, names in os.walk(folder):
            for name in names:
                try:
                    found.append((f"{path}/{name}", os.stat(f"{path}/{name}").st_mtime_ns))
                except FileNotFoundError:  # gone meanwhile
                    continue
    return found


def outcome(process: subprocess.Popen[str], *folders: Path) -> tuple[str, str]:
    """What a process said, once it has ended. Kills it when nothing changes below the folders for too long."""
    watch = Watch(*folders)
    while True:
        try:
            return process.communicate(timeout=2)
        except subprocess.TimeoutExpired:
            try:
                watch.check(process.args)
            except NoProgress as error:
                process.kill()
                raise NoProgress(f"{error}\n{process.communicate()}") from None


def run(command: Sequence[str], *folders: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """As subprocess.run, with the output as text."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, **options) as process:
        said, errors = outcome(process, *folders)
    return subprocess.CompletedProcess(command, process.returncode, said, errors)


def wait_until(done: Callable[[], bool], process: subprocess.Popen[str], *folders: Path, every: float = 0.05) -> None:
    """Wait for something while a process runs that is to bring it about."""
    watch = Watch(*folders)
    while not done():
        assert process.poll() is None, process.communicate() if process.stdout else process.returncode
        watch.check(process.args)
        time.sleep(every)
