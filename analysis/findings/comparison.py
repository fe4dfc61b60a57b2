"""Two sweeps side by side: what was changed between them, and what came of it, cell by cell."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analysis.findings.pairs import pairs, unknown
from analysis.findings.summary import CellSummary, difference, improvement, summarise
from analysis.sources.sweep import Sweep
from analysis.statistics.estimates import Estimate
from fsm_icl.results.records import WantedTrial


@dataclass(frozen=True)
class Change:
    """A field of the sweep file, or the code, that differs."""

    name: str
    a: str
    b: str


@dataclass(frozen=True)
class CellChange:
    """One cell in both sweeps; what does not exist is None."""

    label: str
    a: CellSummary | None
    b: CellSummary | None
    gain: Estimate | None
    """IQM in B minus IQM in A. Test classes are drawn alike for both where they have the same task."""
    improvement: Estimate | None
    """Probability that a seed in B beats one in A."""
    shared: int
    """Measure trials that are in both: equal hash, so equal config and seed."""
    differing: int
    """Those of them whose test accuracy or outcome is not the same."""
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """All that differs between two sweeps."""

    a: Sweep
    b: Sweep
    changes: tuple[Change, ...]
    cells: tuple[CellChange, ...]


def compare(a: Sweep, b: Sweep) -> Comparison:
    """What changed from `a` to `b`: fields of the sweep file, code, and every cell that is in either."""
    # One seed for both, so that equal test classes are drawn alike; the side keeps the draws of their seeds apart.
    first, second = summarise(a, 0, "a"), summarise(b, 0, "b")
    cells = tuple(
        _cell(a, b, first[one] if one else None, second[other] if other else None)
        for one, other in pairs(a.manifest, b.manifest)
    )
    return Comparison(a, b, tuple(_changes(a, b)), cells)


def _cell(a: Sweep, b: Sweep, first: CellSummary | None, second: CellSummary | None) -> CellChange:
    if first is None or second is None:
        alone = first or second
        assert alone is not None  # a pair has at least one cell
        only = "in B only" if first is None else "in A only"
        return CellChange(alone.label, first, second, None, None, 0, 0, (only,))
    one, other = first.label, second.label
    trials = {trial.hash for trial in _measured(a, one)} & {trial.hash for trial in _measured(b, other)}
    ended = [hash_ for hash_ in trials if hash_ in a.records and hash_ in b.records]
    differing = sum(_result(a, hash_) != _result(b, hash_) for hash_ in ended)
    notes = ["other task"] if first.cell.task != second.cell.task else []
    notes += unknown(first.cell, second.cell)
    same = len(ended) == first.num_seeds == second.num_seeds and not differing
    if same and ended:
        notes.append("the same trials")
    elif ended:
        notes.append(f"{len(ended)} trials in both" + (f", {differing} with another result" if differing else ""))
    notes += ["not yet measured"] if first.score is None or second.score is None else []
    measured = first.score is not None and second.score is not None
    gain = difference(second, first) if measured else None
    if gain and same:  # nothing was drawn twice, so there is nothing to be unsure of
        gain = Estimate(gain.value, None, gain.num_units)
    # Of one run beside others it would be 0 or 1, as if that told how another run does.
    told = measured and not (a.manifest.imported or b.manifest.imported)
    better = improvement(second, first) if told else None
    label = one if one == other else f"{one} / {other}"
    return CellChange(label, first, second, gain, better, len(ended), differing, tuple(notes))


def _measured(sweep: Sweep, label: str) -> list[WantedTrial]:
    return [trial for trial in sweep.cells[label].wanted if trial.phase == "measure"]


def _result(sweep: Sweep, hash_: str) -> tuple[str, float | None]:
    end = sweep.records[hash_].end
    return end.outcome, end.test.accuracy if end.test else None


def _changes(a: Sweep, b: Sweep) -> Iterator[Change]:
    one, other = dict(_flat(a.manifest.spec)), dict(_flat(b.manifest.spec))
    one |= {"scale": a.manifest.scale, **_code(a)}
    other |= {"scale": b.manifest.scale, **_code(b)}
    for name in dict.fromkeys([*one, *other]):
        if one.get(name) != other.get(name):
            yield Change(name, one.get(name, "-"), other.get(name, "-"))


def _flat(spec: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in spec.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", json.dumps(value)


def _code(sweep: Sweep) -> dict[str, str]:
    records = list(sweep.records.values())
    commits = sorted({record.commit[:12] for record in records if record.commit})
    torch = sorted({record.end.versions["torch"] for record in records if "torch" in record.end.versions})
    return {"(commit)": ", ".join(commits), "(torch)": ", ".join(torch)}
