"""How often our 95 % intervals hold the truth: python -m bench.coverage simulates it, docs/coverage.md tells it.

A world holds cells whose true accuracies are known. The error of a seed on a test class is the cell's mean error times
the class's difficulty (gamma, mean 1) times the seed's lack of skill (normal around 1); what it gets right of the
class's steps is binomial. Intervals and p-values are made by the very functions that make a sweep's. A claim whose
threshold is exactly the truth is wrong when it is supported and wrong when it is refuted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats as scipy_stats

from analysis.findings.evidence import accuracy_above, lowered_above
from analysis.statistics import contrasts, estimates, resamples
from analysis.statistics.estimates import ALPHA, FloatArray, Interval
from analysis.statistics.intervals import SampledCell, Spread, contrast, share_estimate
from analysis.statistics.resamples import Draws

NUM_SEEDS = (5, 6, 9, 10, 20)
NUM_CLASSES, CLASS_STEPS = 120, 200
"""A 3x3 test set has about 123 classes (a fifth of 616) and 24,000 query steps."""
SUCCESS_RATES = (0.3, 0.5, 0.7)
"""Of mixed cells; worlds take turns."""
SOLVED_FROM = 0.971
STEPS_SPREAD = 0.2
"""Standard deviation of the logarithms of steps to threshold."""
SHIFT = 0.5
"""How far, in standard deviations, one cell's seeds lie above the other's where P(better) is asked for."""
TABLE = Path(__file__).with_name("coverage.json")
"""What the last run of this command found, and what the rule before this one gave in the same worlds."""
DOCS = Path(__file__).parent.parent / "docs" / "coverage.md"


@dataclass(frozen=True)
class Case:
    """One interval in one world, against the truth."""

    what: str
    interval: Interval | None
    """None where none is given."""
    truth: float
    supported: bool | None
    """Of the claim that the number lies above the truth; None where there is no claim."""
    refuted: bool | None


@dataclass(frozen=True)
class Coverage:
    """What became of one kind of interval in many worlds."""

    what: str
    num_seeds: int
    covered: float | None
    """None where no interval is given."""
    width: float | None
    """Mean."""
    supported: float | None
    """Share of claims at the boundary that were supported, wrongly; None where there is no claim."""
    refuted: float | None


@dataclass(frozen=True)
class Kind:
    """One sort of cell: its mean error, how alike classes are (gamma's shape), seeds' standard deviation."""

    error: float
    shape: float
    seeds: float


KINDS = {
    "solved": Kind(0.011, 0.5, 0.12),
    "half-way": Kind(0.1, 2.0, 0.06),
    "plateau": Kind(0.42, 25.0, 0.03),
    "alike classes": Kind(0.42, 10_000.0, 0.03),
}
"""With alike classes nearly all that varies is the seed, so that nothing but Student's t widens intervals."""
DIFFERENCES = (
    ("solved", "plateau"),
    ("plateau", "solved"),
    ("solved", "solved"),
    ("plateau", "plateau"),
    ("alike classes", "alike classes"),
)


@dataclass(frozen=True)
class World:
    """Correct predictions by class and seed (C, n) of two cells of each kind, and what has no classes."""

    cells: Mapping[tuple[str, int], FloatArray]
    mixed: FloatArray
    """A cell of which `rate` of infinitely many seeds would succeed (C, n)."""
    rate: float
    other_rate: float
    successes: tuple[int, int]
    """Of n seeds at `rate`, and of n others at `other_rate`."""
    log_steps: tuple[FloatArray, FloatArray]
    normal: tuple[FloatArray, FloatArray]


def world(n: int, number: int) -> World:
    """World `number` of those with n seeds per cell: a pure function of both."""
    draw = np.random.default_rng([n, number])
    place = draw.random(NUM_CLASSES)
    cells = {(name, i): _counts(kind, n, place, draw) for name, kind in KINDS.items() for i in (0, 1)}
    rate, other = SUCCESS_RATES[number % 3], SUCCESS_RATES[(number + number // 3) % 3]
    succeeds = draw.random(n) < rate
    blend = np.where(succeeds, *(_counts(KINDS[name], n, place, draw) for name in ("solved", "plateau")))
    successes = int(draw.binomial(n, rate)), int(draw.binomial(n, other))
    logs = draw.normal(6, STEPS_SPREAD, n), draw.normal(6, STEPS_SPREAD, n)
    return World(cells, blend, rate, other, successes, logs, (draw.normal(SHIFT, 1, n), draw.normal(0, 1, n)))


def _counts(kind: Kind, n: int, place: FloatArray, draw: np.random.Generator) -> FloatArray:
    """Correct predictions (C, n); `place` (C,) is each class's rank in difficulty, the same for every kind."""
    difficulty = scipy_stats.gamma.ppf(place, kind.shape) / kind.shape
    error = np.clip(kind.error * difficulty[:, None] * draw.normal(1, kind.seeds, n), 0.0, 1.0)
    return CLASS_STEPS - draw.binomial(CLASS_STEPS, error).astype(np.float64)


@lru_cache(maxsize=3)
def mixed_truth(rate: float) -> float:
    """IQM over infinitely many seeds, of which `rate` succeed."""
    draw, count = np.random.default_rng(0), 400_000
    successes = round(rate * count)
    parts = ((KINDS["solved"], successes), (KINDS["plateau"], count - successes))
    return estimates.iqm(np.concatenate([1 - k.error * draw.normal(1, k.seeds, m) for k, m in parts]))


def share_truth() -> float:
    """How far the half-way cell is from the plateau to the solved one."""
    low, mid, high = (1 - KINDS[name].error for name in ("plateau", "half-way", "solved"))
    return (mid - low) / (high - low)


def cases(n: int, number: int, num_resamples: int) -> Iterator[Case]:
    """What our rule says in one world."""
    one, draw = world(n, number), np.random.default_rng([n, number, 1])
    cells = _draws(one, n, draw, num_resamples)
    sampled = {name: cell.iqm() for name, cell in cells.items()}
    for name, kind in KINDS.items():
        yield _case(name, contrast([sampled[name, 0]], [1]), 1 - kind.error)
    for a, b in DIFFERENCES:
        truth = KINDS[b].error - KINDS[a].error
        yield _claim(f"{a} - {b}", cells[a, 0], sampled[b, 1], truth)
    yield from _mixed(one, cells, sampled)
    ends = sampled["plateau", 0], sampled["half-way", 0], sampled["solved", 0]
    yield _case("share of the gap", share_estimate(*ends), share_truth(), claim=True)
    logs = [cells["plateau", i].iqm_of(values) for i, values in enumerate(one.log_steps)]
    yield _case("ratio of steps (logarithm)", contrast(logs, [1, -1]), 0.0, claim=True)
    better = contrasts.probability_of_improvement(*one.normal, n, n).interval
    if better is not None:
        yield Case("P(better)", better, float(scipy_stats.norm.cdf(SHIFT / np.sqrt(2))), None, None)


def _draws(one: World, n: int, draw: np.random.Generator, num_resamples: int) -> dict[tuple[str, int], Draws]:
    columns = {**one.cells, ("mixed", 0): one.mixed}
    total = np.full(NUM_CLASSES, float(CLASS_STEPS))
    whole = np.concatenate(list(columns.values()), axis=1)
    on_classes = estimates.resample_accuracies(whole, total, draw, num_resamples)
    found = {}
    for place, (name, correct) in enumerate(columns.items()):
        mine = on_classes[:, place * n : (place + 1) * n]
        accuracies = correct.sum(0) / total.sum()
        found[name] = resamples.draw_resamples(accuracies, mine, NUM_CLASSES, range(n), draw, num_resamples)
    return found


def _case(what: str, spread: Spread, truth: float, claim: bool = False) -> Case:
    assert spread.interval is not None  # never fewer than 5 seeds
    supported = refuted = None
    if claim:
        supported, refuted = spread.p_value(truth, "greater") <= ALPHA, spread.p_value(truth, "less") <= ALPHA
    return Case(what, spread.interval, truth, supported, refuted)


def _claim(what: str, a: Draws, b: SampledCell, truth: float) -> Case:
    """A difference, and the claim that it is above the truth: better seeds of `a` must not weaken it (evidence.py)."""
    spread = contrast([a.iqm(), b], [1, -1])
    found = [accuracy_above(spread, truth)]
    if spread.value > truth and not _decided(found):
        found += lowered_above(a, b, truth)
    case = _case(what, spread, truth, claim=True)
    return Case(what, case.interval, truth, _decided(found), case.refuted)


def _decided(found: Sequence[Any]) -> bool:
    return any(each.p_value is not None and each.p_value <= ALPHA for each in found)


def _mixed(
    one: World, cells: Mapping[tuple[str, int], Draws], sampled: Mapping[tuple[str, int], SampledCell]
) -> Iterator[Case]:
    """Mixed cells: success rates, and what accuracies alone decide."""
    n = cells["mixed", 0].num_units
    first, other = (estimates.wilson(count, n) for count in one.successes)
    yield Case("mixed: success rate", first.interval, one.rate, None, None)
    difference, truth = estimates.newcombe(first, other).interval, one.rate - one.other_rate
    assert difference is not None  # never fewer than 5 seeds
    sides = estimates.newcombe_p(first, other, truth) <= ALPHA, estimates.newcombe_p(other, first, -truth) <= ALPHA
    yield Case("mixed: difference of success rates", difference, truth, *sides)
    truth = mixed_truth(one.rate) - (1 - KINDS["plateau"].error)
    a, b = cells["mixed", 0], sampled["plateau", 1]
    if estimates.two_groups_of(a.accuracies, SOLVED_FROM, 0.02) is None:
        case = _claim("mixed - plateau", a, b, truth)
        yield replace(case, interval=None)
    else:
        yield Case("mixed - plateau", None, truth, _decided(lowered_above(a, b, truth, SOLVED_FROM)), False)


def simulate(num_worlds: int, num_resamples: int, say: bool = False) -> list[Coverage]:
    """Coverage, width and wrong verdicts at every number of seeds."""
    found = []
    for n in NUM_SEEDS:
        made = [case for number in range(num_worlds) for case in cases(n, number, num_resamples)]
        found += tally(n, made)
        if say:
            print(*found[-len(KINDS) :], sep="\n", file=sys.stderr, flush=True)
    return found


def tally(n: int, made: Sequence[Case]) -> list[Coverage]:
    """One row a kind of interval."""
    found = []
    for what in dict.fromkeys(case.what for case in made):
        mine = [case for case in made if case.what == what]
        ends = [(case.interval, case.truth) for case in mine if case.interval is not None]
        covered = _mean([interval.low <= truth <= interval.high for interval, truth in ends])
        width = _mean([interval.high - interval.low for interval, _ in ends])
        supported = _mean([case.supported for case in mine if case.supported is not None])
        refuted = _mean([case.refuted for case in mine if case.refuted is not None])
        found.append(Coverage(what, n, covered, width, supported, refuted))
    return found


def _mean(found: Sequence[float]) -> float | None:
    return float(np.mean(found)) if found else None


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate, write docs/coverage.md and the table behind it; the exit code."""
    from bench.coverage_page import markdown

    parser = argparse.ArgumentParser(prog="python -m bench.coverage", description="Simulate coverage; minutes.")
    parser.add_argument("--worlds", type=int, default=500)
    args = parser.parse_args(argv)
    content = json.loads(TABLE.read_text(encoding="utf-8"))
    rows = simulate(args.worlds, estimates.NUM_RESAMPLES, say=True)
    content |= {"worlds": args.worlds, "rows": [asdict(row) for row in rows]}
    TABLE.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    DOCS.write_text(markdown(content), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
