"""One declared claim and its cells -> what their measure seeds say of it, before its family is looked at.

Every assessment has two one-sided p-values: that the claim holds (`p_value`), and that the truth lies wholly on the
other side of its threshold (`against`). Both come from the resamples of the interval that is shown, so that one is at
most ALPHA exactly where the interval lies wholly beyond, or wholly short of, the threshold. verdicts.py corrects them
for the claim's family and decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from analysis.findings import summary
from analysis.findings.evidence import above, clears, rates_above
from analysis.findings.summary import CellSummary
from analysis.findings.wording import absence, amount, listed, mixed, points, short, span, straddling, within
from analysis.sources.sweep import Sweep
from analysis.statistics.estimates import MIN_SEEDS, Estimate, Interval
from analysis.statistics.intervals import Side, Spread
from fsm_icl.results.records import METRICS, DeclaredHypothesis

PValue = Callable[[float, Side], float | None]
"""One-sided p-value that the truth lies on this side of a bound; None where that can't be tested."""
Ruled = Literal["inconclusive", "not learnt"]
Quantity = Literal["accuracy", "success rate", "share of the gap", "steps to threshold"]
GAP = 0.05
"""A share is given only of a gap that lies wholly beyond it."""


@dataclass(frozen=True)
class Assessment:
    """What the data say of a claim, before its family is looked at."""

    quantity: Quantity
    """What was compared: a difference of IQM accuracies or of success rates, a share of a gap, a ratio of steps."""
    estimate: Estimate | None
    """None where there is nothing to estimate from."""
    p_value: float | None
    """One-sided, of "the claim does not hold"; None where that can't be tested."""
    against: float | None
    """One-sided, of "the truth is not wholly short of the threshold"; None where that can't be tested."""
    beyond: str
    """Why the claim is supported, if it is."""
    short_of: str
    """Why it is refuted, if it is."""
    between: str
    """Why neither, if so."""
    note: str = ""
    """Said whatever the outcome."""
    saturated: str | None = None
    """Why the claim could not have been refuted here; None where the base has room."""
    ruled: tuple[Ruled, str] | None = None
    """The outcome and its reason where they depend on no p-value."""


def assess(sweep: Sweep, h: DeclaredHypothesis, cells: Mapping[str, CellSummary]) -> Assessment:
    """What the cells in the claim's roles say of it."""
    quantity = _QUANTITIES[h.metric] if h.kind == "difference" else "share of the gap"
    if absent := [absence(cell) for cell in cells.values() if cell.score is None]:
        return _nothing(quantity, "; ".join(dict.fromkeys(absent)))
    if any(cell.num_units < MIN_SEEDS for cell in cells.values()):
        given = summary.difference(cells["a"], cells["b"]) if quantity == "accuracy" else None
        return _nothing(quantity, _too_few(sweep, cells.values()), given)
    if h.kind == "share":
        assessed = _share(h, cells["low"], cells["mid"], cells["high"])
    elif quantity == "steps to threshold":
        assessed = _steps(h, cells["a"], cells["b"])
    elif quantity == "success rate":
        assessed = _success_rates(h, cells["a"], cells["b"])
    else:
        assessed = _accuracies(sweep, h, cells["a"], cells["b"])
    if reason := _not_learnt(cells.values()):
        return replace(assessed, p_value=None, against=None, ruled=("not learnt", reason))
    return assessed


_QUANTITIES: dict[str, Quantity] = {
    "test/accuracy": "accuracy",
    "success_rate": "success rate",
    "steps_to_threshold": "steps to threshold",
}


def _nothing(quantity: Quantity, reason: str, estimate: Estimate | None = None) -> Assessment:
    return Assessment(quantity, estimate, None, None, "", "", "", ruled=("inconclusive", reason))


def _too_few(sweep: Sweep, cells: Iterable[CellSummary]) -> str:
    unit = "measure seeds" if sweep.manifest.repeats == 1 else "searches with measure seeds"
    few = [f"{cell.label} has {cell.num_units}" for cell in cells if cell.num_units < MIN_SEEDS]
    return f"fewer than {MIN_SEEDS} {unit} ({', '.join(few)}): points only, no interval"


def _not_learnt(cells: Iterable[CellSummary]) -> str | None:
    """Why nothing can be compared: no cell clears what counting alone scores on its task; None where one does."""
    compared = list({cell.label: cell for cell in cells}.values())
    named = []
    for cell in compared:
        if cell.counting is None or clears(cell, cell.counting[1]):
            return None
        named.append(f"{cell.counting[0]} counting ({short(cell.counting[1])})")
    return f"none of the compared cells clears {listed(dict.fromkeys(named))} {within(compared)}"


