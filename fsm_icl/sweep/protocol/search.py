"""One search of one cell: which proposals there are, as a function of the records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fsm_icl.results.records import TrialPlace
from fsm_icl.seeding import derive
from fsm_icl.sweep.file.cells import Cell
from fsm_icl.sweep.file.planned import PlannedTrial, Records, plan_trial
from fsm_icl.sweep.file.rungs import rung_steps
from fsm_icl.sweep.file.spec import SweepSpec
from fsm_icl.sweep.protocol import prefix_rule
from fsm_icl.sweep.protocol.prefix_rule import ObservedTrial


class Search:
    """One search of one cell. Advances over the records there are; what it knows is a function of them alone.

    Proposals are made when they are asked for: planning a sweep of many cells makes none, a step of it only a few.
    """

    def __init__(self, spec: SweepSpec, cell: Cell, repeat: int, records: Records) -> None:
        """`records` is read again at each `advance`; it may grow by trials that `missing` gave out."""
        self.spec, self.cell, self.repeat, self.records = spec, cell, repeat, records
        self.steps = rung_steps(spec.search, cell.template.budget)
        self.num_trials = spec.search.num_trials if cell.ranges else 0
        self.num_done = self.num_pruned = 0
        self.num_in_row = 0
        """Length of the settled prefix: proposals 0 .. n-1 have an outcome."""
        self._made: list[PlannedTrial] = []
        self._seen: list[ObservedTrial | None] = []
        self._winner: PlannedTrial | None = None
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
    def proposals(self) -> list[PlannedTrial]:
        """All that the records allow to propose."""
        self._make_all()
        return self._made

    def missing(self) -> Iterator[PlannedTrial]:
        """Proposals that may start now and have no record, made as they are asked for."""
        i = self.num_in_row
        while i < len(self._made) or self._make_next():
            if self._seen[i] is None:
                yield self._made[i]
            i += 1

    def seen(self, index: int) -> ObservedTrial | None:
        """Proposal `index` under the pruning rule; None while it has no outcome."""
        return self._seen[index]

    def read(self) -> Iterator[ObservedTrial]:
        """Proposals that have an outcome under the pruning rule."""
        return (seen for seen in self._seen if seen is not None)

    def _make_all(self) -> None:
        while self._make_next():
            pass

    def _make_next(self) -> bool:
        """Proposal i may be made when proposals 0 .. i-w are read. Returns whether it could be."""
        search, index = self.spec.search, len(self._made)
        if index >= min(self.num_trials, self.num_in_row + search.window):
            return False
        self._made.append(self._propose(index))
        self._seen.append(None)
        self._read(index)
        self._count_row()
        return True

    def _propose(self, index: int) -> PlannedTrial:
        search = self.spec.search
        prefix = [seen for seen in self._seen[: max(0, index - search.window + 1)] if seen is not None]
        pending = [p.params for p in self._made[len(prefix) :]]
        params = self._point(index, prefix, pending)
        limits = prefix_rule.cutoffs(prefix, self.steps, search.eta)
        place = TrialPlace(cell=self.cell.key, phase="search", repeat=self.repeat, index=index)
        return plan_trial(self.spec, self.cell, place, params, limits)

    def start_point(self, index: int) -> dict[str, float] | None:
        """Hyperparameters of proposal `index` if it is a start-up point, which depends on no record; else None."""
        return self._point(index, [], []) if index < self.spec.search.num_startup else None

    def _point(
        self, index: int, prefix: Sequence[ObservedTrial], pending: Sequence[Mapping[str, float]]
    ) -> dict[str, float]:
        seed = derive(self.spec.seed, self.cell.key, self.repeat, "proposals")
        return prefix_rule.propose(self.cell.ranges, self.spec.search.num_startup, seed, index, prefix, pending)

    def _read(self, index: int) -> None:
        proposal = self._made[index]
        record = self.records.get(proposal.hash)
        seen = prefix_rule.read(record, proposal.params, self.steps, proposal.cutoffs) if record else None
        self._seen[index] = seen
        self.num_done += seen is not None
        self.num_pruned += seen is not None and seen.outcome == "pruned"

    def _count_row(self) -> None:
        while self.num_in_row < len(self._seen) and self._seen[self.num_in_row] is not None:
            self.num_in_row += 1

    @property
    def complete(self) -> bool:
        """All proposals made and read."""
        return self.num_in_row == self.num_trials

    def winner(self) -> PlannedTrial | None:
        """The winning proposal of a complete search, None when none finished or the search goes on."""
        if self.complete and self._winner is None:
            best = prefix_rule.winner([seen for seen in self._seen if seen is not None])
            self._winner = None if best is None else self._made[best]
        return self._winner

    def chosen(self) -> Mapping[str, float] | None:
        """Hyperparameters for the measure trials: the winner's, or none where none is searched; None until known."""
        if not self.cell.ranges:
            return {}
        return None if (best := self.winner()) is None else best.params
