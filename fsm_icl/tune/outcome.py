"""How a sweep's run ended, and what is printed then: the table by cell, what went wrong, the next command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from analysis.findings.findings import findings_of
from analysis.report.files import sweep_files
from analysis.report.terminal import print_cell_table, say
from analysis.sources.sweep import load_sweep
from fsm_icl.results.files import exists
from fsm_icl.results.layout import SweepFolder
from fsm_icl.results.records import TrialRecord
from fsm_icl.sweep.examine.backlog import mark_sweep_sent
from fsm_icl.sweep.examine.status import Failure, failure, failures_table
from fsm_icl.sweep.file.planned import PlannedTrial
from fsm_icl.sweep.protocol.planner import Planner
from fsm_icl.sweep.store.store import Store
from fsm_icl.tracking.account import Destination
from fsm_icl.tracking.mode import Mode
from fsm_icl.tracking.sweep_run import log_sweep
from fsm_icl.tracking.upload import upload_logs, upload_summary
from fsm_icl.tune.driver import LostTrial

SEND_SECONDS = 15

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder


def ended_trials(planner: Planner) -> list[tuple[PlannedTrial, TrialRecord]]:
    """Every wanted trial that has a record, with it."""
    records = planner.records
    return [(p, records[p.hash]) for plan in planner.plans for p in plan.wanted() if p.hash in records]


def share(store: Store, mode: Mode, to: Destination) -> str | None:
    """Log the sweep's own W&B run, and online send it. Returns what went wrong: that is never the sweep's failure."""
    if mode == "disabled":
        return None
    try:
        logged = log_sweep(store.local, sweep_files(store.folder), to)
        done = upload_logs(store.local, lambda *_: None, logged, patience=SEND_SECONDS) if mode == "online" else None
        if done and not done.left:
            mark_sweep_sent(store.folder)
    except Exception as error:  # noqa: BLE001
        return f"the sweep's own run was not logged ({error}); the next run logs it"
    return f"the sweep's own run: {upload_summary(done)}" if done and done.left else None


@dataclass(frozen=True)
class SweepOutcome:
    """How a sweep's run ended."""

    planner: Planner
    wall_seconds: float
    """Of the Tune phase, Ray's start and end included."""
    worked_seconds: float
    """The trials' own seconds, summed."""
    workers: int
    broken: str | None
    lost: list[LostTrial]
    wandb_problem: str | None
    on_cpu: Mapping[str, int] = field(default_factory=dict)
    """Host -> number of trials that ran on its CPU though they were given a share of its GPU."""

    @property
    def failed(self) -> list[TrialRecord]:
        """Records of wanted trials whose code raised an exception."""
        return [record for _, record in ended_trials(self.planner) if record.end.outcome == "failed"]

    @property
    def sound(self) -> bool:
        """All that the sweep asks for is there, and none of it failed."""
        cells_failed = any(plan.failed for plan in self.planner.plans)
        return self.planner.complete and not self.failed and not cells_failed and self.broken is None


def print_end(ended: SweepOutcome, folder: Folder, console: Console) -> None:
    """The table by cell, what went wrong if anything did, and what to run next."""
    if exists(SweepFolder(folder).manifest):  # not where the disk was full from the start
        try:
            print_cell_table(findings_of(load_sweep(folder)), console)
        except ValueError as error:  # something has changed a file while trials ran
            console.print(Text(f"no table: {error}", style="red"), soft_wrap=True)
    if ended.worked_seconds:
        busy = ended.worked_seconds / (ended.workers * ended.wall_seconds)
        say(console, f"trained for {ended.wall_seconds:.0f} s, workers busy {busy:.0%} of it")
    if failures := _failures(ended, folder):
        console.print(failures_table(failures))
    for problem in _problems(ended):
        console.print(Text(problem, style="red"))
    if ended.planner.complete:
        say(console, f"next: python -m analysis {shlex.quote(str(folder))}")


def _problems(ended: SweepOutcome) -> list[str]:
    """One line for each thing that the user should know about."""
    problems = []
    if ended.broken:
        problems.append(f"stopped: {ended.broken}; mend that, then run the same command again")
    if ended.lost:
        problems.append(f"{len(ended.lost)} trials have no outcome; the same command tries them again")
    for plan in ended.planner.plans:
        if plan.failed:
            problems.append(f"{plan.cell.label}: no proposal finished, so it has no winner and was not measured")
    for host, number in ended.on_cpu.items():
        problems.append(
            f"{number} trials were given a GPU of {host} and ran on its CPU, since torch sees no GPU there: "
            "`fsm-icl doctor` on that host says why"
        )
    if ended.failed:
        problems.append(f"{len(ended.failed)} trials failed; once that is mended, --retry-failed runs them again")
    if ended.wandb_problem:
        problems.append(f"W&B: {ended.wandb_problem}")
    return problems


def _failures(ended: SweepOutcome, folder: Folder) -> list[Failure]:
    found = [(p, r.end.outcome, r.end.reason) for p, r in ended_trials(ended.planner)]
    broken = [
        failure(folder, p.hash, p.cell.label, p.place.phase, outcome, reason)
        for p, outcome, reason in found
        if outcome in ("failed", "diverged")
    ]
    return broken + [
        failure(folder, p.hash, p.cell.label, p.place.phase, "lost", lost.why)
        for lost in ended.lost
        for p in (lost.planned,)
    ]
