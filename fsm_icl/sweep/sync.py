"""Uploads what W&B has not got of a sweep: its logs on the disk, several at a time, none of them twice."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from fsm_icl.account import child_environment, obstacle
from fsm_icl.runs import SWEEP_JOB

Progress = Callable[[int, int], None]
"""Told how many logs have arrived, of how many."""
AT_A_TIME = 8
A_CALL = 500
"""Logs given to one `wandb sync`: a command line has its limits."""
LOOK_AFTER = 15.0
"""Seconds without any log arriving after which the server is asked whether it is there."""
PATIENCE = 300.0
"""Seconds without any log arriving after which `wandb sync` is stopped: it would try for ever."""


@dataclass(frozen=True)
class Synced:
    """What became of a sweep's logs."""

    before: int
    """Were on the server already."""
    sent: int
    left: int
    """Could not be sent now."""
    interrupted: int
    """Of trials that have not ended: the sweep's next run logs them anew."""
    problem: str | None


def told(done: Synced) -> str:
    """The summary for a person."""
    parts = [f"{done.sent} runs sent", f"{done.before} were there", f"{done.left} left"]
    if done.interrupted:
        parts.append(f"{done.interrupted} of trials that have not ended (the sweep's next run logs them)")
    return ", ".join(parts) + (f": {done.problem}; the same command goes on from there" if done.problem else "")


def sync(folder: Path, progress: Progress, only: Iterable[Path] | None = None, patience: float = PATIENCE) -> Synced:
    """Upload the logs below `folder`/wandb that the server has not got, or those in the folders `only`.

    Raises:
        ValueError: there is nothing that W&B logged.
    """
    home = folder / "wandb"
    logs = sorted(path for path in home.glob("*run-*/run-*.wandb") if not path.parent.is_symlink())
    if only is not None:
        logs = [path for path in logs if path.parent in only]
    if not logs:
        raise ValueError(f"{home}: no W&B logs; run the sweep with --wandb offline (the default)")
    whole = [path for path in logs if _is_whole(path)]
    waiting = [path for path in whole if not _mark(path).exists()]
    problem = (obstacle() or _send(home, waiting, progress, patience)) if waiting else None
    left = sum(not _mark(path).exists() for path in waiting)
    return Synced(
        before=len(whole) - len(waiting),
        sent=len(waiting) - left,
        left=left,
        interrupted=len(logs) - len(whole),
        problem=(problem or f"see {home / 'sync.log'}") if left else None,
    )


def _mark(log: Path) -> Path:
    return log.with_suffix(".wandb.synced")


def _is_whole(log: Path) -> bool:
    """A trial's with its marker, or the sweep's own."""
    _, _, trial = log.stem.removesuffix("-off").rpartition("-")
    return trial == SWEEP_JOB or (log.parent.parent / f"{trial}.done").exists()


def _send(home: Path, logs: list[Path], progress: Progress, patience: float) -> str | None:
    """Give the logs to `wandb sync`. Returns why some did not arrive, if so."""
    for begin in range(0, len(logs), A_CALL):
        part = [str(path.relative_to(home)) for path in logs[begin : begin + A_CALL]]
        tool = str(Path(sys.executable).with_name("wandb"))
        command = [tool, "sync", "--yes", "--include-online", "-n", str(AT_A_TIME), *part]
        with (home / "sync.log").open("w") as said, _Child(command, home, said) as child:
            problem = _watch(child, logs, progress, patience)
        if problem is not None or child.returncode:
            return problem or f"wandb sync failed (exit code {child.returncode}); see {home / 'sync.log'}"
    return None


class _Child(subprocess.Popen[bytes]):
    """A process that does not outlive its block."""

    def __init__(self, command: list[str], folder: Path, said: object) -> None:
        super().__init__(
            command,
            cwd=folder,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=said,  # type: ignore[call-overload]
            stderr=subprocess.STDOUT,
        )

    def __exit__(self, *_: object) -> None:
        if self.poll() is None:
            self.terminate()
        self.wait()


def _watch(child: _Child, logs: list[Path], progress: Progress, patience: float) -> str | None:
    """Tell the progress until the child ends. Returns the reason where it had to be given up."""
    pending = logs
    last = looked = time.monotonic()
    while child.poll() is None:
        still = [path for path in pending if not _mark(path).exists()]
        if len(still) < len(pending):
            pending, last = still, time.monotonic()
            looked = last
            progress(len(logs) - len(pending), len(logs))
        if time.monotonic() - last > patience:
            return f"nothing has arrived for {patience:.0f} s"
        if time.monotonic() - looked > LOOK_AFTER:
            looked = time.monotonic()
            if (problem := obstacle()) is not None:
                return problem
        time.sleep(0.2)
    progress(sum(_mark(path).exists() for path in logs), len(logs))
    return None
