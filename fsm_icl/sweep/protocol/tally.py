"""Counts the trials that a sweep file asks for by how far they are, and the records that it no longer asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fsm_icl.results.files import exists
from fsm_icl.results.layout import SweepFolder
from fsm_icl.results.records import Phase, TrialRecord
from fsm_icl.sweep.file.cells import cells_of
from fsm_icl.sweep.file.content import CellIndex
from fsm_icl.sweep.file.load import LoadedSweep, load_sweep_file
from fsm_icl.sweep.file.planned import Records
from fsm_icl.sweep.file.spec import PARAMETERS, Range, SweepSpec
from fsm_icl.sweep.file.yaml import SpecError
from fsm_icl.sweep.protocol.planner import CellPlan, Planner

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder

Place = tuple[Phase, int, int]
"""Phase, repeat and index of a trial in its cell."""


@dataclass(frozen=True)
class CellTally:
    """How far one cell is. done + to_resume + to_run + failed is what the sweep file asks for."""

    done: int
    to_resume: int
    """Trials that have a checkpoint and no record."""
    to_run: int
    """All other trials, also those that become known only when earlier ones have ended."""
    failed: int
    no_longer_wanted: int
    """Records of this cell that the sweep file no longer asks for."""


@dataclass(frozen=True)
class SweepTally:
    """How far all cells are."""

    cells: list[CellTally]
    """In the planner's order."""
    elsewhere: Mapping[str, int]
    """Records of cells that the sweep file no longer has: how many, by architecture and size."""

    @property
    def total(self) -> CellTally:
        """All cells together, and those that the sweep file does not have."""
        names = ("done", "to_resume", "to_run", "failed", "no_longer_wanted")
        sums = {name: sum(getattr(cell, name) for cell in self.cells) for name in names}
        sums["no_longer_wanted"] += sum(self.elsewhere.values())
        return CellTally(**sums)


def tally(planner: Planner, begun: Collection[str]) -> SweepTally:
    """How far each cell is. `begun`: hashes of the trials that have a checkpoint."""
    if not planner.records and not begun:  # a fresh sweep, however large: makes no proposal
        return SweepTally([CellTally(0, 0, plan.total(), 0, 0) for plan in planner.plans], {})
    stray = set(planner.records) - {p.hash for plan in planner.plans for p in plan.wanted()}
    if stray:
        by_seed: dict[int, list[TrialRecord]] = {}
        for trial in stray:
            by_seed.setdefault(planner.records[trial].config["seed"], []).append(planner.records[trial])
        stray -= {h for plan in planner.plans for h in _undecided(plan, by_seed)}
    index = CellIndex([plan.cell for plan in planner.plans])
    at_home: Counter[str] = Counter()
    elsewhere: Counter[str] = Counter()
    for trial in stray:
        record = planner.records[trial]
        home = index.find(record)
        if home is None:
            elsewhere[_name(record)] += 1
        else:
            at_home[home.key] += 1
    found = [_standing(plan, planner.records, begun, at_home[plan.cell.key]) for plan in planner.plans]
    return SweepTally(found, dict(sorted(elsewhere.items())))


def _standing(plan: CellPlan, records: Records, begun: Collection[str], no_longer_wanted: int) -> CellTally:
    ended = [p for p in plan.wanted() if plan.done(p)]
    failed = sum(records[p.hash].end.outcome == "failed" for p in ended)
    to_resume = sum(p.hash in begun for p in plan.wanted() if not plan.done(p))
    to_run = plan.total() - len(ended) - to_resume
    return CellTally(len(ended) - failed, to_resume, to_run, failed, no_longer_wanted)


def _undecided(plan: CellPlan, stray: Mapping[int, Sequence[TrialRecord]]) -> set[str]:
    """Of the `stray` records (by seed) those that may be wanted once earlier trials of their cell have ended."""
    found = set()
    spec, cell = plan.spec, plan.cell
    for search in (s for s in plan.searches if not s.complete):
        possible = [dict(proposal.params) for proposal in search.proposals]
        for i in range(len(possible), search.num_trials):
            point = search.start_point(i)
            if point is not None:
                possible.append(point)
            for record in stray.get(cell.seed(spec, "search", search.repeat, i), ()):
                if (params := _params(record, cell.ranges)) == (point or _clipped(params, cell.ranges)):
                    found.add(record.hash)
                    possible.append(params)
        for j in range(search.repeat, spec.measure.num_seeds, spec.search.repeats):
            same_seed = stray.get(cell.seed(spec, "measure", search.repeat, j), ())
            found |= {record.hash for record in same_seed if _params(record, cell.ranges) in possible}
    return found


def _clipped(params: Mapping[str, float], ranges: Mapping[str, Range]) -> dict[str, float]:
    """`params` moved into the ranges that are searched."""
    return {name: min(max(value, ranges[name].bounds[0]), ranges[name].bounds[1]) for name, value in params.items()}


def _params(record: TrialRecord, ranges: Mapping[str, Range]) -> dict[str, float]:
    """The searched hyperparameters of a record."""
    return {name: record.config[section][key] for name in ranges for section, key in [PARAMETERS[name]]}


def _name(record: TrialRecord) -> str:
    model = record.config["model"]
    return f"{model['arch']}-d{model['d_model']}-L{model['num_layers']}"


def sweep_before(folder: Folder) -> LoadedSweep | None:
    """The sweep file that `folder` was last run with; None where there is none that can be read now."""
    path = SweepFolder(folder).sweep_file
    try:
        return load_sweep_file(str(path)) if exists(path) else None
    except SpecError:  # written by a version with other fields: there is nothing to compare with
        return None


def planner_before(folder: Folder, spec: SweepSpec, records: Records) -> Planner | None:
    """The plan of the sweep file that `folder` was last run with; None where there is none, or it is `spec`."""
    loaded = sweep_before(folder)
    try:
        return None if loaded is None or loaded.spec == spec else Planner(loaded.spec, cells_of(loaded), records)
    except SpecError:
        return None


def num_new(planner: Planner, before: Planner) -> int:
    """How many of the trials that `planner` asks for `before` does not."""
    plans = {plan.cell.key: plan for plan in before.plans}
    return sum(_num_new(plan, plans.get(plan.cell.key)) for plan in planner.plans)


def _num_new(plan: CellPlan, before: CellPlan | None) -> int:
    if before is None:
        return plan.total()
    known, old = _hashes(plan), _hashes(before)
    if not any(old.get(place) == trial for place, trial in known.items()):
        return plan.total()  # the same cell under another seed or range
    old_places = _places(before)
    changed = sum(place in old and old[place] != trial for place, trial in known.items())
    return changed + sum(place not in old_places for place in _places(plan))


def _hashes(plan: CellPlan) -> dict[Place, str]:
    return {(p.place.phase, p.place.repeat, p.place.index): p.hash for p in plan.wanted()}


def _places(plan: CellPlan) -> set[Place]:
    """The places of all trials that the cell asks for, whether they are known yet or not."""
    search, seeds = plan.spec.search, plan.spec.measure.num_seeds
    places: set[Place] = {("search", s.repeat, i) for s in plan.searches for i in range(s.num_trials)}
    if plan.searched:  # a search without a winner has no measure trials
        return places | {("measure", m.place.repeat, m.place.index) for m in plan.measures}
    return places | {("measure", j % search.repeats, j) for j in range(seeds)}