def _accuracies(sweep: Sweep, h: DeclaredHypothesis, a: CellSummary, b: CellSummary) -> Assessment:
    why = f"{mixed((a, b))}, so success rates are compared; " if a.groups or b.groups else ""
    if h.direction == "within":
        return _equal_accuracies(h, a, b, why)
    up = h.direction == "greater"
    # The claim is that `better` lies above `other` by more than `margin`, which may be negative.
    better, other, margin = (a, b, h.threshold) if up else (b, a, -h.threshold)
    found, gap = above(better, other, margin), summary.gap(a, b)
    against = rates_above(other, better, -margin) if why else gap.p_value(h.threshold, "less" if up else "greater")
    if found.spread is None:
        why = why or "success rates are compared; "
        assessed = _difference(h, "success rate", summary.rate_difference(a, b), summary.rate(b).value, (0, 1), why)
        if rates_above(better, other, margin) is None:
            assessed = replace(assessed, between=f"{why}{_not_worth(better, other, margin)}")
    else:
        shown = found.spread if up else found.spread.negative()
        bounds = sweep.task(b.label).ladder.get("chance", METRICS[h.metric].low), _ceiling(b)
        note = f"{_lowered(better, found.level, gap)}{straddling((a, b))}"
        assessed = _difference(h, "accuracy", shown.estimate(), summary.value(b), bounds, note=note)
    return replace(assessed, p_value=found.p_value, against=against)


def _ceiling(cell: CellSummary) -> float:
    assert cell.ceiling is not None, "imported results, whose ceiling is unknown, have no claims"
    return cell.ceiling


def _not_worth(better: CellSummary, other: CellSummary, margin: float) -> str:
    return (
        f"a success of {better.label} need not be worth {amount(margin)} of accuracy against {other.label}, so that "
        "rates say nothing about this claim"
    )


def _lowered(better: CellSummary, level: float | None, gap: Spread) -> str:
    """What is said where only a lowered cell decides."""
    if level is None:
        return ""
    as_is = "" if better.groups else f"; with its seeds as they are the interval is {span(gap.estimate())}"
    return f", with the better seeds of {better.label} counted as no more than {short(level)}{as_is}"


def _equal_accuracies(h: DeclaredHypothesis, a: CellSummary, b: CellSummary, why: str) -> Assessment:
    """Equivalence of accuracies; where a cell is mixed, of success rates that are worth as much."""
    if why:
        return _equal(h, "success rate", summary.rate_difference(a, b), _sided(a, b, rates_above), why)
    gap = summary.gap(a, b)
    assessed = _equal(h, "accuracy", gap.estimate(), gap.p_value, note=straddling((a, b)))
    if _ceiling(b) - summary.value(b) >= h.threshold:
        return assessed
    return replace(assessed, beyond=f"{assessed.beyond}, but the base is that near to its ceiling anyway")


def _success_rates(h: DeclaredHypothesis, a: CellSummary, b: CellSummary) -> Assessment:
    estimate, p_value = summary.rate_difference(a, b), _sided(a, b, summary.rate_p)
    if h.direction == "within":
        return _equal(h, "success rate", estimate, p_value)
    sides: tuple[Side, Side] = ("greater", "less") if h.direction == "greater" else ("less", "greater")
    assessed = _difference(h, "success rate", estimate, summary.rate(b).value, (0, 1))
    return replace(assessed, p_value=p_value(h.threshold, sides[0]), against=p_value(h.threshold, sides[1]))


def _sided(a: CellSummary, b: CellSummary, test: Callable[[CellSummary, CellSummary, float], float | None]) -> PValue:
    """p-values of a - b on one side of a bound, from a test that the first lies above the second by a margin."""
    return lambda bound, side: test(a, b, bound) if side == "greater" else test(b, a, -bound)


def _difference(
    h: DeclaredHypothesis,
    quantity: Quantity,
    estimate: Estimate,
    base: float,
    bounds: tuple[float, float],
    why: str = "",
    note: str = "",
) -> Assessment:
    """The words for a - b against a threshold, and whether the base left room to go beyond it; no p-values yet."""
    up, at = h.direction == "greater", amount(h.threshold)
    room, threshold = (bounds[1] - base, h.threshold) if up else (base - bounds[0], -h.threshold)
    left = f"the base has {amount(max(room, 0.0))} to {'its ceiling' if up else 'its floor'}"
    return Assessment(
        quantity,
        estimate,
        None,
        None,
        beyond=f"{why}the interval lies wholly beyond {at}",
        short_of=f"{why}the interval lies wholly short of {at}, and {left}",
        between=f"{why}the interval includes {at}",
        note=note,
        saturated=None if room > threshold else f"{why}{left}, no more than the threshold of {points(threshold)}",
    )


