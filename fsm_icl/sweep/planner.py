"""What is missing next: the protocol's search and measure phases over all cells of a sweep."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fsm_icl.records import ManifestCell, Phase, TrialRecord, WantedTrial, Winner
from fsm_icl.seeding import derive
from fsm_icl.sweep import protocol
from fsm_icl.sweep.cells import Cell
from fsm_icl.sweep.protocol import Seen
from fsm_icl.sweep.space import SweepSpec
from fsm_icl.training.config import TrialConfig

Records = Mapping[str, TrialRecord]


@dataclass(frozen=True)
class Planned:
    """A trial that the sweep wants."""

    cell: Cell
    phase: Phase
    repeat: int
    index: int
    config: TrialConfig
    hash: str
    params: Mapping[str, float]
    cutoffs: Mapping[int, float] = field(default_factory=dict)


class Search:
    """One search of one cell. Advances over the records there are; what it knows is a function of them alone.

    Proposals are made when they are asked for: planning a sweep of many cells makes none, a step of it only a few.
    """

    def __init__(self, spec: SweepSpec, cell: Cell, repeat: int, records: Records) -> None:
        """`records` is read again at each `advance`; it may grow by trials that `missing` gave out."""
        self.spec, self.cell, self.repeat, self.records = spec, cell, repeat, records
        self.steps = protocol.rung_steps(spec.search, cell.template.budget)
        self.num_done = self.num_pruned = 0
        self.num_in_row = 0
        """So many proposals, from the first on, are read."""
        self._made: list[Planned] = []
        self._seen: list[Seen | None] = []
        self._winner: Planned | None = None
        self._resumed = bool(records)
        if self._resumed:
            self._make_all()

    def advance(self) -> None:
        """Read new records."""
        for i in range(self.num_in_row, len(self._made)):
            if self._seen[i] is None:
                self._read(i)
        self._count_row()
        if self._resumed:  # what may be proposed now may have been trained long ago
            self._make_all()

    @property
    def proposals(self) -> list[Planned]:
        """All that the records allow to propose."""
        self._make_all()
        return self._made

    def missing(self) -> Iterator[Planned]:
        """Proposals that may start now and have no record, made as they are asked for."""
        i = self.num_in_row
        while i < len(self._made) or self._make_next():
            if self._seen[i] is None:
                yield self._made[i]
            i += 1

    def seen(self, index: int) -> Seen | None:
        """Proposal `index` as the present rule reads it."""
        return self._seen[index]

    def read(self) -> Iterator[Seen]:
        """Proposals that are done, as the present rule reads them."""
        return (seen for seen in self._seen if seen is not None)

    def _make_all(self) -> None:
        while self._make_next():
            pass

    def _make_next(self) -> bool:
        """Proposal i may be made when proposals 0 .. i-w are read. Returns whether it could be."""
        search, index = self.spec.search, len(self._made)
        if index >= min(search.num_trials, self.num_in_row + search.window):
            return False
        self._made.append(self._propose(index))
        self._seen.append(None)
        self._read(index)
        self._count_row()
        return True

    def _propose(self, index: int) -> Planned:
        search = self.spec.search
        prefix = [seen for seen in self._seen[: max(0, index - search.window + 1)] if seen is not None]
        pending = [p.params for p in self._made[len(prefix) :]]
        params = protocol.propose(search, self._seed, index, prefix, pending)
        limits = protocol.cutoffs(prefix, self.steps, search.eta)
        return _planned(self.spec, self.cell, params, "search", self.repeat, index, limits)

    def start_point(self, index: int) -> dict[str, float] | None:
        """Hyperparameters of proposal `index` if it is a start-up point, which depends on no record; else None."""
        search = self.spec.search
        return protocol.propose(search, self._seed, index, [], []) if index < search.num_startup else None

    @property
    def _seed(self) -> int:
        return derive(self.spec.seed, self.cell.key, self.repeat, "proposals")

    def _read(self, index: int) -> None:
        proposal = self._made[index]
        record = self.records.get(proposal.hash)
        seen = protocol.read(record, proposal.params, self.steps, proposal.cutoffs) if record else None
        self._seen[index] = seen
        self.num_done += seen is not None
        self.num_pruned += seen is not None and seen.outcome == "pruned"

    def _count_row(self) -> None:
        while self.num_in_row < len(self._seen) and self._seen[self.num_in_row] is not None:
            self.num_in_row += 1

    @property
    def complete(self) -> bool:
        """All proposals made and read."""
        return self.num_in_row == self.spec.search.num_trials

    def winner(self) -> Planned | None:
        """The winning proposal of a complete search, None when none finished or the search goes on."""
        if self.complete and self._winner is None:
            best = protocol.winner([seen for seen in self._seen if seen is not None])
            self._winner = None if best is None else self._made[best]
        return self._winner


Order = tuple[bool, int]
"""Measure trials first, then the lowest index."""


class CellPlan:
    """One cell: its searches, then its measure trials."""

    def __init__(self, spec: SweepSpec, cell: Cell, records: Records) -> None:
        """Take in the records there are now; `records` is read again at each `advance`."""
        self.spec, self.cell, self.records = spec, cell, records
        self.searches = [Search(spec, cell, repeat, records) for repeat in range(spec.search.repeats)]
        self.measures: list[Planned] = []
        self._unmeasured: list[Planned] = []
        self._complete_searches = 0
        self._take_in()

    def advance(self) -> None:
        """Take in the records there are now."""
        for search in self.searches:
            search.advance()
        self._take_in()

    def _take_in(self) -> None:
        complete = sum(search.complete for search in self.searches)
        if complete != self._complete_searches:
            self._complete_searches = complete
            self.measures = self._unmeasured = self._measures()
        self._unmeasured = [m for m in self._unmeasured if m.hash not in self.records]

    def _measures(self) -> list[Planned]:
        known = {(m.repeat, m.index): m for m in self.measures}
        winners = {s.repeat: w for s in self.searches if (w := s.winner()) is not None}
        return [
            known.get((r, j)) or _planned(self.spec, self.cell, winners[r].params, "measure", r, j, {})
            for j in range(self.spec.measure.num_seeds)
            if (r := j % self.spec.search.repeats) in winners
        ]

    def wanted(self) -> list[Planned]:
        """Every trial known to be wanted, measure trials first. Makes all proposals that may be made."""
        return self.measures + [p for search in self.searches for p in search.proposals]

    def done(self, planned: Planned) -> bool:
        """Its record is there, and today's rule asks for no more of it."""
        return planned.hash in self.records if planned.phase == "measure" else self.seen(planned) is not None

    def seen(self, planned: Planned) -> Seen | None:
        """A search trial as the present rule reads it."""
        return self.searches[planned.repeat].seen(planned.index)

    def missing(self) -> Iterator[Planned]:
        """Trials that may start now and have no record, measure trials first."""
        yield from self._unmeasured
        for search in self.searches:
            yield from search.missing()

    def first_missing(self) -> Order | None:
        """No missing trial comes before this; None where nothing is missing. Makes no proposal."""
        if self._unmeasured:
            return False, self._unmeasured[0].index
        return min(((True, s.num_in_row) for s in self.searches if not s.complete), default=None)

    def next(self, busy: Collection[str]) -> Planned | None:
        """The first of the missing that are not `busy`, by Order and then by repeat."""
        for planned in self._unmeasured:
            if planned.hash not in busy:
                return planned
        best: Planned | None = None
        for search in self.searches:
            if best is None or search.num_in_row < best.index:
                found = next((p for p in search.missing() if p.hash not in busy), None)
                best = found if found and (best is None or found.index < best.index) else best
        return best

    @property
    def num_searched(self) -> int:
        """Search trials that are done."""
        return sum(search.num_done for search in self.searches)

    @property
    def num_measured(self) -> int:
        """Measure trials that are done."""
        return len(self.measures) - len(self._unmeasured)

    @property
    def num_pruned(self) -> int:
        """Search trials that the present rule prunes."""
        return sum(search.num_pruned for search in self.searches)

    @property
    def best_accuracy(self) -> float | None:
        """Best validation accuracy of a search trial that is done, None before the first."""
        return max((seen.accuracy for search in self.searches for seen in search.read()), default=None)

    @property
    def searched(self) -> bool:
        """All searches of the cell are complete."""
        return all(search.complete for search in self.searches)

    @property
    def failed(self) -> bool:
        """Searched, and no proposal finished."""
        return self.searched and not any(search.winner() for search in self.searches)

    @property
    def complete(self) -> bool:
        """Nothing is missing any more."""
        return self.searched and not self._unmeasured

    def total(self) -> int:
        """Trials the cell will have had at the end."""
        wanted = self.spec.measure.num_seeds if not self.searched else len(self.measures)
        return self.spec.search.num_trials * len(self.searches) + wanted


