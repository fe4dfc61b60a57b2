"""Told before a sweep trains: thresholds that can't be meant, and claims that its trials can't decide.

Each doubt ends with a `--set` to copy. What a cell can score is known roughly from the number of classes; exactly, its
ceiling included, only once the driver has scored the fixed strategies.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from fsm_icl.results.records import DeclaredHypothesis, TaskEntry
from fsm_icl.sweep.file.cells import Cell
from fsm_icl.sweep.file.hypotheses import declared
from fsm_icl.sweep.file.load import LoadedSweep
from fsm_icl.sweep.protocol.manifest import task_key

MIN_UNITS = 5
"""Seeds, or searches where a cell is searched several times, below which analysis draws no interval."""
ALPHA = 0.025
"""Level of every one-sided test in analysis."""
USUAL = 0.1
"""A threshold to propose: 10 points."""
MOST_SEEDS = 1000
"""What measure.num_seeds may be."""


def refuse_thresholds(loaded: LoadedSweep) -> None:
    """Raises SpecError where a threshold is a number of points or percent, and not the fraction that is meant."""
    for i, hypothesis in enumerate(loaded.spec.hypotheses):
        threshold, share = hypothesis.threshold, hypothesis.low is not None
        if hypothesis.metric == "steps_to_threshold" or abs(threshold) < (2 if share else 1):
            continue
        unit = "%" if share else "point" if threshold == 1 else "points"
        verb = "is" if unit == "point" else "are"
        meant = f"threshold is a fraction: {threshold:g} {unit} {verb} {threshold / 100:g}"
        fix = setting(f"hypotheses.{hypothesis.name}.threshold", threshold / 100)
        raise loaded.error(("hypotheses", i, "threshold"), f"{meant}; write that, or add {fix}")


@dataclass(frozen=True)
class Bounds:
    """What a cell can score: between chance and the ceiling, or more."""

    chance: float
    ceiling: float


def bounds_of(cells: Sequence[Cell], tasks: Mapping[str, TaskEntry] | None = None) -> dict[str, Bounds]:
    """Label -> bounds of each cell: from the strategies that were scored on its task, else from its classes."""
    if tasks is None:
        return {cell.label: Bounds(1 / cell.template.task.num_classes, 1.0) for cell in cells}
    entries = {cell.label: tasks[task_key(cell)] for cell in cells}
    found = {}
    for label, entry in entries.items():
        assert entry.ceiling is not None, "a sweep of ours knows its ceilings"
        found[label] = Bounds(entry.ladder["chance"], entry.ceiling)
    return found


def doubts(loaded: LoadedSweep, cells: Sequence[Cell], bounds: Mapping[str, Bounds]) -> list[str]:
    """One line for each claim that no result of the sweep could decide; one for all of them where seeds are too few."""
    claims = declared(loaded, list(cells))
    if not claims:
        return []
    if (few := _too_few(loaded, len(claims))) is not None:
        return [few]
    by_label = {cell.label: cell for cell in cells}
    return [f"{h.name}: {why}" for h in claims for why in _doubts(loaded, h, claims, by_label, bounds)]


def _too_few(loaded: LoadedSweep, num_claims: int) -> str | None:
    seeds, repeats = loaded.spec.measure.num_seeds, loaded.spec.search.repeats
    if min(seeds, repeats if repeats > 1 else seeds) >= MIN_UNITS:
        return None
    wanted = [] if seeds >= MIN_UNITS else ["measure.num_seeds"]
    wanted += ["search.repeats"] if 1 < repeats < MIN_UNITS else []
    found = f"{repeats} searches with {seeds} measure seeds" if repeats > 1 else f"{seeds} measure seeds"
    what = "the claim" if num_claims == 1 else f"any of the {num_claims} claims"
    least = f"{MIN_UNITS} {'searches with a seed each' if repeats > 1 else 'seeds'} per cell"
    return f"{found} per cell can't decide {what}, which takes {least}: {' '.join(setting(n, 5) for n in wanted)}"


def _doubts(
    loaded: LoadedSweep,
    h: DeclaredHypothesis,
    claims: Sequence[DeclaredHypothesis],
    cells: Mapping[str, Cell],
    bounds: Mapping[str, Bounds],
) -> Iterator[str]:
    if h.kind == "share":
        return
    if h.metric == "test/accuracy":
        yield from _of_accuracy(h, bounds[h.cells["a"]], bounds[h.cells["b"]])
    elif h.metric == "steps_to_threshold":
        yield from _of_steps(h, cells[h.cells["a"]], cells[h.cells["b"]])
    elif loaded.spec.search.repeats == 1:
        yield from _of_rates(h, loaded.spec.measure.num_seeds, sum(other.family == h.family for other in claims))


def _of_accuracy(h: DeclaredHypothesis, a: Bounds, b: Bounds) -> Iterator[str]:
    """A difference lies between what the worst and the best scores leave."""
    highest, lowest = a.ceiling - b.chance, a.chance - b.ceiling
    room = min(highest, -lowest)
    usual = min(USUAL, round(room / 2, 2))
    top = max(a.ceiling, b.ceiling)
    scores = f"scores from chance ({min(a.chance, b.chance):.3f}) to {'1' if top == 1 else f'the ceiling ({top:.3f})'}"
    if h.direction == "within":
        if h.threshold >= max(highest, -lowest):
            yield f"any two {scores} differ by less than {h.threshold:g}; {_instead(h, usual / 10)}"
        return
    up = h.direction == "greater"
    sign = 1 if up else -1
    most, least = (highest, lowest) if up else (-lowest, -highest)
    if sign * h.threshold >= most:
        yield f"{scores} can't differ by {abs(h.threshold):g}; {_instead(h, sign * usual)}"
    elif sign * h.threshold < least:
        yield f"any two {scores} differ by that; {_instead(h, sign * usual)}"


def _of_rates(h: DeclaredHypothesis, seeds: int, family: int) -> Iterator[str]:
    """The interval of a difference of success rates (Newcombe) where all seeds of one cell succeed, none of the other.

    `within`: where all seeds of both succeed. At the level that Holm's correction asks of the best claim of a family.
    """
    z2 = NormalDist().inv_cdf(1 - ALPHA / family) ** 2
    if h.direction == "within":
        missing, needed = z2 / (seeds + z2), z2 * (1 / h.threshold - 1)
        reached, best = missing < h.threshold, "even where every seed succeeds, the interval reaches"
        end = missing
    else:
        threshold = h.threshold if h.direction == "greater" else -h.threshold
        end = 1 - math.sqrt(2) * z2 / (seeds + z2)
        needed = z2 * (math.sqrt(2) / (1 - threshold) - 1)
        reached, best = end > threshold, "even where all seeds of one cell succeed and none of the other, it starts at"
    if reached:
        return
    more = math.floor(needed) + 1
    fix = setting("measure.num_seeds", more) if more <= MOST_SEEDS else "give a threshold that is easier to meet"
    yield f"{seeds} seeds per cell can't tell success rates that far apart: {best} {end:.2f}; {fix}"


def _of_steps(h: DeclaredHypothesis, a: Cell, b: Cell) -> Iterator[str]:
    """Steps are counted in reports, up to the budget, so that their ratio has bounds."""
    mine, base = a.template.budget, b.template.budget
    lowest, highest = mine.report_every / base.steps, mine.steps / base.report_every
    told = f"the ratio of their steps lies from {lowest:.2g} to {highest:.3g} (first report to budget's end)"
    if h.direction == "less" and h.threshold <= lowest:
        yield f"{told}, never below {h.threshold:g}; {_instead(h, 2 * lowest)}"
    if h.direction == "greater" and h.threshold >= highest:
        yield f"{told}, never above {h.threshold:g}; {_instead(h, highest / 2)}"
    if h.direction == "within" and h.threshold > max(highest, 1 / lowest):
        yield f"{told}, always within a factor of {h.threshold:g}; {_instead(h, 1.5)}"


def _instead(h: DeclaredHypothesis, threshold: float) -> str:
    return setting(f"hypotheses.{h.name}.threshold", float(f"{threshold:.2g}"))


def setting(key: str, value: float) -> str:
    """`--set key=value` for a shell; in words where the key can't be written so."""
    if "=" in key:
        return f"a threshold of {value:g} in the sweep file"
    return f"--set {shlex.quote(f'{key}={value:g}')}"
