"""What is printed before a sweep: its first lines, and --plan. Needs neither torch's start-up nor Ray's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fsm_icl.results.files import os_error_text
from fsm_icl.results.lookup import fresh_folder
from fsm_icl.sweep.examine.status import begun
from fsm_icl.sweep.file.cells import cells_of
from fsm_icl.sweep.file.hypotheses import check_other_scales, declared
from fsm_icl.sweep.file.load import LoadedSweep, load_sweep_file, results_folder
from fsm_icl.sweep.protocol.claim_checks import refuse_thresholds
from fsm_icl.sweep.protocol.declarations import announcements, brought_up_to_date
from fsm_icl.sweep.protocol.estimate import seconds_per_trial
from fsm_icl.sweep.protocol.planner import Planner
from fsm_icl.sweep.protocol.tally import CellTally, SweepTally, num_new, planner_before, tally
from fsm_icl.sweep.store.declarations import DeclarationLog
from fsm_icl.sweep.store.own_records import home_of, read_own_records
from fsm_icl.sweep.store.store import StoreError, failed_in
from fsm_icl.tune.request import TuneRequest
from fsm_icl.tune.resources.packing import Packing

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder

MAX_ROWS = 50
_CATEGORIES = ("done", "to\nresume", "to run", "failed", "no longer\nwanted")


@dataclass(frozen=True)
class Preview:
    """A sweep as it stands before it is run; nothing has been written for it."""

    loaded: LoadedSweep
    folder: Folder
    planner: Planner
    tally: SweepTally
    announcements: list[str]
    """What the run will write beside claims that have changed since trials ended."""


def look(asked: TuneRequest) -> Preview:
    """Read the sweep file and the records there are.

    Raises:
        SpecError: the sweep file, a setting or the results folder's name is wrong.
        StoreError: a record can't be read.
    """
    results = results_folder(asked.results)
    loaded = load_sweep_file(asked.sweep, asked.scale, asked.sets, asked.default_scale)
    cells = cells_of(loaded)
    refuse_thresholds(loaded)
    declared(loaded, cells)
    check_other_scales(loaded)
    try:
        home = None if asked.fresh else home_of(loaded.name, loaded.scale, cells, results)
        folder = home or fresh_folder(loaded.name, loaded.scale, results)
        records, resumable = read_own_records(folder), begun(folder)
        for trial in failed_in(records) if asked.retry_failed else ():
            del records[trial]
        planner, log = Planner(loaded.spec, cells, records), DeclarationLog.read(folder)
        changed = announcements(log, brought_up_to_date(log, folder, loaded, planner))
    except ValueError as error:
        raise StoreError(str(error)) from None
    except OSError as error:
        raise StoreError(os_error_text(error)) from None
    return Preview(loaded, folder, planner, tally(planner, resumable), changed)


def print_doubts(lines: Iterable[str], console: Console) -> None:
    """Print what to know of claims before a sweep trains, unfolded, so that a `--set` can be copied."""
    for line in lines:
        console.print(f"beware: {line}", highlight=False, markup=False, soft_wrap=True)


def headline(view: Preview, asked_scale: str | None) -> str:
    """The first lines: what is run, at which scale and why, and where it goes."""
    loaded, planner, found, folder = view.loaded, view.planner, view.tally, view.folder
    spec = loaded.spec
    why = "" if asked_scale else _why(loaded.scale)
    done = sum(plan.num_searched + plan.num_measured for plan in planner.plans)
    total = sum(plan.total() for plan in planner.plans)
    return (
        f"{loaded.name}, scale {loaded.scale}{why}: {len(planner.plans):,} cells, "
        f"{_range([plan.num_proposals for plan in planner.plans])} proposals and {spec.measure.num_seeds} seeds each\n"
        f"{folder}: {done:,} of {total:,} trials done{_changed(loaded, planner, found, folder)}"
    )


def _range(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"


def _changed(loaded: LoadedSweep, planner: Planner, found: SweepTally, folder: Folder) -> str:
    """What a change of the sweep file since the last run adds and drops."""
    dropped = found.total.no_longer_wanted
    kept = f"{dropped:,} records are of trials that the sweep file no longer asks for (kept, but in no figure)"
    before = planner_before(folder, loaded.spec, planner.records)
    if before is not None:
        return f"\nthe sweep file has changed: {num_new(planner, before):,} trials are new, {kept}"
    return f"\n{kept}" if dropped else ""


def _why(scale: str) -> str:
    found = {"paper": "a GPU was found", "laptop": "no GPU was found"}.get(scale)
    return f" ({found}; --scale says otherwise)" if found else ""


def print_plan(planner: Planner, found: SweepTally, packing: Packing, console: Console) -> None:
    """--plan: cells, trials, parameters, estimated time, what is done and what is missing."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("cell", "params", "search", "measure", *_CATEGORIES, "s/trial", "core-min\nto go"):
        table.add_column(name, justify="left" if name == "cell" else "right", overflow="fold")
    estimates = [seconds_per_trial(plan, planner.records) for plan in planner.plans]
    left = [
        (plan.total() - plan.num_searched - plan.num_measured) * s
        for plan, (s, _) in zip(planner.plans, estimates, strict=True)
    ]
    rows = list(zip(planner.plans, estimates, left, found.cells, strict=True))
    for plan, (seconds, measured), to_go, standing in rows[:MAX_ROWS]:
        spec, template = plan.spec, plan.cell.template
        params = template.model.num_params(template.task.num_tokens, template.task.num_classes)
        table.add_row(
            Text(plan.cell.label),
            f"{params:,}",
            f"{plan.num_searched} of {plan.num_proposals}",
            f"{plan.num_measured} of {spec.measure.num_seeds}",
            *_counts(standing),
            f"{'' if measured else '~'}{seconds:.2g}",
            f"{to_go / 60:.1f}",
        )
    for name, dropped in list(found.elsewhere.items())[:MAX_ROWS]:
        table.add_row(f"{name} *", "", "", "", *_counts(CellTally(0, 0, 0, 0, dropped)), "", "")
    table.add_section()
    table.add_row("all", "", "", "", *_counts(found.total), "", f"{sum(left) / 60:,.1f}")
    console.print(table)
    if found.elsewhere:
        console.print("* cells that the sweep file does not have now")
    if len(planner.plans) > MAX_ROWS:
        console.print(f"and {len(planner.plans) - MAX_ROWS:,} more cells")
    concurrent = max(1, packing.slots(plan.cell.key for plan in planner.plans))
    minutes = sum(s / packing.at_a_time(plan.cell.key) for plan, s in zip(planner.plans, left, strict=True)) / 60
    console.print(f"about {minutes:.1f} minutes with {concurrent} at a time, if nothing is pruned")
    if not all(measured for _, measured in estimates):
        console.print("~ rough figure from the layers' size, for one CPU core; better once a trial has run")


def _counts(standing: CellTally) -> list[str]:
    """In the order of _CATEGORIES."""
    return [
        f"{n:,}"
        for n in (standing.done, standing.to_resume, standing.to_run, standing.failed, standing.no_longer_wanted)
    ]
