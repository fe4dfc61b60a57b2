"""What is missing next: the protocol's search and measure phases over all cells of a sweep."""

from __future__ import annotations

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
    """One search of one cell. Advances over the records there are; what it knows is a function of them alone."""

    def __init__(self, spec: SweepSpec, cell: Cell, repeat: int) -> None:
        self.spec, self.cell, self.repeat = spec, cell, repeat
        self.steps = protocol.rung_steps(spec.search, cell.template.budget)
        self.proposals: list[Planned] = []
        self.seen: list[Seen | None] = []

    def advance(self, records: Records) -> None:
        """Read new records and propose what they allow."""
        for i, proposal in enumerate(self.proposals):
            if self.seen[i] is None:
                self.seen[i] = self._read(proposal, records)
        while len(self.proposals) < self.spec.search.num_trials:
            prefix = self._prefix(len(self.proposals))
            if prefix is None:
                return
            proposal = self._propose(len(self.proposals), prefix)
            self.proposals.append(proposal)
            self.seen.append(self._read(proposal, records))

    def _prefix(self, index: int) -> list[Seen] | None:
        """Proposals 0 .. index-w as read, None while one of them is missing."""
        known = self.seen[: max(0, index - self.spec.search.window + 1)]
        found = [seen for seen in known if seen is not None]
        return found if len(found) == len(known) else None

    def _propose(self, index: int, prefix: Sequence[Seen]) -> Planned:
        search = self.spec.search
        seed = derive(self.spec.seed, self.cell.key, self.repeat, "proposals")
        pending = [p.params for p in self.proposals[len(prefix) :]]
        params = protocol.propose(search, seed, index, prefix, pending)
        limits = protocol.cutoffs(prefix, self.steps, search.eta)
        return _planned(self.spec, self.cell, params, "search", self.repeat, index, limits)

    def _read(self, proposal: Planned, records: Records) -> Seen | None:
        record = records.get(proposal.hash)
        return protocol.read(record, proposal.params, self.steps, proposal.cutoffs) if record else None

    @property
    def complete(self) -> bool:
        """All proposals made and read."""
        return len(self.seen) == self.spec.search.num_trials and None not in self.seen

    def winner(self) -> Planned | None:
        """The winning proposal of a complete search, None when none finished or the search goes on."""
        if not self.complete:
            return None
        best = protocol.winner([seen for seen in self.seen if seen is not None])
        return None if best is None else self.proposals[best]


class CellPlan:
    """One cell: its searches, then its measure trials."""

    def __init__(self, spec: SweepSpec, cell: Cell) -> None:
        self.spec, self.cell = spec, cell
        self.searches = [Search(spec, cell, repeat) for repeat in range(spec.search.repeats)]
        self.measures: list[Planned] = []
        self.records: Records = {}

    def advance(self, records: Records) -> None:
        """Take in the records there are now."""
        self.records = records
        for search in self.searches:
            search.advance(records)
        known = {(m.repeat, m.index): m for m in self.measures}
        winners = {s.repeat: w for s in self.searches if (w := s.winner()) is not None}
        self.measures = [
            known.get((r, j)) or _planned(self.spec, self.cell, winners[r].params, "measure", r, j, {})
            for j in range(self.spec.measure.num_seeds)
            if (r := j % self.spec.search.repeats) in winners
        ]

    def wanted(self) -> list[Planned]:
        """Every trial known to be wanted, measure trials first."""
        return self.measures + [p for search in self.searches for p in search.proposals]

    def done(self, planned: Planned) -> bool:
        """Its record is there, and today's rule asks for no more of it."""
        if planned.phase == "measure":
            return planned.hash in self.records
        return self.searches[planned.repeat].seen[planned.index] is not None

    def seen(self, planned: Planned) -> Seen | None:
        """A search trial as the present rule reads it."""
        return self.searches[planned.repeat].seen[planned.index]

    def missing(self) -> Iterator[Planned]:
        """Trials that may start now and have no record, measure trials first."""
        return (p for p in self.wanted() if not self.done(p))

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
        return self.searched and not any(True for _ in self.missing())

    def total(self) -> int:
        """Trials the cell will have had at the end."""
        wanted = self.spec.measure.num_seeds if not self.searched else len(self.measures)
        return self.spec.search.num_trials * len(self.searches) + wanted


class Planner:
    """All cells of a sweep, and which trial is next."""

    def __init__(self, spec: SweepSpec, cells: Sequence[Cell], records: Records) -> None:
        """`records` is read again at each `advance`; it may grow meanwhile."""
        self.records = records
        self.plans = [CellPlan(spec, cell) for cell in cells]
        for plan in self.plans:
            plan.advance(records)

    def advance(self, planned: Planned) -> None:
        """Take in the record of `planned`."""
        self.plan_of(planned).advance(self.records)

    def plan_of(self, planned: Planned) -> CellPlan:
        """The plan of a trial's cell."""
        return next(p for p in self.plans if p.cell.key == planned.cell.key)

    def next(self, busy: Collection[str]) -> Planned | None:
        """The trial to start next, None while all that may start are `busy` (hashes in flight or given up).

        Measure trials come before proposals, and cells whose searches are furthest behind come first, so that no
        cell is left alone at the end.
        """
        startable = [(p, plan) for plan in self.plans for p in plan.missing() if p.hash not in busy]
        if not startable:
            return None
        return min(startable, key=lambda pair: (pair[0].phase == "search", pair[0].index))[0]

    @property
    def complete(self) -> bool:
        """Nothing is missing in any cell."""
        return all(plan.complete for plan in self.plans)


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
