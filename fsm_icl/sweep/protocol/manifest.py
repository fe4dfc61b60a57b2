"""The manifest of a sweep, from the plans of its cells."""

from __future__ import annotations

from collections.abc import Sequence

from fsm_icl.results.records import (
    Declaration,
    DeclaredHypothesis,
    Manifest,
    ManifestCell,
    TaskEntry,
    TrialRecord,
    WantedTrial,
    Winner,
    sha256_of,
)
from fsm_icl.sweep.file.cells import Cell
from fsm_icl.sweep.file.load import LoadedSweep
from fsm_icl.sweep.file.planned import PlannedTrial
from fsm_icl.sweep.file.spec import SweepSpec
from fsm_icl.sweep.protocol.planner import CellPlan, Planner
from fsm_icl.training.config import identity


def manifest_of(
    loaded: LoadedSweep,
    planner: Planner,
    sweep_id: str,
    hypotheses: list[DeclaredHypothesis],
    tasks: dict[str, TaskEntry],
    declarations: Sequence[Declaration],
) -> Manifest:
    """The manifest of a sweep as it stands; `tasks` has an entry for each cell's `task_key`."""
    spec = loaded.spec
    return Manifest(
        sweep=loaded.name,
        scale=loaded.scale,
        id=sweep_id,
        question=spec.question,
        seed=spec.seed,
        evaluation_seed=spec.evaluation_seed,
        success_margin=spec.success_margin,
        repeats=spec.search.repeats,
        spec=spec.model_dump(mode="json", exclude_none=True),
        hypotheses=hypotheses,
        declarations=list(declarations),
        tasks=tasks,
        cells=[manifest_cell(spec, plan, task_key(plan.cell)) for plan in planner.plans],
    )


def task_key(cell: Cell) -> str:
    """The key of a cell's task in the manifest: 12 hex digits of its content."""
    return sha256_of(identity(cell.template.task))[:12]


def manifest_cell(spec: SweepSpec, plan: CellPlan, task: str) -> ManifestCell:
    """The cell's entry in the manifest."""
    template = plan.cell.template
    model, classes = template.model, template.task.num_classes
    return ManifestCell(
        label=plan.cell.label,
        key=plan.cell.key,
        fields=dict(plan.cell.fields),
        task=task,
        num_params=model.num_params(template.task.num_tokens, classes),
        state_size=model.state_size(),
        flops_per_token=model.flops_per_token(classes),
        steps=template.budget.steps,
        wanted=[_wanted(plan, planned) for planned in plan.wanted()],
        winners=[_winner(spec, plan, best) for s in plan.searches if (best := s.winner()) is not None],
        num_proposals=plan.num_proposals,
        num_seeds=spec.measure.num_seeds,
        failed=plan.failed,
    )


def _wanted(plan: CellPlan, planned: PlannedTrial) -> WantedTrial:
    place = WantedTrial(
        hash=planned.hash,
        phase=planned.place.phase,
        repeat=planned.place.repeat,
        index=planned.place.index,
        params=dict(planned.params),
    )
    seen = plan.seen(planned) if planned.place.phase == "search" else None
    if seen is None or seen.outcome != "pruned":
        return place
    end = plan.records[planned.hash].end
    as_recorded = end.outcome == "pruned" and end.steps == seen.steps
    return place if as_recorded else place.model_copy(update={"pruned_at": seen.steps})


def _winner(spec: SweepSpec, plan: CellPlan, best: PlannedTrial) -> Winner:
    ranges = plan.cell.ranges
    return Winner(
        repeat=best.place.repeat,
        index=best.place.index,
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
