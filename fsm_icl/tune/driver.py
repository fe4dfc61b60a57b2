"""What the driver knows while a sweep runs: which trials are in flight, and what to do with what they say.

Its methods are called by Ray's searcher, which swallows exceptions and then runs good trials again. So none of them
raises: a record that can't be written stays in memory, `broken` says why, and the sweep stops.
"""

from __future__ import annotations

import contextlib
import platform
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from pydantic import ValidationError

from fsm_icl.results.files import modified, os_error_text
from fsm_icl.results.record_checks import reports_due
from fsm_icl.results.records import Manifest, Report, TrialEnd
from fsm_icl.sweep.file.planned import PlannedTrial
from fsm_icl.sweep.protocol.planner import Planner
from fsm_icl.sweep.store.store import Store
from fsm_icl.tracking.tracker import Tracker
from fsm_icl.tune.job import Job, WorkerContext, read_report
from fsm_icl.tune.resources.packing import Packing

MANIFEST_SECONDS = 5.0
"""Upper bound on the manifest's age while trials end, so that `status` stays current."""
MANIFEST_SHARE = 0.02
"""Share of the driver's time that writing manifests may take: a large sweep's manifest is written less often."""
SILENT_SECONDS = 30.0
"""After this many silent seconds, and then as often, the trial's checkpoint is looked at for a sign of life."""


@dataclass
class TrialInFlight:
    """A trial that Ray has been given."""

    planned: PlannedTrial
    started: float = field(default_factory=time.monotonic)
    reports: dict[int, Report] = field(default_factory=dict)
    """step -> report; a resumed trial says its earlier reports again."""
    last_sign: float = field(default_factory=time.time)
    """Unix seconds of its begin, newest report or newest checkpoint seen."""
    last_look: float = field(default_factory=time.time)
    running: bool = False
    """A worker has it; until then it waits for a machine."""


@dataclass(frozen=True)
class LostTrial:
    """A trial that is given up on, without an outcome; the next run asks for it again."""

    planned: PlannedTrial
    why: str