def _equal(
    h: DeclaredHypothesis,
    quantity: Quantity,
    estimate: Estimate,
    p_value: PValue,
    why: str = "",
    note: str = "",
) -> Assessment:
    """Equivalence by two one-sided tests: the larger p-value of "above -threshold" and "below threshold"."""
    low, high, at = -h.threshold, h.threshold, f"{amount(h.threshold)} either way"
    return Assessment(
        quantity,
        estimate,
        _both(p_value(low, "greater"), p_value(high, "less")),
        _either(p_value(high, "greater"), p_value(low, "less")),
        beyond=f"{why}the interval lies wholly within {at}",
        short_of=f"{why}the interval lies wholly outside {at}",
        between=f"{why}the interval reaches from inside to outside of {at}",
        note=note,
    )


def _both(*p_values: float | None) -> float | None:
    known = [p for p in p_values if p is not None]
    return max(known) if len(known) == len(p_values) else None


def _either(*p_values: float | None) -> float | None:
    return min((p for p in p_values if p is not None), default=None)


def _steps(h: DeclaredHypothesis, a: CellSummary, b: CellSummary) -> Assessment:
    """A ratio of steps; a seed that never arrives enters with its budget, which bounds the ratio from one side.

    If such seeds are a's, the true ratio lies above what is found, and only that it lies above a bound can be said.
    """
    quantity: Quantity = "steps to threshold"
    short_a, short_b = (None in cell.steps_to_threshold for cell in (a, b))
    never = " and ".join(_never(cell) for cell in (a, b) if None in cell.steps_to_threshold)
    if short_a and short_b:
        return _nothing(quantity, f"{never}, so there is no ratio of steps")
    spread = summary.step_ratio(a, b)

    def p_value(bound: float, side: Side) -> float | None:
        unknown = short_b if side == "greater" else short_a
        return None if unknown else spread.p_value(bound, side)

    estimate = _bounded(spread.estimate(), short_a, short_b)
    note = f"; {never} and count as {'a' if short_a else 'b'}'s budget, a bound of what they need" if never else ""
    low, high = 1 / h.threshold, h.threshold
    if h.direction == "within":
        at = f"a ratio of {low:.2f} to {high:g}"
        supported = _both(p_value(low, "greater"), p_value(high, "less"))
        against = _either(p_value(high, "greater"), p_value(low, "less"))
        inside, outside = f"the interval lies wholly within {at}", f"the interval lies wholly outside {at}"
        between = f"the interval reaches from inside to outside of {at}"
        return Assessment(quantity, estimate, supported, against, inside, outside, between, note)
    return _beyond(h, quantity, estimate, p_value, f"a ratio of {h.threshold:g}", note)


def _never(cell: CellSummary) -> str:
    missed = cell.steps_to_threshold.count(None)
    return f"{missed} of {cell.num_seeds} seeds of {cell.label} never reach {short(cell.solved_from)} {within([cell])}"


def _bounded(estimate: Estimate, from_below: bool, from_above: bool) -> Estimate:
    """The estimate where it is only a lower, or only an upper bound: its interval is open on the other side."""
    assert estimate.interval is not None  # cells with too few seeds are dealt with before
    low = 0.0 if from_above else estimate.interval.low
    return replace(estimate, interval=Interval(low, math.inf if from_below else estimate.interval.high))


def _beyond(
    h: DeclaredHypothesis,
    quantity: Quantity,
    estimate: Estimate,
    p_value: PValue,
    at: str,
    note: str = "",
) -> Assessment:
    """On which side of the threshold the truth lies, where there is no bound that could be in the way."""
    sides: tuple[Side, Side] = ("greater", "less") if h.direction == "greater" else ("less", "greater")
    words = {"greater": f"the interval lies wholly above {at}", "less": f"the interval lies wholly below {at}"}
    supported, against = (p_value(h.threshold, side) for side in sides)
    included = f"the interval includes {at}"
    return Assessment(quantity, estimate, supported, against, words[sides[0]], words[sides[1]], included, note)


def _share(h: DeclaredHypothesis, low: CellSummary, mid: CellSummary, high: CellSummary) -> Assessment:
    quantity: Quantity = "share of the gap"
    if any(cell.groups for cell in (low, mid, high)):
        return _nothing(quantity, f"{mixed((low, mid, high))}, and a share of accuracies would hide that")
    gap = summary.difference(high, low)
    assert gap.interval is not None  # cells with too few seeds are dealt with before
    if gap.interval.low <= GAP:
        wide = f"the gap {high.label} - {low.label} is {amount(gap.value)} {span(gap)}"
        return _nothing(quantity, f"{wide}, not wholly beyond {points(GAP)} points, so no share of it is given")
    spread = summary.share(low, mid, high)
    return _beyond(h, quantity, spread.estimate(), spread.p_value, f"{h.threshold:.0%}", straddling((low, mid, high)))
