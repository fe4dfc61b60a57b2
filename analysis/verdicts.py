"""Claims declared before the run -> verdicts, each with a sentence; conclusion.py says what they add up to.

A claim is supported where the interval lies wholly beyond the threshold in the declared direction. Where it lies
wholly short of it, that is news only if the base left room to go beyond: else it is saturated, not testable here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from numpy.random import Generator

from analysis import summary
from analysis.contrasts import bootstrap_p, holm, permutation_p
from analysis.load import Sweep
from analysis.stats import MIN_SEEDS, Estimate, Rate
from analysis.summary import CellSummary, generator
from analysis.wording import CONDITIONAL, absence, amount, mixed, p_text, points, short, span, within
from fsm_icl.claims import other_versions
from fsm_icl.records import METRICS, DeclaredHypothesis

Outcome = Literal["supported", "refuted", "saturated", "inconclusive"]
OUTCOMES: tuple[Outcome, ...] = ("supported", "refuted", "saturated", "inconclusive")
Quantity = Literal["accuracy", "success rate", "share of the gap", "steps to threshold"]
GAP = 0.05
"""A share is given only of a gap that lies wholly beyond it."""
ALPHA = 0.05


@dataclass(frozen=True)
class Verdict:
    """What the data say about one declared claim."""

    name: str
    claim: str
    family: str
    quantity: Quantity
    """What was compared: a difference of IQM accuracies or of success rates, a share of a gap, a ratio of steps."""
    estimate: Estimate | None
    """None where there is nothing to estimate from."""
    p_value: float | None
    """One-sided, of "not beyond the threshold"; None where there is none."""
    adjusted_p: float | None
    """Holm over all claims ever declared in the family, those without a p-value and withdrawn ones counted too."""
    improvement: Estimate | None
    """Probability that a seed of a beats one of b; None for a share and where a cell has no seed."""
    outcome: Outcome
    reason: str
    sentence: str


@dataclass(frozen=True)
class _Finding:
    outcome: Outcome
    reason: str
    quantity: Quantity
    estimate: Estimate | None = None
    p_value: float | None = None


def judge(sweep: Sweep) -> list[Verdict]:
    """The verdicts on all declared hypotheses, in their order, from measure trials only."""
    declared = sweep.manifest.hypotheses
    found = {h.name: _find(sweep, h, _cells(sweep, h)) for h in declared}
    adjusted: dict[str, float] = {}
    for family in {h.family for h in declared}:
        # A claim that could not be tested was declared all the same, and so was one that was withdrawn.
        tests = {h.name: _or_one(found[h.name].p_value) for h in declared if h.family == family}
        adjusted |= holm(tests | dict.fromkeys(other_versions(sweep.manifest, family), 1.0))
    return [_verdict(sweep, h, found[h.name], adjusted[h.name]) for h in declared]


def _or_one(p_value: float | None) -> float:
    return 1.0 if p_value is None else p_value


def _cells(sweep: Sweep, hypothesis: DeclaredHypothesis) -> dict[str, CellSummary]:
    summaries = summary.summarise(sweep)
    return {role: summaries[label] for role, label in hypothesis.cells.items()}


def _verdict(sweep: Sweep, h: DeclaredHypothesis, finding: _Finding, adjusted: float) -> Verdict:
    cells = _cells(sweep, h)
    measured = h.kind == "difference" and all(cell.score for cell in cells.values())
    alone = sweep.manifest.repeats == 1 and finding.estimate and finding.estimate.interval
    condition = f" (interval {CONDITIONAL})" if alone else ""
    doubt = ""
    if finding.outcome == "supported" and adjusted > ALPHA:
        count = sum(other.family == h.family for other in sweep.manifest.hypotheses)
        count += len(other_versions(sweep.manifest, h.family))
        doubt = f", yet not significant after Holm's correction for {count} claims (p = {p_text(adjusted)})"
    return Verdict(
        name=h.name,
        claim=h.claim,
        family=h.family,
        quantity=finding.quantity,
        estimate=finding.estimate,
        p_value=finding.p_value,
        adjusted_p=None if finding.p_value is None else adjusted,
        improvement=summary.improvement(cells["a"], cells["b"]) if measured else None,
        outcome=finding.outcome,
        reason=finding.reason,
        sentence=f"{h.claim}: {finding.outcome}. {_compared(finding, h, cells)}{finding.reason}{doubt}{condition}.",
    )


_QUANTITIES: dict[str, Quantity] = {
    "test/accuracy": "accuracy",
    "success_rate": "success rate",
    "steps_to_threshold": "steps to threshold",
}


def _find(sweep: Sweep, h: DeclaredHypothesis, cells: Mapping[str, CellSummary]) -> _Finding:
    quantity = _QUANTITIES[h.metric] if h.kind == "difference" else "share of the gap"
    if absent := [absence(cell) for cell in cells.values() if cell.score is None]:
        return _Finding("inconclusive", "; ".join(dict.fromkeys(absent)), quantity)
    if any(cell.num_units < MIN_SEEDS for cell in cells.values()):
        given = summary.difference(cells["a"], cells["b"]) if quantity == "accuracy" else None
        return _Finding("inconclusive", _too_few(sweep, cells.values()), quantity, given)
    if h.kind == "share":
        return _find_share(h, cells)
    a, b = cells["a"], cells["b"]
    if quantity == "steps to threshold":
        return _find_steps(sweep, h, a, b)
    if quantity == "success rate" or _rate(a).mixed or _rate(b).mixed:
        return _find_rates(sweep, h, a, b)
    p_value = permutation_p(a.by_unit(), b.by_unit(), h.threshold, h.direction, _draw(sweep, h))
    floor = sweep.task(b.label).ladder.get("chance", METRICS[h.metric].low)
    assert b.ceiling is not None, "imported results, whose ceiling is unknown, have no claims"
    base, bounds = summary.value(b), (floor, b.ceiling)
    return _place_difference(h, summary.difference(a, b), base, bounds, "accuracy", p_value)


def _draw(sweep: Sweep, h: DeclaredHypothesis) -> Generator:
    return generator(sweep.manifest.seed, "permutations", h.name)


def _find_rates(sweep: Sweep, h: DeclaredHypothesis, a: CellSummary, b: CellSummary) -> _Finding:
    mine, base = (cell.by_unit(cell.successes()) for cell in (a, b))
    p_value = permutation_p(mine, base, h.threshold, h.direction, _draw(sweep, h), "mean")
    estimate = summary.rate_difference(a, b)
    finding = _place_difference(h, estimate, _rate(b).value, (0.0, 1.0), "success rate", p_value)
    if not (why := mixed((a, b))) or h.metric == "success_rate":
        return finding
    reason = f"{why}, so success rates are compared; {finding.reason}"
    return _Finding(finding.outcome, reason, "success rate", finding.estimate, p_value)


def _place_difference(
    h: DeclaredHypothesis,
    estimate: Estimate,
    base: float,
    bounds: tuple[float, float],
    quantity: Quantity,
    p_value: float,
) -> _Finding:
    """On which side of the threshold the interval of a - b lies, and whether the base left room for the other."""
    assert estimate.interval is not None  # cells with too few seeds are dealt with before

    def found(outcome: Outcome, reason: str) -> _Finding:
        return _Finding(outcome, reason, quantity, estimate, p_value)

    if h.direction == "within":
        outcome, reason = _inside(estimate, -h.threshold, h.threshold, f"{amount(h.threshold)} either way")
        near_top = outcome == "supported" and bounds[1] - base < h.threshold
        return found(outcome, f"{reason}, but the base is that near to its ceiling anyway" if near_top else reason)
    up = h.direction == "greater"
    sign = 1 if up else -1
    near, far = sorted((sign * estimate.interval.low, sign * estimate.interval.high))
    threshold, room = sign * h.threshold, bounds[1] - base if up else base - bounds[0]
    at, bound = amount(h.threshold), "its ceiling" if up else "its floor"
    left = f"the base has {amount(max(room, 0.0))} to {bound}"
    if near > threshold:
        return found("supported", f"the interval lies wholly beyond {at}")
    if room < threshold:
        return found("saturated", f"{left}, less than the threshold of {points(threshold)}")
    if far < threshold and room > threshold:
        return found("refuted", f"the interval lies wholly short of {at}, and {left}")
    no_room = "the base has no more room than the threshold"
    return found("inconclusive", no_room if far < threshold else f"the interval includes {at}")


def _inside(estimate: Estimate, low: float, high: float, named: str) -> tuple[Outcome, str]:
    """Equivalence: whether the whole interval lies within low .. high, which is two one-sided tests at 2.5 %."""
    assert estimate.interval is not None  # cells with too few seeds are dealt with before
    if low < estimate.interval.low and estimate.interval.high < high:
        return "supported", f"the interval lies wholly within {named}"
    if estimate.interval.high < low or high < estimate.interval.low:
        return "refuted", f"the interval lies wholly outside {named}"
    return "inconclusive", f"the interval reaches from inside to outside of {named}"


def _find_steps(sweep: Sweep, h: DeclaredHypothesis, a: CellSummary, b: CellSummary) -> _Finding:
    quantity: Quantity = "steps to threshold"
    never = [
        f"{cell.steps_to_threshold.count(None)} of {cell.num_seeds} seeds of {cell.label} never reach "
        f"{short(cell.solved_from)} {within([cell])}"
        for cell in (a, b)
        if None in cell.steps_to_threshold
    ]
    if never:
        return _Finding("inconclusive", f"{', '.join(never)}, so there is no ratio of steps", quantity)
    estimate, resamples = summary.step_ratio(a, b)
    assert estimate.interval is not None  # enough seeds, as checked above
    low, high = 1 / h.threshold, h.threshold
    units = min(a.num_units, b.num_units)
    if h.direction == "within":
        p_value = max(bootstrap_p(resamples, low, "greater", units), bootstrap_p(resamples, high, "less", units))
        outcome, reason = _inside(estimate, low, high, f"a ratio of {low:.2f} to {high:g}")
        return _Finding(outcome, reason, quantity, estimate, p_value)
    p_value = bootstrap_p(resamples, h.threshold, h.direction, units)
    return _Finding(*_beyond(h, estimate, f"a ratio of {h.threshold:g}"), quantity, estimate, p_value)


def _beyond(h: DeclaredHypothesis, estimate: Estimate, named: str) -> tuple[Outcome, str]:
    """On which side of the threshold the interval lies, where there is no bound that could be in the way."""
    assert estimate.interval is not None  # cells with too few seeds are dealt with before
    above, below = estimate.interval.low > h.threshold, estimate.interval.high < h.threshold
    if not above and not below:
        return "inconclusive", f"the interval includes {named}"
    outcome: Outcome = "supported" if above == (h.direction == "greater") else "refuted"
    return outcome, f"the interval lies wholly {'above' if above else 'below'} {named}"


def _find_share(h: DeclaredHypothesis, cells: Mapping[str, CellSummary]) -> _Finding:
    low, mid, high = cells["low"], cells["mid"], cells["high"]
    quantity: Quantity = "share of the gap"
    gap = summary.difference(high, low)
    assert gap.interval is not None  # cells with too few seeds are dealt with before
    if any(_rate(cell).mixed for cell in cells.values()):
        reason = f"{mixed(cells.values())}, and a share of accuracies would hide that"
        return _Finding("inconclusive", reason, quantity)
    if gap.interval.low <= GAP:
        wide = f"the gap {high.label} - {low.label} is {amount(gap.value)} {span(gap)}"
        reason = f"{wide}, not wholly beyond {points(GAP)} points, so no share of it is given"
        return _Finding("inconclusive", reason, quantity)
    estimate, resamples = summary.share(low, mid, high)
    p_value = bootstrap_p(resamples, h.threshold, h.direction, estimate.num_units)
    return _Finding(*_beyond(h, estimate, f"{h.threshold:.0%}"), quantity, estimate, p_value)


def _too_few(sweep: Sweep, cells: Iterable[CellSummary]) -> str:
    unit = "measure seeds" if sweep.manifest.repeats == 1 else "searches with measure seeds"
    few = [f"{cell.label} has {cell.num_units}" for cell in cells if cell.num_units < MIN_SEEDS]
    return f"fewer than {MIN_SEEDS} {unit} ({', '.join(few)}): points only, no interval"


def _compared(finding: _Finding, h: DeclaredHypothesis, cells: Mapping[str, CellSummary]) -> str:
    """Estimate and interval: "a is 41.5 points above b (difference [40.2, 42.7]) within 600 steps: "."""
    if (estimate := finding.estimate) is None:
        return ""
    steps, ends = within(cells.values()), estimate.interval
    if finding.quantity == "share of the gap":
        assert ends is not None  # a share is given with its interval or not at all
        way = f"of the way from {cells['low'].label} to {cells['high'].label}"
        return f"{cells['mid'].label} goes {estimate.value:.0%} [{ends.low:.0%}, {ends.high:.0%}] {way} {steps}: "
    a, b = cells["a"].label, cells["b"].label
    if finding.quantity == "steps to threshold":
        assert ends is not None  # as a share
        return f"{a} needs {estimate.value:.2f} times the steps of {b} (ratio [{ends.low:.2f}, {ends.high:.2f}]): "
    what = " in success rate" if finding.quantity == "success rate" else ""
    side = "above" if estimate.value >= 0 else "below"
    given = f" (difference {span(estimate)})" if ends else ""
    return f"{a} is {amount(abs(estimate.value))} {side} {b}{what}{given} {steps}: "


def _rate(cell: CellSummary) -> Rate:
    assert cell.score is not None  # cells without one are dealt with before
    assert cell.score.success is not None, "imported results, of which that is unknown, have no claims"
    return cell.score.success
