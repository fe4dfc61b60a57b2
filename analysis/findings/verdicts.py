"""Claims declared before the run -> verdicts, each with a sentence; conclusion.py says what they add up to.

A claim is supported where its p-value, corrected by Holm within its family, is at most ALPHA: with one claim in the
family that is exactly where the interval lies wholly beyond the threshold. It is refuted where the p-value of the
opposite is, corrected alike, and the base left room to go beyond; without that room it is saturated. It is not learnt
where none of the compared cells does better than a strategy that only counts.

Better seeds of the cell that a claim favours do not turn *supported* into anything else (evidence.py says where they
still can), as long as they make no other claim of the family less sure: Holm's factor depends on how many are surer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from analysis.findings import summary
from analysis.findings.assessment import Assessment, Quantity, assess
from analysis.findings.summary import CellSummary
from analysis.findings.wording import CONDITIONAL, SEEDS_ONLY, amount, named, p_text, rising, span, tested_at, within
from analysis.sources.sweep import Sweep
from analysis.statistics.contrasts import holm
from analysis.statistics.estimates import ALPHA, Estimate
from fsm_icl.results.claims import other_versions
from fsm_icl.results.records import DeclaredHypothesis

Outcome = Literal["supported", "refuted", "saturated", "not learnt", "inconclusive"]
OUTCOMES: tuple[Outcome, ...] = ("supported", "refuted", "saturated", "not learnt", "inconclusive")


@dataclass(frozen=True)
class Verdict:
    """What the data say about one declared claim."""

    name: str
    claim: str
    family: str
    tested_at: str
    """Budget, and nonlinearity and start of networks without gates."""
    quantity: Quantity
    """What was compared: a difference of IQM accuracies or of success rates, a share of a gap, a ratio of steps."""
    estimate: Estimate | None
    """None where there is nothing to estimate from."""
    p_value: float | None
    """One-sided, of "the claim does not hold"; None where there is none."""
    adjusted_p: float | None
    """Holm over all claims ever declared in the family, those without a p-value and withdrawn ones counted too."""
    improvement: Estimate | None
    """Probability that a seed of a beats one of b; None for a share and where a cell has no seed."""
    outcome: Outcome
    reason: str
    sentence: str


@dataclass(frozen=True)
class _Corrected:
    """A claim's p-values after Holm's correction in its family."""

    p_value: float
    against: float
    count: int
    """Claims ever declared in the family."""
    family: str


def judge(sweep: Sweep, cells: Mapping[str, CellSummary]) -> tuple[Verdict, ...]:
    """The verdicts on all declared hypotheses, in their order, from the measure trials of `cells` (by label) only."""
    declared = sweep.manifest.hypotheses
    compared = {h.name: {str(role): cells[label] for role, label in h.cells.items()} for h in declared}
    found = {h.name: assess(sweep, h, compared[h.name]) for h in declared}
    corrected: dict[str, _Corrected] = {}
    for family in {h.family for h in declared}:
        corrected |= _corrected(sweep, family, {h.name: found[h.name] for h in declared if h.family == family})
    return tuple(_verdict(sweep, h, compared[h.name], found[h.name], corrected[h.name]) for h in declared)


def _corrected(sweep: Sweep, family: str, found: Mapping[str, Assessment]) -> dict[str, _Corrected]:
    # A claim that could not be tested was declared all the same, and so was one that was withdrawn.
    gone = dict.fromkeys(other_versions(sweep.manifest, family), 1.0)
    supporting = holm({name: _or_one(assessed.p_value) for name, assessed in found.items()} | gone)
    against = holm({name: _or_one(assessed.against) for name, assessed in found.items()} | gone)
    return {name: _Corrected(supporting[name], against[name], len(supporting), family) for name in found}


def _or_one(p_value: float | None) -> float:
    return 1.0 if p_value is None else p_value


def _verdict(
    sweep: Sweep,
    h: DeclaredHypothesis,
    cells: Mapping[str, CellSummary],
    assessed: Assessment,
    corrected: _Corrected,
) -> Verdict:
    measured = h.kind == "difference" and all(cell.score for cell in cells.values())
    outcome, reason = _outcome(assessed, corrected)
    compared = {cell.label: cell for cell in cells.values()}.values()
    reason += assessed.note + rising(compared)
    condition = _condition(sweep, assessed, compared)
    return Verdict(
        name=h.name,
        claim=h.claim,
        family=h.family,
        tested_at=tested_at(compared),
        quantity=assessed.quantity,
        estimate=assessed.estimate,
        p_value=assessed.p_value,
        adjusted_p=None if assessed.p_value is None else corrected.p_value,
        improvement=summary.improvement(cells["a"], cells["b"]) if measured else None,
        outcome=outcome,
        reason=reason,
        sentence=f"{h.claim}: {outcome}. {_compared(assessed, cells)}{reason}{condition}.",
    )


def _outcome(assessed: Assessment, corrected: _Corrected) -> tuple[Outcome, str]:
    """The outcome and why. One-sided: a 95 % interval leaves out ALPHA on either side."""
    if assessed.ruled:
        return assessed.ruled
    if _or_one(assessed.p_value) <= ALPHA:
        sure, p = corrected.p_value <= ALPHA, _p_text(assessed.p_value, corrected.p_value, corrected)
        return ("supported" if sure else "inconclusive"), f"{assessed.beyond} {p}"
    if assessed.saturated:
        return "saturated", assessed.saturated
    if _or_one(assessed.against) <= ALPHA:
        p = _p_text(assessed.against, corrected.against, corrected, " of the opposite")
        return ("refuted" if corrected.against <= ALPHA else "inconclusive"), f"{assessed.short_of} {p}"
    return "inconclusive", assessed.between


def _p_text(p_value: float | None, adjusted: float, corrected: _Corrected, of: str = "") -> str:
    """The p-value with its correction, and that this decides: "(p = .004; .008 by Holm over the 2 claims of gates)"."""
    said = f"p{of} = {p_text(p_value)}".replace("= <", "< ")
    if corrected.count > 1:
        said += f", {p_text(adjusted)} by Holm over the {corrected.count} claims of {corrected.family}"
    return f"({said})" if adjusted <= ALPHA else f"({said}, which is above {p_text(ALPHA)})"


def _condition(sweep: Sweep, assessed: Assessment, cells: Iterable[CellSummary]) -> str:
    """What the interval is conditional on, and rests on where that is not seeds and classes."""
    if not assessed.estimate or not assessed.estimate.interval:
        return ""
    accuracies = assessed.quantity in ("accuracy", "share of the gap")
    parts = [SEEDS_ONLY] if accuracies and not all(cell.classes_known for cell in cells) else []
    parts += [CONDITIONAL] if sweep.manifest.repeats == 1 else []
    return f" (interval {', '.join(parts)})" if parts else ""


def _compared(assessed: Assessment, cells: Mapping[str, CellSummary]) -> str:
    """Estimate and interval: "a is 41.5 points above b (difference [40.2, 42.7]) within 600 steps: "."""
    if (estimate := assessed.estimate) is None:
        return ""
    steps, ends = within(cells.values()), estimate.interval
    if assessed.quantity == "share of the gap":
        assert ends is not None  # a share is given with its interval or not at all
        way = f"of the way from {named(cells['low'])} to {named(cells['high'])}"
        return f"{named(cells['mid'])} goes {estimate.value:.0%} [{ends.low:.0%}, {ends.high:.0%}] {way} {steps}: "
    a, b = named(cells["a"]), named(cells["b"])
    if assessed.quantity == "steps to threshold":
        assert ends is not None  # as a share
        bound = "at least " if ends.high == float("inf") else "at most " if ends.low == 0 else ""
        ratio = f"ratio [{ends.low:.2f}, {ends.high:.2f}]"
        return f"{a} needs {bound}{estimate.value:.2f} times the steps of {b} ({ratio}) {steps}: "
    what = " in success rate" if assessed.quantity == "success rate" else ""
    side = "above" if estimate.value >= 0 else "below"
    given = f" (difference {span(estimate)})" if ends else ""
    return f"{a} is {amount(abs(estimate.value))} {side} {b}{what}{given} {steps}: "
