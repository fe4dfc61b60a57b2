"""Uploads what W&B has not got of a sweep: its logs on the disk, several at a time, none of them twice."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fsm_icl.results.layout import SweepFolder
from fsm_icl.tracking.account import SLOW, Destination, child_environment, host, obstacle
from fsm_icl.tracking.encoding import SWEEP_JOB, ended
from fsm_icl.tracking.markers import Markers, logged_trial, logs_below, mark_of_server
from fsm_icl.tracking.offline_logs import read_log
from fsm_icl.tracking.sweep_run import is_complete
from fsm_icl.tracking.upload_diary import Diary

Progress = Callable[[int, int], None]
"""Told how many logs have arrived, of how many."""
AT_A_TIME = 8
A_CALL = 500
"""Logs given to one `wandb sync`: a command line has its limits."""
LOOK_AFTER = 15.0
"""Seconds without a sign of progress after which the server is asked whether it is there."""
PATIENCE = 300.0
"""Seconds without a sign of progress after which `wandb sync` is stopped: it would try for ever."""


@dataclass(frozen=True)
class UploadResult:
    """What became of a sweep's logs."""

    before: int
    """Were on the server already."""
    sent: int
    left: int
    """Could not be sent now."""
    interrupted: int
    """Of trials that have not ended: the sweep's next run logs them anew."""
    problem: str | None


def upload_summary(done: UploadResult) -> str:
    """The summary for a person."""
    parts = [f"{done.sent} runs sent", f"{done.before} were there", f"{done.left} left"]
    if done.interrupted:
        parts.append(f"{done.interrupted} of trials that have not ended (the sweep's next run logs them)")
    return ", ".join(parts) + (f": {done.problem}; the same command goes on from there" if done.problem else "")


def upload_logs(
    folder: Path,
    progress: Progress,
    only: Iterable[Path] | None = None,
    patience: float = PATIENCE,
    markers: Markers | None = None,
    to: Destination | None = None,
) -> UploadResult:
    """Upload the logs below `folder`/wandb that the server has not got, or those in the folders `only`.

    `markers` are those of the sweep, which may lie elsewhere; `to` overrules where the runs were to go.

    Raises:
        ValueError: there is nothing that W&B logged.
    """
    home = SweepFolder(folder).wandb
    logs = logs_below(home)
    if only is not None:
        logs = [path for path in logs if path.parent in only]
    if markers is not None:
        logs = [path for path in logs if not _is_of_another_sweep(path, markers)]
    if not logs:
        raise ValueError(f"{home}: no W&B logs; run the sweep with --wandb offline (the default)")
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        whole = [
            path
            for path, is_whole in zip(logs, pool.map(lambda p: _is_whole(p, markers), logs), strict=True)
            if is_whole
        ]
    waiting = [path for path in whole if not _is_there(path, markers)]
    problem = (obstacle(patience=SLOW) or _send(home, waiting, progress, patience, to)) if waiting else None
    if markers is not None:
        _mark(whole, markers)
    left = sum(not mark_of_server(path).exists() for path in waiting)
    return UploadResult(
        before=len(whole) - len(waiting),
        sent=len(waiting) - left,
        left=left,
        interrupted=len(logs) - len(whole),
        problem=(problem or f"see {home / 'sync.log'}") if left else None,
    )


def _is_of_another_sweep(log: Path, markers: Markers) -> bool:
    """Whether it is the own run of a sweep whose files are not here: only its log was copied."""
    trial = logged_trial(log)
    return trial is not None and trial[1] == SWEEP_JOB and trial[0] != markers.sweep_id


def _is_there(log: Path, markers: Markers | None) -> bool:
    """Whether the server has it, whoever sent it."""
    if mark_of_server(log).exists():
        return True
    trial = logged_trial(log)
    return markers is not None and trial is not None and trial[0] == markers.sweep_id and markers.sent(trial[1])


def _is_whole(log: Path, markers: Markers | None) -> bool:
    """Whether a log says all of a run: by its marker, or where that was not copied with it, by its end."""
    trial = logged_trial(log)
    if trial is not None and markers is not None and trial[0] == markers.sweep_id and markers.has(trial[1]):
        return True
    if trial is not None and trial[1] == SWEEP_JOB and is_complete(log):
        return True
    with contextlib.suppress(ValueError):
        run = read_log(log)
        return run.exit_code == 0 if run.job_type == SWEEP_JOB else run.exit_code is not None and ended(run.summary)
    return False