class Planner:
    """All cells of a sweep, and which trial is next."""

    def __init__(self, spec: SweepSpec, cells: Sequence[Cell], records: Records) -> None:
        """`records` is read again at each `advance`; it may grow meanwhile."""
        self.records = records
        self.plans = [CellPlan(spec, cell, records) for cell in cells]
        self._place = {plan.cell.key: place for place, plan in enumerate(self.plans)}
        self._queued: dict[int, Order] = {}
        self._queue: list[tuple[Order, int]] = []
        for place in self._place.values():
            self._enqueue(place)

    def advance(self, planned: Planned) -> None:
        """Take in the record of `planned`."""
        self.plan_of(planned).advance()
        self._enqueue(self._place[planned.cell.key])

    def plan_of(self, planned: Planned) -> CellPlan:
        """The plan of a trial's cell."""
        return self.plans[self._place[planned.cell.key]]

    def next(self, busy: Collection[str]) -> Planned | None:
        """The trial to start next, None while all that may start are `busy` (hashes in flight or given up).

        Measure trials come before proposals, and cells whose searches are furthest behind come first, so that no
        cell is left alone at the end. Asked several times a second: looks at the first cells of a queue until what
        it found comes before all that the rest can have.
        """
        best: tuple[Order, int] | None = None
        found: Planned | None = None
        looked_at = []
        while self._queue and (best is None or self._queue[0] < best):
            first, place = heapq.heappop(self._queue)
            if self._queued.get(place) != first:
                continue  # the cell has moved on and stands elsewhere in the queue
            del self._queued[place]
            looked_at.append(place)
            planned = self.plans[place].next(busy)
            if planned is not None and (best is None or (_order(planned), place) < best):
                best, found = (_order(planned), place), planned
        for place in looked_at:
            self._enqueue(place)
        return found

    def _enqueue(self, place: int) -> None:
        """Put a cell where its first missing trial stands, unless it stands there already."""
        first = self.plans[place].first_missing()
        if first is None:
            self._queued.pop(place, None)
        elif self._queued.get(place) != first:
            self._queued[place] = first
            heapq.heappush(self._queue, (first, place))

    @property
    def complete(self) -> bool:
        """Nothing is missing in any cell."""
        return all(plan.complete for plan in self.plans)


