"""Which trials have been logged to W&B in full: `wandb/<hash>.done` in the sweep's results, wherever these lie.

A marker says of which sweep's folder it is, of which end of the trial, and whether the server has it. Where it has
not, the marker counts only beside its log: a job's folder goes with the job, and results are copied and merged.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from fsm_icl.results.files import exists, read_all, write_atomically
from fsm_icl.results.layout import MARKER_FILES, SweepFolder, marked_trial
from fsm_icl.results.records import FrozenModel, TrialEnd

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder

_LOG = re.compile(r"run-(?P<sweep_id>[0-9a-f]{8})-(?P<trial>[0-9a-f]{64}|sweep)(-off\d*)?")


class Marker(FrozenModel):
    """A trial that has been logged in full."""

    sweep_id: str
    ended_at: float | None = None
    """Which of its ends: a trial may be taken up again."""
    sent: bool = False
    """The server has it."""


def logged_trial(log: Path) -> tuple[str, str] | None:
    """The sweep's id and the trial's hash (or `sweep`) of a run's log, by its name; None where it is not ours."""
    match = _LOG.fullmatch(log.stem)
    return (match["sweep_id"], match["trial"]) if match else None


def logs_below(home: Path) -> list[Path]:
    """The logs of W&B runs in a sweep's `wandb/`."""
    return sorted(path for path in home.glob("*run-*/run-*.wandb") if not path.parent.is_symlink())


def mark_of_server(log: Path) -> Path:
    """Stands beside a log that the server has; `wandb sync` makes it."""
    return log.with_suffix(".wandb.synced")


class Markers:
    """The markers of one sweep."""

    def __init__(self, results: Folder, logs: Path, sweep_id: str) -> None:
        """`results` is the sweep's folder, `logs` that on this machine in whose `wandb/` the logs lie."""
        self._results, self.sweep_id = SweepFolder(results), sweep_id
        self._logs = SweepFolder(logs).wandb
        self._known: dict[str, Marker | None] | None = None
        """Trial -> what its marker says; None is one of an earlier version, which says nothing."""
        self._here: dict[tuple[str, str], list[Path]] | None = None

    def path(self, trial: str) -> Folder:
        """Where a trial's marker is."""
        return self._results.marker(trial)

    def has(self, trial: str, end: TrialEnd | None = None) -> bool:
        """Whether a trial, with this end where it is given, is on the server or its whole log on this machine.

        Raises:
            OSError: the markers can't be read.
        """
        marker = self._read().get(trial, _NONE)
        if marker is None:  # it may have been taken away since: what it stood for is known by its file alone
            return bool(self.logs(trial)) and exists(self.path(trial))
        if marker.sweep_id != self.sweep_id or (end is not None and marker.ended_at != end.ended_at):
            return False
        return marker.sent or bool(self.logs(trial))

    def sent(self, trial: str) -> bool:
        """Whether the server has it."""
        marker = self._read().get(trial)
        return marker is not None and marker.sent and marker.sweep_id == self.sweep_id

    def logs(self, trial: str) -> list[Path]:
        """The logs of a trial's run on this machine."""
        if self._here is None:
            self._here = {}
            for path in logs_below(self._logs):
                if (whose := logged_trial(path)) is not None:
                    self._here.setdefault(whose, []).append(path)
        return self._here.get((self.sweep_id, trial), [])

    def forget_logs(self, trial: str) -> list[Path]:
        """The logs of a trial's run that an earlier driver left, which do not count from now on."""
        logs = self.logs(trial)
        assert self._here is not None
        self._here.pop((self.sweep_id, trial), None)
        return logs

    def write(self, trial: str, ended_at: float | None, log: Path | None, sent: bool) -> None:
        """Mark a trial as logged in full. Raises OSError."""
        marker = Marker(sweep_id=self.sweep_id, ended_at=ended_at, sent=sent)
        write_atomically(self.path(trial), marker.model_dump_json())
        self._read()[trial] = marker
        if log is not None:
            self.logs(trial)
            assert self._here is not None
            self._here[(self.sweep_id, trial)] = [log]

    def mark_sent(self, trial: str) -> None:
        """The server has the trial now. Raises OSError."""
        marker = self._read().get(trial)
        if marker is None or marker.sweep_id != self.sweep_id:
            marker = Marker(sweep_id=self.sweep_id)
        if not marker.sent and marker.ended_at is not None:
            self.write(trial, marker.ended_at, None, sent=True)

    def _read(self) -> dict[str, Marker | None]:
        if self._known is None:
            found = read_all(self._results.wandb, MARKER_FILES)
            self._known = {marked_trial(path): _parsed(content) for path, content in found.items()}
        return self._known


def _parsed(content: bytes) -> Marker | None:
    with contextlib.suppress(ValidationError):
        return Marker.model_validate_json(content)
    return None


_NONE = Marker(sweep_id="")
"""What a trial without a marker has: no sweep's."""
