"""Where a sweep stands, from its manifest and records alone: no lock is kept, nothing heavy imported or written."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError, model_validator
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fsm_icl.results.files import exists
from fsm_icl.results.layout import SweepFolder
from fsm_icl.results.places import cell_of
from fsm_icl.results.reading import check_place, read_manifest, record_files
from fsm_icl.results.record_checks import config_problems
from fsm_icl.results.records import Manifest, ManifestCell, Outcome, Phase, TrialPlace, WantedTrial
from fsm_icl.sweep.store.lock import driver_of

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder

SHOWN_IN_FLIGHT = 8


@dataclass(frozen=True)
class Failure:
    """A trial that failed or diverged, as the table of failures shows it."""

    trial: str
    """Its hash."""
    cell: str
    phase: Phase
    outcome: str
    """`lost` where its worker died again and again; that is no result, and the next run tries again."""
    reason: str
    log: Folder | None
    """Its log, where there is one."""


@dataclass(frozen=True)
class CellStatus:
    """How far one cell is."""

    label: str
    outcomes: Mapping[Outcome, int]
    measured: int
    num_seeds: int
    """Measure trials that the sweep asks for, and how many of them have ended."""
    missing: int
    """Trials without a record, those not proposed yet included."""


@dataclass(frozen=True)
class Status:
    """How far a sweep is, and who works on it."""

    folder: Folder
    manifest: Manifest
    cells: list[CellStatus]
    failures: list[Failure]
    in_flight: dict[str, float]
    """Hash -> Unix seconds of its last checkpoint, of trials begun and not ended: running, or interrupted."""
    no_longer_wanted: int
    unreadable: list[Folder]
    misplaced: list[str]
    """What is wrong with each record that lies in another trial's file; none of them counts."""
    driver: str | None
    """Who holds the folder, e.g. "pid 12 on host"; None when nobody does."""
    last_activity: float
    """Unix seconds of the newest manifest, record or checkpoint."""


class _End(BaseModel):
    outcome: Outcome
    reason: str | None = None


class _Ended(BaseModel):
    """What a status needs of a record; reading the rest would take ten times as long."""

    hash: str
    config: dict[str, Any]
    place: TrialPlace | None = None
    end: _End
    imported: Any = None

    @model_validator(mode="after")
    def _config_is_a_trials(self) -> _Ended:
        for problem in () if self.imported else config_problems(self.config):
            raise ValueError(problem)
        return self


def read_status(folder: Folder) -> Status:
    """How far the sweep in `folder` is, also while a driver works on it.

    Raises:
        ValueError: the manifest can't be read.
    """
    manifest = read_manifest(folder)
    written = SweepFolder(folder).manifest.stat().st_mtime
    newest, stray = written, 0
    ended: dict[str, list[tuple[_Ended, Phase, Outcome]]] = {cell.label: [] for cell in manifest.cells}
    wanted = {w.hash: (cell.label, w) for cell in manifest.cells for w in cell.wanted}
    hashes = set()
    changes = SweepFolder(folder).records_modified()
    unreadable: list[Folder] = []
    misplaced: list[str] = []
    for path, record in _records(folder, unreadable, misplaced):
        changed = changes.get(path, time.time())
        newest = max(newest, changed)
        hashes.add(record.hash)
        label, place = wanted.get(record.hash, (None, None))
        if label is None and changed >= written:
            # The manifest is written when a cell is decided; what the driver records meanwhile is wanted by it.
            home = cell_of(record.config, record.place, manifest)
            label = home.label if home else None
        if label is None:
            stray += 1
        else:
            ended[label].append((record, record.config["phase"], _as_read(record, place)))
    in_flight = {trial: saved for trial, saved in begun(folder).items() if trial not in hashes}
    return Status(
        folder=folder,
        manifest=manifest,
        cells=[_cell_status(cell, ended[cell.label]) for cell in manifest.cells],
        failures=[
            failure(folder, record.hash, label, phase, outcome, record.end.reason)
            for label, trials in ended.items()
            for record, phase, outcome in trials
            if outcome in ("failed", "diverged")
        ],
        in_flight=in_flight,
        no_longer_wanted=stray,
        unreadable=unreadable,
        misplaced=misplaced,
        driver=driver_of(folder),
        last_activity=max([newest, *in_flight.values()]),
    )


def _records(folder: Folder, unreadable: list[Folder], misplaced: list[str]) -> Iterator[tuple[Folder, _Ended]]:
    """The records with their files; what is none, or not where it belongs, is added to the lists."""
    for path, content in record_files(folder):
        try:
            record = _Ended.model_validate_json(content)
            check_place(path, record.hash)
        except ValidationError:
            unreadable.append(path)
        except ValueError as error:
            misplaced.append(str(error))
        else:
            yield path, record