class Driver:
    """Hands out trials and takes in what comes back."""

    def __init__(
        self,
        planner: Planner,
        store: Store,
        tracker: Tracker,
        manifest: Callable[[], Manifest],
        packing: Packing,
        stall_limit: float,
    ) -> None:
        """`manifest` makes the manifest as it stands; `stall_limit`: seconds that a worker may be silent."""
        self.planner, self.store, self.tracker, self.manifest = planner, store, tracker, manifest
        self.packing = packing
        self.context = WorkerContext(sweep_id=store.id, driver_host=platform.node(), stall_limit=stall_limit)
        self.in_flight: dict[str, TrialInFlight] = {}
        self.lost: dict[str, LostTrial] = {}
        """By hash."""
        self.broken: str | None = None
        self._manifest_due = time.monotonic() + MANIFEST_SECONDS
        self.worked_seconds = 0.0
        """Sum of the trials' own seconds."""
        self.on_cpu: Counter[str] = Counter()
        """Host -> number of trials that were given a share of a GPU there and ran on the CPU: torch sees no GPU."""

    def next(self, trial_id: str) -> Job | None:
        """The job of the trial to start next, None when there is none to start now."""
        busy = {flight.planned.hash for flight in self.in_flight.values()} | self.lost.keys()
        planned = None if self.broken else self.planner.next(busy)
        if planned is None:
            return None
        self.in_flight[trial_id] = TrialInFlight(planned)
        request = self.packing.request(planned)
        return Job(
            trial=planned.config,
            folder=str(self.store.trial_folder(planned.hash).path),
            cutoffs=dict(planned.cutoffs),
            context=self.context,
            cpu=int(request["cpu"]),
            gpu=request["gpu"],
        )

    @property
    def finished(self) -> bool:
        """Nothing is in flight and nothing more can be started."""
        return not self.in_flight and (self.broken is not None or self.nothing_left)

    @property
    def nothing_left(self) -> bool:
        """All that is missing has been given up on, or nothing is."""
        return self.planner.next(self.lost.keys()) is None

    def heard(self, trial_id: str, result: dict[str, Any]) -> None:
        """A live report."""
        flight, report = self.in_flight.get(trial_id), _readable(result)
        if flight is not None and report is not None:
            flight.reports[report.step] = report
            flight.last_sign = time.time()
            self.tracker.report(flight.planned.tracked, report)

    def started(self, trial_id: str) -> None:
        """A worker has begun the trial, or gone on with it."""
        if (flight := self.in_flight.get(trial_id)) is not None:
            flight.running, flight.last_sign = True, time.time()

    def waits(self, trial_id: str) -> None:
        """The trial has lost its worker and waits for another."""
        if (flight := self.in_flight.get(trial_id)) is not None:
            flight.running = False

    def silence(self) -> float:
        """Seconds since the last sign of life of any trial that a worker has; 0 where no worker has one."""
        running = [flight for flight in list(self.in_flight.values()) if flight.running]
        return min((self.silent_seconds(flight) for flight in running), default=0.0)

    def silent_seconds(self, flight: TrialInFlight) -> float:
        """Seconds since a trial's last sign of life: it writes a checkpoint at least every minute."""
        now = time.time()
        if now - max(flight.last_sign, flight.last_look) > SILENT_SECONDS:
            flight.last_look = now
            with contextlib.suppress(OSError):
                here = self.store.trial_folder(flight.planned.hash)
                saved = modified(here.path, here.checkpoint.name)
                flight.last_sign = max([flight.last_sign, *saved.values()])
        return max(0.0, now - flight.last_sign)

    def ended(self, trial_id: str, result: dict[str, Any] | None) -> None:
        """A trial's last word; without a closing report it has no outcome and stays missing."""
        flight = self.in_flight.pop(trial_id, None)
        if flight is None:
            return
        closing = _readable(result)
        if closing is not None and closing.end is not None:
            self._keep(flight.planned, *_checked(flight, closing.end))
        elif self.broken is None:
            self._no_outcome(flight.planned, result or {})

    def _no_outcome(self, planned: PlannedTrial, said: dict[str, Any]) -> None:
        """What the machine lacked (see TrialTrainable.step), or its worker died."""
        if "storage" in said:
            self.broken = said["storage"]
        elif "out_of_memory" not in said:
            self._lose(planned, "its worker died or hung each time")
        elif not self.packing.enlarge(planned):  # else it is asked for again at once
            share = self.packing.request(planned)["gpu"]
            self._lose(planned, f"out of memory with {share:g} of a GPU: {said['out_of_memory']}")

    def _lose(self, planned: PlannedTrial, why: str) -> None:
        """Give up on a trial. Where the reason is a full or read-only disk, trying others is no use."""
        self.lost[planned.hash] = LostTrial(planned, why)
        try:
            self.store.check_writable()
        except OSError as error:
            self.broken = os_error_text(error)

    def _keep(self, planned: PlannedTrial, reports: list[Report], end: TrialEnd) -> None:
        assert end.seconds is not None, "a trial of ours knows how long it took"
        self.worked_seconds += end.seconds
        if end.device == "cpu" and self.packing.request(planned)["gpu"]:
            self.on_cpu[str(end.node)] += 1
        try:
            record = self.store.write(planned, reports, end)
            self.planner.advance(planned)
            if time.monotonic() > self._manifest_due:
                self._write_manifest()
        except OSError as error:
            self.broken = os_error_text(error)
            return
        except Exception as error:  # noqa: BLE001  (whatever it is, Tune would swallow it and run good trials again)
            self.broken = "".join(traceback.format_exception(error))
            return
        self.tracker.record(planned.tracked, record)

    def last_words(self) -> None:
        """Leave the manifest as it stands, as well as can be: the process ends. Raises OSError."""
        if self.broken is None:
            self.store.write_manifest(self.manifest())

    def _write_manifest(self) -> None:
        began = time.monotonic()
        self.store.write_manifest(self.manifest())
        took = time.monotonic() - began
        self._manifest_due = began + max(MANIFEST_SECONDS, took / MANIFEST_SHARE)


def _checked(flight: TrialInFlight, end: TrialEnd) -> tuple[list[Report], TrialEnd]:
    """The reports, and the end as the worker told it, unless one of the reports that it rests on never came."""
    budget = flight.planned.config.budget
    due = reports_due(budget.steps, budget.report_every, end.steps)
    reports = [flight.reports[step] for step in takewhile(flight.reports.__contains__, due)]
    if len(reports) == len(due):
        return reports, end
    missing = due[len(reports)]
    if end.outcome in ("finished", "pruned"):
        end = end.model_copy(update={"outcome": "failed", "reason": f"no valid report at step {missing}", "test": None})
    return reports, end if missing == due[-1] else end.model_copy(update={"steps": missing})


def _readable(result: dict[str, Any] | None) -> Report | None:
    """The report in a result. A row that lacks a metric, or is none (other code, say), is as good as unsaid."""
    try:
        report = read_report(result or {})
    except (KeyError, ValidationError):
        return None
    return report if report.end is not None or {"val/accuracy", "val/loss"} <= report.metrics.keys() else None