def _order(planned: Planned) -> Order:
    return planned.phase == "search", planned.index


def _planned(
    spec: SweepSpec,
    cell: Cell,
    params: Mapping[str, float],
    phase: Phase,
    repeat: int,
    index: int,
    limits: Mapping[int, float],
) -> Planned:
    config = cell.trial(spec, params, phase, repeat, index)
    return Planned(cell, phase, repeat, index, config, config.fingerprint(), params, limits)


def manifest_cell(spec: SweepSpec, plan: CellPlan, task: str) -> ManifestCell:
    """The cell's entry in the manifest."""
    template = plan.cell.template
    model, classes = template.model, template.task.num_classes
    return ManifestCell(
        label=plan.cell.label,
        fields=dict(plan.cell.fields),
        task=task,
        num_params=model.num_params(template.task.num_tokens, classes),
        state_size=model.state_size(),
        flops_per_token=model.flops_per_token(classes),
        steps=template.budget.steps,
        wanted=[_wanted(plan, planned) for planned in plan.wanted()],
        winners=[_winner(spec, plan, best) for s in plan.searches if (best := s.winner()) is not None],
        num_proposals=spec.search.num_trials * spec.search.repeats,
        num_seeds=spec.measure.num_seeds,
        failed=plan.failed,
    )


def _wanted(plan: CellPlan, planned: Planned) -> WantedTrial:
    place = WantedTrial(hash=planned.hash, phase=planned.phase, repeat=planned.repeat, index=planned.index)
    seen = plan.seen(planned) if planned.phase == "search" else None
    if seen is None or seen.outcome != "pruned":
        return place
    end = plan.records[planned.hash].end
    as_recorded = end.outcome == "pruned" and end.steps == seen.steps
    return place if as_recorded else place.model_copy(update={"pruned_at": seen.steps})


def _winner(spec: SweepSpec, plan: CellPlan, best: Planned) -> Winner:
    ranges = spec.search.ranges()
    return Winner(
        repeat=best.repeat,
        index=best.index,
        hash=best.hash,
        params=dict(best.params),
        at_edge=[n for n, r in ranges.items() if not 0.1 <= r.share(best.params[n]) <= 0.9],
        still_rising=_still_rising(plan.records[best.hash], spec.success_margin),
    )


def _still_rising(record: TrialRecord, margin: float) -> bool:
    """Accuracy at the end is more than `margin` above what it was at two thirds of the budget."""
    last = record.reports[-1]
    earlier = [r for r in record.reports if r.step <= last.step * 2 / 3]
    return bool(earlier) and last.metric("val/accuracy") - earlier[-1].metric("val/accuracy") > margin
