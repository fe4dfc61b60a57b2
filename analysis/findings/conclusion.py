"""What the verdicts add up to, and what no trial of the sweep could tell. Composed from the data, nothing is fixed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from analysis.findings.settings import Roles
from analysis.findings.summary import CellSummary
from analysis.findings.verdicts import OUTCOMES, Verdict
from analysis.sources.sweep import Sweep


def conclusion(sweep: Sweep, verdicts: Sequence[Verdict]) -> str:
    """Which claims are supported, refuted, not testable or open; that this may change while trials are missing."""
    if sweep.manifest.imported:
        return (
            "Nothing can be concluded from imported results: one run per cell, and no claim was declared before them."
        )
    counts = sweep.counts
    early = f" So far: {counts.ended} of {counts.asked} trials." if counts.ended < counts.asked else ""
    return overall(verdicts) + early


def overall(verdicts: Sequence[Verdict]) -> str:
    """The conclusion: which claims are supported, refuted, not testable or open, within which budget."""
    if not verdicts:
        return "Nothing can be concluded: the sweep file declares no hypothesis."
    named = {o: [f"“{v.claim}” ({v.tested_at})" for v in verdicts if v.outcome == o] for o in OUTCOMES}
    parts = [
        ("Supported", named["supported"]),
        ("Refuted", named["refuted"]),
        ("Not testable here, the base is too close to its bound", named["saturated"]),
        ("Not learnt, no compared cell clears counting", named["not learnt"]),
        ("Open", named["inconclusive"]),
    ]
    listed = " ".join(f"{intro}: {'; '.join(claims)}." for intro, claims in parts if claims)
    decided = len(named["supported"]) + len(named["refuted"])
    if not decided:
        return f"Nothing can be concluded from this sweep. {listed}"
    return f"{decided} of {len(verdicts)} declared claims {'is' if decided == 1 else 'are'} decided. {listed}"


def not_tested(sweep: Sweep, cells: Iterable[CellSummary], roles: Roles) -> list[str]:
    """What the sweep says nothing about, one statement each."""
    manifest = sweep.manifest
    fields = [summary.coordinates for summary in cells]
    names = dict.fromkeys(name for cell in manifest.cells for name in cell.fields)
    tried = {name: list(dict.fromkeys(each[name] for each in fields if name in each)) for name in names}
    open_ended = {name: values for name, values in tried.items() if set(values) != {True, False}}
    found = [f"{name} other than {', '.join(map(str, values))}" for name, values in open_ended.items()]
    if held := roles.fixed_model:
        found.append(f"other values of model fields held fixed: {', '.join(f'{n} {text}' for n, text in held.items())}")
    sizes = {_size(entry.dimensions) for entry in manifest.tasks.values()} - {""}
    found += [f"machines other than {' and '.join(sorted(sizes))}"] if sizes else []
    budgets = sorted({cell.steps for cell in manifest.cells})
    if len(budgets) > 1:
        found.append(
            f"more {manifest.step_unit} than each cell's own budget "
            f"({budgets[0]:,} to {budgets[-1]:,}): they may need more"
        )
    elif budgets:
        found.append(f"more than {budgets[0]:,} {manifest.step_unit}: a cell that fails may need more")
    claimed = {label for hypothesis in manifest.hypotheses for label in hypothesis.cells.values()}
    if unclaimed := [cell.label for cell in manifest.cells if cell.label not in claimed]:
        found.append(f"any claim about {_listed(unclaimed)}: none was declared")
    if manifest.imported:
        found += ["other seeds", "other hyperparameters: none was searched, as far as the files say"]
    elif not any(cell.num_proposals for cell in manifest.cells):
        found.append("other hyperparameters: all were fixed and none was searched")
    elif manifest.repeats == 1:
        found.append("whether another search would have chosen other hyperparameters: each cell was searched once")
    return found


def _size(dimensions: Mapping[str, int]) -> str:
    return " x ".join(f"{number} {name}" for name, number in dimensions.items())


def _listed(labels: Sequence[str], most: int = 6) -> str:
    more = f" and {len(labels) - most} more cells" if len(labels) > most else ""
    return ", ".join(labels[:most]) + more
