"""W&B: one thread of the driver logs every trial as a run. Trials never import wandb, and never wait for it.

The thread is fed by reports and records through a bounded queue. When the queue is full, live rows are dropped and
come back with the trial's record: a run is complete when its record has been logged, which its marker
`wandb/<hash>.done` remembers. Whatever has a record and no marker is logged at the start and at the end.
"""

from __future__ import annotations

import logging
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fsm_icl.records import Report, TrialRecord
from fsm_icl.sweep.search import Planned

Mode = Literal["offline", "online", "disabled"]
QUEUE_SIZE = 10_000
log = logging.getLogger(__name__)


class TrackingError(Exception):
    """W&B can't be used as asked: what is missing, and what works without it."""


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
        self.folder, self.sweep, self.sweep_id, self.scale, self.mode = folder, sweep, sweep_id, scale, mode
        self.problem: str | None = None
        """The first thing that went wrong, for the sweep's last lines."""
        self._queue: queue.Queue[_Row | _Done | None] = queue.Queue(QUEUE_SIZE)
        self._runs: dict[str, tuple[Any, int]] = {}
        self._dropped: list[_Done] = []
        self._thread = threading.Thread(target=self._work, name="wandb-tracker", daemon=True)
        if mode != "disabled":
            logging.raiseExceptions = False  # on a full disk wandb's own debug.log would print a trace-back a line
            self._thread.start()

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
        """Wait until all is logged."""
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

    def _marker(self, planned: Planned) -> Path:
        return self.folder / "wandb" / f"{planned.hash}.done"

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            self._guarded(item)
        for item in self._dropped:
            self._guarded(item)

    def _guarded(self, item: _Row | _Done) -> None:
        """W&B's failure is never the sweep's: remembered, told once at the end, mended from records next time."""
        try:
            self._log(item)
        except Exception as error:
            self._runs.pop(item.planned.hash, None)
            self.problem = self.problem or _first_line(error)
            log.debug("W&B", exc_info=True)

    def _log(self, item: _Row | _Done) -> None:
        planned = item.planned
        if self._marker(planned).exists():
            return  # a resumed trial repeats its rows; a record may come both at once and by catch_up
        if isinstance(item, _Row):
            self._log_row(planned, item.report)
            return
        for report in item.record.reports:
            self._log_row(planned, report)
        run = self._runs.pop(planned.hash)[0] if planned.hash in self._runs else self._open(planned)
        run.config.update({"versions": item.record.end.versions, "commit": item.record.commit}, allow_val_change=True)
        run.tags = (*run.tags, item.record.end.outcome)
        run.summary.update(summary_of(item.record))
        run.finish(exit_code=0 if item.record.end.outcome in ("finished", "pruned") else 1)
        self._marker(planned).touch()

    def _log_row(self, planned: Planned, report: Report) -> None:
        run, last = self._runs.get(planned.hash) or (self._open(planned), -1)
        if report.step > last:
            run.log({"step": report.step, **report.metrics})
            last = report.step
        self._runs[planned.hash] = (run, last)

    def _open(self, planned: Planned) -> Any:
        import wandb  # here, because it takes half a second that `--plan` need not wait

        if self.mode == "online":
            try:
                return self._init(planned, "")
            except wandb.errors.Error as error:
                self.problem = f"went offline for the rest of the sweep ({_first_line(error)})"
                self.mode = "offline"
                return self._init(planned, "-off")  # the id of a failed init is in use in this process
        return self._init(planned, "")

    def _init(self, planned: Planned, suffix: str) -> Any:
        import wandb

        seed = f"seed{planned.index}" if planned.phase == "measure" else f"proposal{planned.index}"
        run = wandb.init(
            project="fsm_icl",
            group=f"{self.sweep}-{self.sweep_id}",
            job_type=planned.phase,
            id=f"{self.sweep_id}-{planned.hash}{suffix}",
            name=f"{planned.cell.label} lr={planned.params['learning_rate']:g} {seed}",
            tags=[planned.cell.label, str(planned.cell.fields["arch"]), self.scale, planned.phase],
            config=run_config(planned, self.sweep, self.scale),
            dir=str(self.folder),
            mode=self.mode,
            reinit="create_new",
            resume="allow" if self.mode == "online" else None,
            settings=_settings(),
        )
        run.define_metric("*", step_metric="step")
        return run


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"


def run_config(planned: Planned, sweep: str, scale: str) -> dict[str, Any]:
    """A run's config: the whole TrialConfig, and where the trial stands in the sweep."""
    return {
        **planned.config.model_dump(mode="json"),
        "hash": planned.hash,
        "sweep": sweep,
        "scale": scale,
        "cell": planned.cell.label,
        "repeat": planned.repeat,
        "index": planned.index,
    }


def summary_of(record: TrialRecord) -> dict[str, Any]:
    """A run's summary: the last metrics, the test score with its slices, and what the trial cost."""
    last = record.reports[-1].metrics if record.reports else {}
    end = record.end.model_dump(exclude={"test", "versions", "node"}, exclude_none=True)
    summary: dict[str, Any] = {**last, **end}
    if (test := record.end.test) is not None:
        summary |= {"test/accuracy": test.accuracy, "test/loss": test.loss}
        for name, slices in (("by_query_step", test.by_query_step), ("by_times_shown", test.by_times_shown)):
            summary |= {f"test/accuracy_{name}/{s.label}": s.accuracy for s in slices if s.total}
    return summary


def _settings() -> Any:
    """Quiet, complete within a second of a crash, and nothing about the machine that nobody asked to upload."""
    import wandb

    return wandb.Settings(
        silent=True,
        console="off",
        disable_git=True,
        disable_code=True,
        init_timeout=5,
        finish_timeout=10,
        x_disable_stats=True,
        x_disable_meta=True,
        x_save_requirements=False,
        x_transaction_log_flush_interval=1,
    )


def check_online(timeout: float = 3.0) -> None:
    """Make sure that `--wandb online` will work, before anything starts. Never prompts.

    Raises:
        TrackingError: there is no API key, or the host does not answer within `timeout` seconds.
    """
    import wandb

    host = wandb.setup(wandb.Settings(silent=True)).settings.base_url
    try:
        known = wandb.login(prompt=False, verify=False)
    except wandb.errors.Error as error:
        raise TrackingError(f"--wandb online: {error}; run `wandb login`, or use --wandb offline") from None
    if not known:
        raise TrackingError(f"--wandb online: no API key for {host}; run `wandb login`, or use --wandb offline")
    try:
        urllib.request.urlopen(f"{host}/healthz", timeout=timeout)
    except urllib.error.HTTPError:
        return  # it answers
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise TrackingError(
            f"--wandb online: {host} does not answer in {timeout:g} s ({reason}); use --wandb offline"
        ) from None
