"""What is printed before a sweep: its first lines, and --plan. Needs neither torch's start-up nor Ray's."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fsm_icl.sweep.estimate import remaining_seconds, seconds_per_trial
from fsm_icl.sweep.loading import LoadedSweep
from fsm_icl.sweep.planner import Planner


def headline(loaded: LoadedSweep, planner: Planner, folder: Path, asked_scale: str | None) -> str:
    """The first lines: what is run, at which scale and why, and where it goes."""
    spec = loaded.spec
    why = "" if asked_scale else _why(loaded.scale)
    done = sum(plan.done(p) for plan in planner.plans for p in plan.wanted())
    total = sum(plan.total() for plan in planner.plans)
    return (
        f"{loaded.name}, scale {loaded.scale}{why}: {len(planner.plans)} cells, "
        f"{spec.search.num_trials * spec.search.repeats} proposals and {spec.measure.num_seeds} seeds each\n"
        f"{folder}: {done} of {total} trials done"
    )


def _why(scale: str) -> str:
    found = {"paper": "a GPU was found", "laptop": "no GPU was found"}.get(scale)
    return f" ({found}; --scale says otherwise)" if found else ""


def print_plan(planner: Planner, concurrent: int, console: Console) -> None:
    """--plan: cells, trials, parameters, estimated time, what is done and what is missing."""
    table = Table()
    for name in ("cell", "parameters", "search done", "measure done", "s/trial", "core-min to go"):
        table.add_column(name, justify="left" if name == "cell" else "right", overflow="fold")
    rough = False
    for plan in planner.plans:
        spec, template = plan.spec, plan.cell.template
        seconds, measured = seconds_per_trial(plan, planner.records)
        rough = rough or not measured
        searched = sum(plan.done(p) for s in plan.searches for p in s.proposals)
        params = template.model.num_params(template.task.num_tokens, template.task.num_classes)
        table.add_row(
            Text(plan.cell.label),
            f"{params:,}",
            f"{searched} of {spec.search.num_trials * spec.search.repeats}",
            f"{sum(plan.done(p) for p in plan.measures)} of {spec.measure.num_seeds}",
            f"{'' if measured else '~'}{seconds:.2g}",
            f"{remaining_seconds(plan, planner.records) / 60:.1f}",
        )
    console.print(table)
    left = sum(remaining_seconds(plan, planner.records) for plan in planner.plans) / concurrent / 60
    console.print(f"about {left:.1f} minutes with {concurrent} at a time, if nothing is pruned")
    if rough:
        console.print("~ rough figure from the layers' size, for one CPU core; better once a trial has run")
