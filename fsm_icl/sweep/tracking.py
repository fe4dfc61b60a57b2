"""W&B: one thread of the driver logs every trial as a run. Trials never import wandb, and never wait for it.

The thread is fed by reports and records through a bounded queue. When the queue is full, live rows are dropped and
come back with the trial's record: a run is complete when its record has been logged, which its marker
`wandb/<hash>.done` remembers. Whatever has a record and no marker is logged at the start and at the end.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsm_icl.records import Report, TrialRecord
from fsm_icl.runs import row_of
from fsm_icl.sweep.search import Planned
from fsm_icl.sweep.wandb_mode import Mode
from fsm_icl.sweep.wandb_runs import Runs

QUEUE_SIZE = 10_000


@dataclass(frozen=True)
class _Row:
    planned: Planned
    report: Report


@dataclass(frozen=True)
class _Done:
    planned: Planned
    record: TrialRecord


class Tracker:
    """Logs trials as W&B runs from a thread of its own. Its methods return at once and never raise."""

    def __init__(self, folder: Path, sweep: str, sweep_id: str, scale: str, mode: Mode) -> None:
        """Start the thread, unless `mode` is disabled. `folder` is the sweep's."""
        self.runs = Runs(folder, sweep, sweep_id, scale, mode)
        self._queue: queue.Queue[_Row | _Done | None] = queue.Queue(QUEUE_SIZE)
        self._open: dict[str, tuple[Any, int]] = {}
        """Hash -> the run, and its last row's step."""
        self._logged: dict[str, TrialRecord] = {}
        """What this driver has logged; its markers come when W&B has it."""
        self._dropped: list[_Done] = []
        self._thread = threading.Thread(target=self._work, name="wandb-tracker", daemon=True)
        if mode != "disabled":
            logging.raiseExceptions = False  # on a full disk wandb's own debug.log would print a trace-back a line
            self._thread.start()

    @property
    def mode(self) -> Mode:
        """Offline from the moment on when the server goes away."""
        return self.runs.mode

    @property
    def problem(self) -> str | None:
        """The first thing that went wrong, for the sweep's last lines."""
        return self.runs.problem

    def report(self, planned: Planned, report: Report) -> None:
        """A live row."""
        self._put(_Row(planned, report))

    def record(self, planned: Planned, record: TrialRecord) -> None:
        """An ended trial: the rows that are still missing, the summary, the outcome."""
        self._put(_Done(planned, record))

    def catch_up(self, ended: Iterable[tuple[Planned, TrialRecord]]) -> None:
        """Log every ended trial that has no marker by the time its turn comes."""
        for planned, record in ended:
            self.record(planned, record)

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

    def _guarded(self, item: _Row | _Done) -> None:
        """W&B's failure is never the sweep's: remembered, told once at the end, mended from records next time."""
        try:
            self._log(item)
        except Exception as error:  # noqa: BLE001
            self._open.pop(item.planned.hash, None)
            self.runs.remember(error)

    def _log(self, item: _Row | _Done) -> None:
        planned = item.planned
        logged = self._logged.get(planned.hash)
        if self.runs.marker(planned.hash).exists() or (logged and (isinstance(item, _Row) or item.record is logged)):
            return  # a resumed trial repeats its rows; a record may come both at once and by catch_up
        if isinstance(item, _Row):
            self._log_row(planned, item.report)
            return
        for report in item.record.reports:
            self._log_row(planned, report)
        run = self._open.pop(planned.hash)[0] if planned.hash in self._open else self.runs.open(planned)
        self._logged[planned.hash] = item.record
        self.runs.finish(planned, run, item.record)

    def _log_row(self, planned: Planned, report: Report) -> None:
        run, last = self._open.get(planned.hash) or (self.runs.open(planned), -1)
        if report.step > last:
            run.log(row_of(report))
            last = report.step
        self._open[planned.hash] = (run, last)
