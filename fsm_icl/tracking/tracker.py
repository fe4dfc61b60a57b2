"""W&B: one thread of the driver logs every trial as a run. Trials never import wandb, and never wait for it.

The thread is fed by reports and records through a bounded queue. When the queue is full, live rows are dropped and
come back with the trial's record: a run is complete when its record has been logged, which its marker
`wandb/<hash>.done` remembers. Whatever has a record and no marker is logged at the start and at the end, and what went
wrong is tried once more.
"""

from __future__ import annotations

import functools
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from fsm_icl.results.records import Report, TrialEnd, TrialRecord
from fsm_icl.tracking.account import leave_service
from fsm_icl.tracking.encoding import TrackedTrial, row_of
from fsm_icl.tracking.mode import Mode
from fsm_icl.tracking.trial_runs import TrialRuns

QUEUE_SIZE = 10_000
ATTEMPTS = 2
"""How often a record is logged at most: once more where the first time went wrong, on a busy machine say."""
SLOW_SECONDS, SLOW_FAILURES = 30.0, 3
"""After this number of slow failures the rest is left to the next run: wandb hangs."""


@dataclass(frozen=True)
class _Row:
    trial: TrackedTrial
    report: Report


@dataclass(frozen=True)
class _Done:
    trial: TrackedTrial
    end: TrialEnd
    """Of the record, or of one that was made small."""
    read: Callable[[], TrialRecord]
    """Gives the record."""


class Tracker:
    """Logs trials as W&B runs from a thread of its own. Its methods return at once and never raise."""

    def __init__(self, runs: TrialRuns) -> None:
        """Start the thread that feeds `runs`, unless their mode is disabled."""
        self.runs = runs
        self._queue: queue.Queue[_Row | _Done | None] = queue.Queue(QUEUE_SIZE)
        self._open: dict[str, tuple[Any, int]] = {}
        """Hash -> the run, and its last row's step."""
        self._logged: dict[str, float | None] = {}
        """Hash -> which end of the trial this driver has logged; its markers come when W&B has it."""
        self._attempts: dict[str, list[_Done]] = {}
        """Hash -> each time that its record was logged, or could not be."""
        self._dropped: list[_Done] = []
        self._slow_failures = 0
        self._thread = threading.Thread(target=self._work, name="wandb-tracker", daemon=True)
        if self.mode != "disabled":
            leave_service()
            logging.raiseExceptions = False  # on a full disk wandb's own debug.log would print a trace-back a line
            self._thread.start()

    @property
    def mode(self) -> Mode:
        """Offline from the moment on when the server goes away."""
        return self.runs.mode

    @property
    def problem(self) -> str | None:
        """The first thing that went wrong and was not made good, for the sweep's last lines."""
        return self.runs.problem

    def report(self, trial: TrackedTrial, report: Report) -> None:
        """A live row."""
        self._put(_Row(trial, report))

    def record(self, trial: TrackedTrial, record: TrialRecord) -> None:
        """An ended trial: the rows that are still missing, the summary, the outcome."""
        self._put(_Done(trial, record.end, lambda: record))

    def catch_up(
        self, ended: Iterable[tuple[TrackedTrial, TrialRecord]], read: Callable[[str], TrialRecord] | None = None
    ) -> None:
        """Log every ended trial that has no marker by the time its turn comes.

        Where `ended` has records that were made small, `read` gives one in full, by its hash, when it is logged.
        """
        for trial, record in ended:
            if read is None:
                self.record(trial, record)
            else:
                self._put(_Done(trial, record.end, functools.partial(read, trial.hash)))

    def close(self) -> None:
        """Wait until all is logged, and sent where the server takes it."""
        if self.mode != "disabled":
            self._queue.put(None)
            self._thread.join()

    def _put(self, item: _Row | _Done) -> None:
        if self.mode == "disabled":
            return
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            if isinstance(item, _Done):
                self._dropped.append(item)

    def _work(self) -> None:
        self.runs.start()
        while (item := self._queue.get()) is not None:
            self._guarded(item)
        for item in self._dropped:
            self._guarded(item)
        for run, _ in self._open.values():
            self.runs.abandon(run)
        self.runs.close()
        for attempts in [*self._attempts.values()]:
            self._guarded(attempts[-1])  # does nothing where all went well
        self.runs.close()

    def _guarded(self, item: _Row | _Done) -> None:
        """W&B's failure is never the sweep's: remembered, told once at the end, mended from records next time."""
        if self._slow_failures >= SLOW_FAILURES:
            return
        began, trial = time.monotonic(), item.trial.hash
        try:
            self._log(item)
        except Exception as error:  # noqa: BLE001
            self._open.pop(trial, None)
            self._logged.pop(trial, None)
            self.runs.failed(trial, error)
        slow = time.monotonic() - began > SLOW_SECONDS
        if slow and trial in self.runs.failures:
            self._slow_failures += 1

    def _log(self, item: _Row | _Done) -> None:
        trial = item.trial
        if isinstance(item, _Row):
            # A resumed trial repeats its rows; what could not be opened waits for the record.
            waits = trial.hash in self.runs.failures and trial.hash not in self._open
            if trial.hash not in self._logged and not waits and not self._has(item):
                self._log_row(trial, item.report)
        elif self._is_due(item):
            self._log_record(item)

    def _has(self, item: _Row | _Done) -> bool:
        return self.runs.markers.has(item.trial.hash, item.end if isinstance(item, _Done) else None)

    def _is_due(self, item: _Done) -> bool:
        """Whether a record is still to be logged: it may come both at once and by catch_up, and go wrong."""
        trial = item.trial.hash
        same = [attempt for attempt in self._attempts.get(trial, []) if attempt.end.ended_at == item.end.ended_at]
        logged = trial in self._logged and self._logged[trial] == item.end.ended_at
        on_its_way = logged and trial not in self.runs.unfinished
        return not on_its_way and len(same) < ATTEMPTS and not self._has(item)

    def _log_record(self, item: _Done) -> None:
        trial, record = item.trial, item.read()
        self._attempts.setdefault(trial.hash, []).append(item)
        self.runs.unfinished.discard(trial.hash)
        for report in record.reports:
            self._log_row(trial, report)
        run = self._open.pop(trial.hash)[0] if trial.hash in self._open else self.runs.open(trial)
        self._logged[trial.hash] = item.end.ended_at
        self.runs.finish(trial, run, record)

    def _log_row(self, trial: TrackedTrial, report: Report) -> None:
        run, last = self._open.get(trial.hash) or (self.runs.open(trial), -1)
        if report.step > last:
            run.log(row_of(report))
            last = report.step
        self._open[trial.hash] = (run, last)
