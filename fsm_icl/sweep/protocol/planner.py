"""What is missing next: the protocol's search and measure phases over all cells of a sweep."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Sequence

from fsm_icl.results.records import TrialPlace
from fsm_icl.sweep.file.cells import Cell
from fsm_icl.sweep.file.planned import PlannedTrial, Records, plan_trial
from fsm_icl.sweep.file.spec import SweepSpec
from fsm_icl.sweep.protocol.prefix_rule import ObservedTrial
from fsm_icl.sweep.protocol.search import Search

Order = tuple[bool, int]
"""Measure trials first, then the lowest index."""


class CellPlan:
    """One cell: its searches, then its measure trials."""

    def __init__(self, spec: SweepSpec, cell: Cell, records: Records) -> None:
        """Take in the records there are now; `records` is read again at each `advance`."""
        self.spec, self.cell, self.records = spec, cell, records
        self.searches = [Search(spec, cell, repeat, records) for repeat in range(spec.search.repeats)]
        self.measures: list[PlannedTrial] = []
        self._unmeasured: list[PlannedTrial] = []
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

    def _measures(self) -> list[PlannedTrial]:
        known = {(m.place.repeat, m.place.index): m for m in self.measures}
        chosen = {s.repeat: params for s in self.searches if (params := s.chosen()) is not None}
        return [
            known.get((r, j)) or plan_trial(self.spec, self.cell, self._measure(r, j), chosen[r], {})
            for j in range(self.spec.measure.num_seeds)
            if (r := j % self.spec.search.repeats) in chosen
        ]

    def _measure(self, repeat: int, index: int) -> TrialPlace:
        return TrialPlace(cell=self.cell.key, phase="measure", repeat=repeat, index=index)

    def wanted(self) -> list[PlannedTrial]:
        """Every trial known to be wanted, measure trials first. Makes all proposals that may be made."""
        return self.measures + [p for search in self.searches for p in search.proposals]

    def done(self, planned: PlannedTrial) -> bool:
        """Whether its record is there and the pruning rule asks for no more steps."""
        return planned.hash in self.records if planned.place.phase == "measure" else self.seen(planned) is not None

    def seen(self, planned: PlannedTrial) -> ObservedTrial | None:
        """A search trial under the pruning rule; None while it has no outcome."""
        return self.searches[planned.place.repeat].seen(planned.place.index)

    def missing(self) -> Iterator[PlannedTrial]:
        """Trials that may start now and have no record, measure trials first."""
        yield from self._unmeasured
        for search in self.searches:
            yield from search.missing()

    def first_missing(self) -> Order | None:
        """No missing trial comes before this; None where nothing is missing. Makes no proposal."""
        if self._unmeasured:
            return False, self._unmeasured[0].place.index
        return min(((True, s.num_in_row) for s in self.searches if not s.complete), default=None)

    def next(self, busy: Collection[str]) -> PlannedTrial | None:
        """The first of the missing that are not `busy`, by Order and then by repeat."""
        for planned in self._unmeasured:
            if planned.hash not in busy:
                return planned
        best: PlannedTrial | None = None
        for search in self.searches:
            if best is None or search.num_in_row < best.place.index:
                found = next((p for p in search.missing() if p.hash not in busy), None)
                best = found if found and (best is None or found.place.index < best.place.index) else best
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
        """Number of search trials that the pruning rule stops."""
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
        return self.searched and all(search.chosen() is None for search in self.searches)

    @property
    def complete(self) -> bool:
        """Nothing is missing any more."""
        return self.searched and not self._unmeasured

    def total(self) -> int:
        """Trials the cell will have had at the end."""
        wanted = self.spec.measure.num_seeds if not self.searched else len(self.measures)
        return self.num_proposals + wanted

    @property
    def num_proposals(self) -> int:
        """Search trials that the sweep file asks for, all repeats together; none where nothing is searched."""
        return sum(search.num_trials for search in self.searches)


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

    def advance(self, planned: PlannedTrial) -> None:
        """Take in the record of `planned`."""
        self.plan_of(planned).advance()
        self._enqueue(self._place[planned.cell.key])

    def plan_of(self, planned: PlannedTrial) -> CellPlan:
        """The plan of a trial's cell."""
        return self.plans[self._place[planned.cell.key]]

    def next(self, busy: Collection[str]) -> PlannedTrial | None:
        """The trial to start next, None while all that may start are `busy` (hashes in flight or given up).

        Measure trials come before proposals, and cells whose searches are furthest behind come first, so that no
        cell is left alone at the end. Asked several times a second: looks at the first cells of a queue until what
        it found comes before all that the rest can have.
        """
        best: tuple[Order, int] | None = None
        found: PlannedTrial | None = None
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


def _order(planned: PlannedTrial) -> Order:
    return planned.place.phase == "search", planned.place.index
