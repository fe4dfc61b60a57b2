"""How long trials take: from records where there are any, else a rough figure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from fsm_icl.results.records import TrialRecord
from fsm_icl.sweep.file.cells import Cell
from fsm_icl.sweep.file.planned import Records
from fsm_icl.sweep.protocol.planner import CellPlan, Planner

FLOPS_PER_SECOND = 5e10
SECONDS_PER_TOKEN_STEP = 4e-5
"""A CPU core's speed on small recurrent layers, and what each position of a sequence costs whatever the width."""

RECORD_BYTES = 100_000
"""Bytes per trial for its record and its offline W&B log, without what grows with the test set."""


def seconds_per_trial(plan: CellPlan, records: Records) -> tuple[float, bool]:
    """Seconds of one unpruned trial of the cell, and whether that was measured (else it is a rough figure)."""
    ended = [records[p.hash] for p in plan.wanted() if p.hash in records] if records else []
    steps = plan.cell.template.budget.steps
    measured = _seconds_per_step(ended)
    return (steps * measured, True) if measured is not None else (_rough_seconds(plan.cell), False)


def _seconds_per_step(records: Iterable[TrialRecord]) -> float | None:
    known = [r.end.seconds / r.end.steps for r in records if r.end.steps and r.end.seconds is not None]
    return statistics.median(known) if known else None


def _rough_seconds(cell: Cell) -> float:
    config = cell.template
    task, budget = config.task, config.budget
    length = task.usual_length
    validation = budget.steps / budget.report_every * task.num_episodes("val") / 3  # forward only: a third of a step
    sequences = budget.steps * budget.batch_size + validation
    flops = 3 * config.model.flops_per_token(task.num_classes) * length * sequences
    return flops / FLOPS_PER_SECOND + budget.steps * length * config.model.num_layers * SECONDS_PER_TOKEN_STEP


def remaining_seconds(plan: CellPlan, records: Records) -> float:
    """Seconds of work that the cell still needs, pruning left out of account."""
    done = plan.num_searched + plan.num_measured
    return max(0, plan.total() - done) * seconds_per_trial(plan, records)[0]


def bytes_needed(planner: Planner, concurrent: int) -> int:
    """Disk space that the rest of a sweep may take: winners' weights, running trials' checkpoints, records, W&B."""
    largest, total = 0, 0
    for plan in planner.plans:
        task, model = plan.cell.template.task, plan.cell.template.model
        weights = 4 * model.num_params(task.num_tokens, task.num_classes)
        left = plan.total() - plan.num_searched - plan.num_measured
        measures = plan.spec.measure.num_seeds - plan.num_measured
        total += weights * measures + (RECORD_BYTES + 40 * task.num_episodes("test")) * left
        largest = max(largest, 3 * weights)  # a checkpoint has AdamW's two moments, too
    return total + 2 * largest * concurrent  # the one there is, and the next one until it has replaced it