def _as_read(record: _Ended, place: WantedTrial | None) -> Outcome:
    """The outcome through the sweep file's present pruning rule."""
    return "pruned" if place is not None and place.pruned_at is not None else record.end.outcome


def _cell_status(cell: ManifestCell, trials: list[tuple[_Ended, Phase, Outcome]]) -> CellStatus:
    phases = Counter(phase for _, phase, _ in trials)
    seeds = cell.num_seeds
    if phases["search"] >= cell.num_proposals and (cell.failed or cell.winners):  # some searches may have no winner
        seeds = sum(w.phase == "measure" for w in cell.wanted)
    return CellStatus(
        label=cell.label,
        outcomes=Counter(outcome for *_, outcome in trials),
        measured=phases["measure"],
        num_seeds=seeds,
        missing=max(0, cell.num_proposals + seeds - len(trials)),
    )


def begun(folder: Folder) -> dict[str, float]:
    """Hash -> Unix seconds of its checkpoint, of every trial that has one."""
    found = SweepFolder(folder).checkpoints_modified()
    return {trial: changed for trial, changed in found.items() if trial.isalnum()}  # and no file manager's copy


def failure(folder: Folder, trial: str, cell: str, phase: Phase, outcome: str, reason: str | None) -> Failure:
    """A row of the table of failures of the sweep in `folder`."""
    log = SweepFolder(folder).trial(trial).log
    return Failure(trial, cell, phase, outcome, reason or "", log if exists(log) else None)


def failures_table(failures: Sequence[Failure]) -> Table:
    """Trials that failed, diverged or were lost: which, why, and where the trace-back is."""
    table = Table(title="trials that did not end well", title_justify="left")
    for name in ("trial", "cell", "phase", "outcome", "reason", "log"):
        table.add_column(name, overflow="fold")
    for row in failures:
        log = str(row.log or "")
        table.add_row(*(Text(text) for text in (row.trial[:8], row.cell, row.phase, row.outcome, row.reason, log)))
    return table


def print_status(status: Status, console: Console, now: float | None = None) -> None:
    """A row a cell, who works on it, what went wrong, and what to do next. `now`: Unix seconds."""
    now = time.time() if now is None else now
    manifest, cells = status.manifest, status.cells
    ended = sum(sum(cell.outcomes.values()) for cell in cells)
    missing = sum(cell.missing for cell in cells)
    say = _Teller(console)
    say(f"{manifest.sweep}, scale {manifest.scale}: {ended} of {ended + missing} trials ended")
    console.print(_cells_table(cells))
    say(f"driver: {status.driver or 'none'}; last activity {_ago(now - status.last_activity)}")
    if status.in_flight:
        say(_in_flight_line(status.in_flight, "running" if status.driver else "interrupted", now))
    if status.no_longer_wanted:
        say(f"{status.no_longer_wanted} records are of trials that the sweep file no longer asks for")
    for path in status.unreadable:
        say(f"{path}: not a trial record")
    for line in status.misplaced:
        say(line)
    if status.failures:
        console.print(failures_table(status.failures))
    if not missing and not status.unreadable and not status.misplaced:
        say(f"next: python -m analysis {shlex.quote(str(status.folder))}")
    elif status.driver is None:
        say("the command that began it goes on from here")


class _Teller:
    """Prints lines as they are: brackets are no markup, nothing is coloured or folded."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def __call__(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _cells_table(cells: Sequence[CellStatus]) -> Table:
    table = Table()
    outcomes: tuple[Outcome, ...] = ("finished", "pruned", "diverged", "failed")
    for name in ("cell", *outcomes, "missing", "measured"):
        table.add_column(name, justify="left" if name == "cell" else "right", overflow="fold")
    for cell in cells:
        counts = [str(cell.outcomes.get(outcome, 0)) for outcome in outcomes]
        table.add_row(cell.label, *counts, str(cell.missing), f"{cell.measured} of {cell.num_seeds}")
    return table


def _in_flight_line(in_flight: Mapping[str, float], what: str, now: float) -> str:
    newest = sorted(in_flight.items(), key=lambda item: -item[1])
    shown = [f"{trial[:8]} ({_ago(now - saved)})" for trial, saved in newest[:SHOWN_IN_FLIGHT]]
    more = f" and {len(newest) - SHOWN_IN_FLIGHT} more" if len(newest) > SHOWN_IN_FLIGHT else ""
    return f"{what}, by last checkpoint: {', '.join(shown)}{more}"


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(0, seconds):.0f} s ago"
