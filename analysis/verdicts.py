"""Claims declared before the run -> verdicts, each with a sentence, and a conclusion computed from them.

A claim is supported where the interval lies wholly beyond the threshold in the declared direction. Where it lies
wholly short of it, that is news only if the base left room to go beyond: else it is saturated, not testable here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis import stats, summary
from analysis.load import Sweep
from analysis.stats import MIN_SEEDS, Estimate, Rate
from analysis.summary import CellSummary
from fsm_icl.records import METRICS, DeclaredHypothesis

Outcome = Literal["supported", "refuted", "saturated", "inconclusive"]
OUTCOMES: tuple[Outcome, ...] = ("supported", "refuted", "saturated", "inconclusive")
Quantity = Literal["accuracy", "success rate", "share of the gap"]
GAP = 0.05
"""A share is given only of a gap that lies wholly beyond it."""
CONDITIONAL = "conditional on the chosen hyperparameters"


@dataclass(frozen=True)
class Verdict:
    """What the data say about one declared claim."""

    name: str
    claim: str
    quantity: Quantity
    """What was compared: the difference of IQM accuracies or of success rates, or a share of a gap."""
    estimate: Estimate | None
    """None where there is nothing to estimate from."""
    outcome: Outcome
    reason: str
    sentence: str


@dataclass(frozen=True)
class _Finding:
    outcome: Outcome
    reason: str
    quantity: Quantity = "accuracy"
    estimate: Estimate | None = None


def judge(sweep: Sweep, hypothesis: DeclaredHypothesis) -> Verdict:
    """The verdict on `hypothesis`, from measure trials only."""
    summaries = summary.summarise(sweep)
    cells: dict[str, CellSummary] = {role: summaries[label] for role, label in hypothesis.cells.items()}
    finding = _find(sweep, hypothesis, cells)
    condition = (
        f" (interval {CONDITIONAL})"
        if sweep.manifest.repeats == 1 and finding.estimate and finding.estimate.interval
        else ""
    )
    sentence = f"{hypothesis.claim}: {finding.outcome}. {_compared(finding, hypothesis, cells)}{finding.reason}"
    return Verdict(
        name=hypothesis.name,
        claim=hypothesis.claim,
        quantity=finding.quantity,
        estimate=finding.estimate,
        outcome=finding.outcome,
        reason=finding.reason,
        sentence=f"{sentence}{condition}.",
    )


def overall(verdicts: Sequence[Verdict]) -> str:
    """The conclusion: which claims are supported, refuted, not testable or open."""
    if not verdicts:
        return "Nothing can be concluded: the sweep file declares no hypothesis."
    named = {o: [f"“{v.claim}”" for v in verdicts if v.outcome == o] for o in OUTCOMES}
    parts = [
        ("Supported", named["supported"]),
        ("Refuted", named["refuted"]),
        ("Not testable here, the base is too close to its bound", named["saturated"]),
        ("Open", named["inconclusive"]),
    ]
    listed = " ".join(f"{intro}: {'; '.join(claims)}." for intro, claims in parts if claims)
    decided = len(named["supported"]) + len(named["refuted"])
    if not decided:
        return f"Nothing can be concluded from this sweep. {listed}"
    return f"{decided} of {len(verdicts)} declared claims {'is' if decided == 1 else 'are'} decided. {listed}"


def points(value: float) -> str:
    """A fraction as percentage points to a tenth, e.g. "10", "1.5", "-0.3"."""
    return f"{round(value * 100, 1) + 0.0:.1f}".removesuffix(".0")


def span(estimate: Estimate) -> str:
    """The interval in points, e.g. "[40.2, 42.7]"; "" where there is none."""
    if estimate.interval is None:
        return ""
    return f"[{points(estimate.interval.low)}, {points(estimate.interval.high)}]"


def _find(sweep: Sweep, hypothesis: DeclaredHypothesis, cells: Mapping[str, CellSummary]) -> _Finding:
    kind: Quantity = "accuracy" if hypothesis.kind == "difference" else "share of the gap"
    if hypothesis.metric != "test/accuracy":
        return _Finding("inconclusive", f"only test/accuracy can be judged, not {hypothesis.metric}", kind)
    if absent := [_absence(cell) for cell in cells.values() if cell.score is None]:
        return _Finding("inconclusive", "; ".join(dict.fromkeys(absent)), kind)
    if any(cell.num_seeds < MIN_SEEDS for cell in cells.values()):
        given = summary.difference(cells["a"], cells["b"]) if hypothesis.kind == "difference" else None
        return _Finding("inconclusive", _too_few(cells.values()), kind, given)
    if hypothesis.kind == "share":
        return _find_share(hypothesis, cells)
    a, b = cells["a"], cells["b"]
    rates = _rate(a), _rate(b)
    if rates[0].mixed or rates[1].mixed:
        finding = _place_difference(hypothesis, stats.newcombe(*rates), rates[1].value, 0.0, 1.0)
        reason = f"{_mixed(cells.values())}, so success rates are compared; {finding.reason}"
        return _Finding(finding.outcome, reason, "success rate", finding.estimate)
    floor = sweep.task(b.label).ladder.get("chance", METRICS[hypothesis.metric].low)
    return _place_difference(hypothesis, summary.difference(a, b), summary.value(b), floor, b.ceiling)


def _place_difference(h: DeclaredHypothesis, estimate: Estimate, base: float, floor: float, ceiling: float) -> _Finding:
    """On which side of the threshold the interval of a - b lies, and whether the base left room for the other."""
    assert estimate.interval is not None  # cells with too few seeds are dealt with before
    up = h.direction == "greater"
    sign = 1 if up else -1
    near, far = sorted((sign * estimate.interval.low, sign * estimate.interval.high))
    threshold, room = sign * h.threshold, ceiling - base if up else base - floor
    at, bound = f"{points(h.threshold)} points", "its ceiling" if up else "its floor"
    left = f"the base has {points(max(room, 0.0))} points to {bound}"
    if near > threshold:
        return _Finding("supported", f"the interval lies wholly beyond {at}", estimate=estimate)
    if room < threshold:
        return _Finding("saturated", f"{left}, less than the threshold of {points(threshold)}", estimate=estimate)
    if far < threshold and room > threshold:
        reason = f"the interval lies wholly short of {at}, and {left}"
        return _Finding("refuted", reason, estimate=estimate)
    reason = "the base has no more room than the threshold" if far < threshold else f"the interval includes {at}"
    return _Finding("inconclusive", reason, estimate=estimate)


def _find_share(h: DeclaredHypothesis, cells: Mapping[str, CellSummary]) -> _Finding:
    low, mid, high = cells["low"], cells["mid"], cells["high"]
    quantity: Quantity = "share of the gap"
    gap = summary.difference(high, low)
    assert gap.interval is not None  # cells with too few seeds are dealt with before
    if any(_rate(cell).mixed for cell in cells.values()):
        reason = f"{_mixed(cells.values())}, and a share of accuracies would hide that"
        return _Finding("inconclusive", reason, quantity)
    if gap.interval.low <= GAP:
        wide = f"the gap {high.label} - {low.label} is {points(gap.value)} points {span(gap)}"
        reason = f"{wide}, not wholly beyond {points(GAP)} points, so no share of it is given"
        return _Finding("inconclusive", reason, quantity)
    estimate = summary.share(low, mid, high)
    assert estimate.interval is not None  # enough seeds, as checked above
    above, below = estimate.interval.low > h.threshold, estimate.interval.high < h.threshold
    if not above and not below:
        return _Finding("inconclusive", f"the interval includes {h.threshold:.0%}", quantity, estimate)
    outcome: Outcome = "supported" if above == (h.direction == "greater") else "refuted"
    where = "above" if above else "below"
    return _Finding(outcome, f"the interval lies wholly {where} {h.threshold:.0%}", quantity, estimate)


def _too_few(cells: Iterable[CellSummary]) -> str:
    few = [f"{cell.label} has {cell.num_seeds}" for cell in cells if cell.num_seeds < MIN_SEEDS]
    return f"fewer than {MIN_SEEDS} measure seeds ({', '.join(few)}): points only, no interval"


def _absence(cell: CellSummary) -> str:
    if cell.cell.failed:
        return f"{cell.label} fails {within([cell])}: none of its proposals finished, so it has no winner"
    return f"no measure trial of {cell.label} has ended (0 of {cell.cell.num_seeds})"


def _mixed(cells: Iterable[CellSummary]) -> str:
    """Cells whose seeds differ: "2 of 6 seeds of gru fail within 600 steps (accuracy 0.597 to 0.990)"."""
    found = []
    for cell in cells:
        if cell.score is not None and (rate := cell.score.success).mixed:
            spread = f"(accuracy {cell.score.minimum:.3f} to {cell.score.maximum:.3f})"
            failing = f"{rate.total - rate.successes} of {rate.total} seeds of {cell.label}"
            found.append(f"{failing} fail {within([cell])} {spread}")
    return ", ".join(found)


def within(cells: Iterable[CellSummary]) -> str:
    """The budget in words: "within 600 steps", or the range where the cells' budgets differ."""
    steps = sorted({cell.cell.steps for cell in cells})
    return f"within {steps[0]:,} steps" if len(steps) == 1 else f"within {steps[0]:,} to {steps[-1]:,} steps"


def _compared(finding: _Finding, h: DeclaredHypothesis, cells: Mapping[str, CellSummary]) -> str:
    """Estimate and interval: "a is 41.5 points above b (difference [40.2, 42.7]) within 600 steps: "."""
    if (estimate := finding.estimate) is None:
        return ""
    steps = within(cells.values())
    if h.kind == "share":
        assert estimate.interval is not None  # a share is given with its interval or not at all
        ends = f"[{estimate.interval.low:.0%}, {estimate.interval.high:.0%}]"
        way = f"of the way from {cells['low'].label} to {cells['high'].label}"
        return f"{cells['mid'].label} goes {estimate.value:.0%} {ends} {way} {steps}: "
    what = " in success rate" if finding.quantity == "success rate" else ""
    side = "above" if estimate.value >= 0 else "below"
    given = f" (difference {span(estimate)})" if estimate.interval else ""
    size = f"{points(abs(estimate.value))} points {side}"
    return f"{cells['a'].label} is {size} {cells['b'].label}{what}{given} {steps}: "


def _rate(cell: CellSummary) -> Rate:
    assert cell.score is not None  # cells without one are dealt with before
    return cell.score.success
