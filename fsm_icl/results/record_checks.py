"""What cannot be true of a trial's record as it is read, however well-formed it is. Plain data, no torch.

What a record says is compared with itself: reports with the budget, the end with the reports, counts with totals. That
finds accidents and edits by hand. A forged record that agrees with itself is found by `fsm-icl verify` alone, which
trains the trial again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fsm_icl.results.records import TestScore, TrialRecord

PHASES = ("search", "measure")
_SECTIONS = ("model", "optimizer")


def reports_due(budget: int, every: int, step: int) -> list[int]:
    """Steps up to `step` at which a trial of `budget` steps reports: each `every` steps and at the end."""
    return [due for due in sorted({*range(every, budget + 1, every), budget}) if due <= step]


def contradictions(record: TrialRecord) -> Iterator[str]:
    """Where a record of ours contradicts itself, each with its field."""
    yield from config_problems(record.config)
    steps = [report.step for report in record.reports]
    yield from _of_order(steps)
    if any(report.end is not None for report in record.reports):
        yield "reports: one of them has an end, which belongs beside them"
    end = record.end
    if steps and steps[-1] > end.steps:
        yield f"reports: the last is at step {steps[-1]}, but the trial ended at step {end.steps} (end.steps)"
    if end.test is not None:
        if end.outcome != "finished" or record.config.get("phase") != "measure":
            yield "end.test: is there, though only measure trials that finished are scored"
        yield from (f"end.test.{problem}" for problem in _of_test(end.test))
    if (budget := _budget(record.config)) is not None:
        yield from _of_budget(steps, end.outcome, end.steps, *budget)


def config_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """What a trial's config lacks that readers rely on, each with its field."""
    if config.get("phase") not in PHASES:
        yield f"config.phase: expected {' or '.join(PHASES)}, found {config.get('phase')!r}"
    if type(config.get("seed")) is not int:
        yield f"config.seed: expected a whole number, found {config.get('seed')!r}"
    for name in _SECTIONS:
        if not isinstance(config.get(name), dict):
            yield f"config.{name}: expected its settings, found {config.get(name)!r}"


def _of_order(steps: Sequence[int]) -> Iterator[str]:
    for one, other in pairwise(steps):
        if one >= other:
            yield f"reports: step {other} comes after step {one}; steps rise and occur once"


def _budget(config: Mapping[str, Any]) -> tuple[int, int] | None:
    budget = config.get("budget")
    if not isinstance(budget, dict):
        return None
    steps, every = budget.get("steps"), budget.get("report_every")
    return (steps, every) if type(steps) is int and type(every) is int and min(steps, every) > 0 else None


def _of_budget(steps: Sequence[int], outcome: str, ended: int, budget: int, every: int) -> Iterator[str]:
    """Reports come where the budget asks for them, none is left out, and the end fits the outcome."""
    if ended > budget:
        yield f"end.steps: {ended}, more than the budget of {budget} steps (config.budget.steps)"
        return
    due = reports_due(budget, every, ended)
    # What diverged or failed may have done so before its last report.
    allowed = [due] if outcome in ("finished", "pruned") else [due, due[:-1]]
    if list(steps) not in allowed:
        wrong = next((step for step in due if step not in steps), None)
        what = "one at a step where none is due" if wrong is None else f"none at step {wrong}"
        yield f"reports: {what}; config.budget asks for one every {every} steps, and the trial ended at step {ended}"
    if outcome == "finished" and ended != budget:
        yield f"end.steps: finished at step {ended}, but config.budget.steps is {budget}"
    if outcome == "pruned" and ended not in due:
        yield f"end.steps: pruned at step {ended}, where there is no report"


def _of_test(test: TestScore) -> Iterator[str]:
    pairs = zip(test.machine_correct or (), test.machine_total or (), strict=False)
    if (found := next((pair for pair in pairs if pair[0] > pair[1]), None)) is not None:
        yield f"machine_correct: {found[0]} correct of {found[1]}"