def _mark(logs: Iterable[Path], markers: Markers) -> None:
    """Tell whoever has the results what the server has; where they can't be written, it is asked again next time."""
    for log in logs:
        trial = logged_trial(log)
        if trial is not None and trial[0] == markers.sweep_id and mark_of_server(log).exists():
            with contextlib.suppress(OSError):
                markers.mark_sent(trial[1])


def _send(home: Path, logs: list[Path], progress: Progress, patience: float, to: Destination | None) -> str | None:
    """Give the logs to `wandb sync`. Returns why some did not arrive, if so."""
    told_to = [] if to is None else ["--project", to.project, *(["--entity", to.entity] if to.entity else [])]
    for begin in range(0, len(logs), A_CALL):
        part = logs[begin : begin + A_CALL]
        names = [str(path.relative_to(home)) for path in part]
        tool = str(Path(sys.executable).with_name("wandb"))
        command = [tool, "sync", "--yes", "--include-online", "-n", str(AT_A_TIME), *told_to, *names]
        shutil.rmtree(home / "wandb", ignore_errors=True)  # what `wandb sync` itself said the last time
        diary = Diary(home)
        with (home / "sync.log").open("w") as said, _Child(command, home, said) as child:
            problem = _watch(child, part, diary, partial(_tell, progress, begin, len(logs)), patience)
        diary.read()
        for name in diary.failures:  # it leaves its mark all the same
            for mark in (mark_of_server(home / name), (home / name).with_suffix(".wandb.syncstate")):
                mark.unlink(missing_ok=True)
        progress(begin + sum(mark_of_server(path).exists() for path in part), len(logs))
        problem = problem or diary.problem or _error_in(home / "sync.log")
        if problem is None and child.returncode:
            problem = f"wandb sync failed (exit code {child.returncode}); see {home / 'sync.log'}"
        if problem is not None:
            return problem
    return None


def _tell(progress: Progress, before: int, of: int, sent: int) -> None:
    progress(before + sent, of)


def _error_in(said: Path) -> str | None:
    """The first line in which `wandb sync` says that something went wrong."""
    lines = said.read_text(errors="replace").splitlines()
    error = next((line.partition("ERROR ")[2] for line in lines if line.startswith("wandb: ERROR ")), None)
    if error is not None and re.search(r"logged in|api.?key|\b401\b|unauthori", error, re.IGNORECASE):
        return f"{error}; see to the API key with `wandb login`"
    return error


class _Child(subprocess.Popen[bytes]):
    """A process that does not outlive its block."""

    def __init__(self, command: list[str], folder: Path, said: object) -> None:
        super().__init__(
            command,
            cwd=folder,
            env=child_environment() | {"WANDB_SILENT": "false", "WANDB_BASE_URL": host()},
            stdin=subprocess.DEVNULL,
            stdout=said,  # type: ignore[call-overload]
            stderr=subprocess.STDOUT,
        )

    def __exit__(self, *_: object) -> None:
        if self.poll() is None:
            self.terminate()
        self.wait()


def _watch(
    child: _Child, logs: list[Path], diary: Diary, progress: Callable[[int], None], patience: float
) -> str | None:
    """Tell the progress until the child ends. Returns the reason where it had to be given up."""
    pending, signs = logs, 0
    last = looked = time.monotonic()
    while child.poll() is None:
        still = [path for path in pending if not mark_of_server(path).exists()]
        if len(still) < len(pending) or diary.read() > signs:
            pending, signs = still, diary.signs
            last = looked = time.monotonic()
            progress(len(logs) - len(pending))
        if time.monotonic() - last > patience:
            return f"nothing has arrived for {patience:.0f} s"
        if time.monotonic() - looked > LOOK_AFTER:
            looked = time.monotonic()
            if (problem := obstacle(patience=SLOW)) is not None and diary.read() == signs:
                return problem
        time.sleep(0.2)
    return None
