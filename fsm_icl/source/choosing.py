"""Several runs of one pattern -> the most recent one, and what became of the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fsm_icl.source.formats import SourceRun


@dataclass(frozen=True)
class Choice:
    """The runs that are imported."""

    runs: list[SourceRun]
    left_out: list[str]
    """A sentence for each run that a more recent or a more telling one stands for."""
    problems: list[str]
    """A sentence for each pattern of which nobody can say which run is the most recent; none of it is imported."""


def choose(runs: Iterable[SourceRun]) -> Choice:
    """The most recent run of each experiment, architecture and size."""
    choice = Choice([], [], [])
    patterns: dict[tuple[object, ...], list[SourceRun]] = {}
    for run in runs:
        patterns.setdefault((run.experiment, run.arch, run.d_model, run.num_layers), []).append(run)
    for alike in patterns.values():
        _choose_one(alike, choice)
    told = [run for run in choice.runs if run.timestamp is not None]
    for run in [run for run in choice.runs if run.timestamp is None]:
        if (same := next((other for other in told if _same_run(run, other)), None)) is not None:
            choice.runs.remove(run)
            choice.left_out.append(f"{_named(run)} is the run of {_named(same)}, which says more of it")
    return choice


def _choose_one(alike: Sequence[SourceRun], choice: Choice) -> None:
    newest = max(run.timestamp or "" for run in alike)
    latest = [run for run in alike if (run.timestamp or "") == newest]
    first = latest[0]
    if any(not _same_run(first, run) for run in latest[1:]):
        when = f"the time stamp {newest}" if newest else "no time stamp"
        files = " and ".join(run.file for run in latest)
        choice.problems.append(f"{files} have other results of {first.experiment} with {when}: none is imported")
        return
    choice.runs.append(first)
    choice.left_out.extend(f"{_named(run)} is the same run as in {first.file}" for run in latest[1:])
    older = [run for run in alike if run not in latest]
    choice.left_out.extend(f"{_named(run)} is superseded by {_named(first)}" for run in older)


def _same_run(a: SourceRun, b: SourceRun) -> bool:
    """Equal architecture, curves and test accuracy: two files of one run."""
    final = (run.final_results["test_accuracy"] for run in (a, b))
    return a.arch == b.arch and a.metrics == b.metrics and len(set(final)) == 1


def _named(run: SourceRun) -> str:
    return f"{run.file} ({run.experiment}{f', {run.timestamp}' if run.timestamp else ''})"
