"""Sweeps without training: a learner that is a function of its config, and workers that finish in any order."""

from __future__ import annotations

import random
from collections.abc import Callable

from fsm_icl.results.records import Report, TestScore, TrialEnd, TrialRecord
from fsm_icl.seeding import derive, numpy_generator
from fsm_icl.sweep.file.cells import Cell, cells_of
from fsm_icl.sweep.file.load import LoadedSweep, load_sweep_file
from fsm_icl.sweep.file.planned import PlannedTrial
from fsm_icl.sweep.protocol.planner import Planner


def loaded(*sets: str, scale: str = "laptop") -> LoadedSweep:
    """The shipped spectrum sweep with overrides."""
    return load_sweep_file("spectrum", scale, sets)


def cells(sweep: LoadedSweep) -> list[Cell]:
    return cells_of(sweep)


def end(outcome: str, steps: int, test: TestScore | None = None) -> TrialEnd:
    return TrialEnd(
        outcome=outcome,  # type: ignore[arg-type]
        test=test,
        num_params=1,
        state_size=1,
        flops_per_token=1,
        steps=steps,
        seconds=steps / 100,
        steps_per_second=100,
        tokens_per_second=1000,
        peak_memory_bytes=0,
        started_at=0,
        ended_at=steps / 100,
        node="n",
        device="cpu",
        cpu_model="c",
        threads=1,
        versions={},
    )


def curve(planned: PlannedTrial) -> list[Report]:
    """A plateau and then a jump, earlier and higher the nearer the learning rate is to 1e-2; noise from the seed."""
    budget = planned.config.budget
    noise = numpy_generator(planned.config.seed, "curve")
    off = abs(planned.params["learning_rate"] / 1e-2 - 1)
    jump = noise.uniform(0.1, 0.5) + 0.2 * off
    reports = []
    for step in range(budget.report_every, budget.steps + 1, budget.report_every):
        level = 0.55 if step < jump * budget.steps else 0.95 - 0.1 * min(off, 1)
        accuracy = round(level + noise.normal(0, 0.01), 6)
        reports.append(Report(step=step, metrics={"val/accuracy": accuracy, "val/loss": 1 - accuracy}))
    return reports


def train(planned: PlannedTrial) -> TrialRecord:
    """What a worker would send back. One config in twelve diverges, one in twelve fails."""
    fate = derive(planned.config.seed, "fate") % 12
    kept: list[Report] = []
    for report in curve(planned):
        if planned.place.phase == "search" and fate < 2 and report.step > 150:
            return record(planned, kept, end("diverged" if fate else "failed", report.step))
        kept.append(report)
        limit = planned.cutoffs.get(report.step)
        if limit is not None and report.metric("val/accuracy") < limit:
            return record(planned, kept, end("pruned", report.step))
    return record(planned, kept, end("finished", kept[-1].step))


def record(planned: PlannedTrial, reports: list[Report], closing: TrialEnd) -> TrialRecord:
    config = planned.config.model_dump(mode="json")
    return TrialRecord(
        hash=planned.hash, config=config, place=planned.place, reports=reports, end=closing, commit=None, dirty=False
    )


def run(
    sweep: LoadedSweep,
    workers: int = 2,
    order: int = 0,
    records: dict[str, TrialRecord] | None = None,
    stop_after: int | None = None,
    learner: Callable[[PlannedTrial], TrialRecord] = train,
) -> dict[str, TrialRecord]:
    """Run a sweep with `workers` that end in an order drawn from `order`; stop short after so many trials."""
    draw = random.Random(order)
    records = {} if records is None else records
    planner = Planner(sweep.spec, cells(sweep), records)
    flying: dict[str, PlannedTrial] = {}
    ended = 0
    while stop_after is None or ended < stop_after:
        while len(flying) < workers and (planned := planner.next(flying)) is not None:
            flying[planned.hash] = planned
        if not flying:
            break
        planned = flying.pop(draw.choice(sorted(flying)))
        records[planned.hash] = learner(planned)
        planner.advance(planned)
        ended += 1
    return records


def winners(sweep: LoadedSweep, records: dict[str, TrialRecord]) -> dict[str, list[str]]:
    """Cell -> hashes of the winners of its searches and of its measure trials."""
    planner = Planner(sweep.spec, cells(sweep), records)
    assert planner.complete
    return {
        plan.cell.label: [w.hash for s in plan.searches if (w := s.winner())] + [m.hash for m in plan.measures]
        for plan in planner.plans
    }
