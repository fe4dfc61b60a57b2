"""Better seeds of the better cell never turn a clearly *supported* claim into anything else: 150 adversarial worlds."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.findings.evidence import above
from analysis.findings.summary import CellSummary
from analysis.statistics import estimates, resamples
from analysis.statistics.estimates import ALPHA, FloatArray
from analysis.statistics.intervals import contrast
from fsm_icl.results.records import ManifestCell

CLASSES, STEPS, RESAMPLES = 40, 200, 1_000
CEILING = 0.991
LOST = 0.005
"""Between two levels that seeds are lowered to, some of the p-value is lost: what is nearer to ALPHA may move."""


@lru_cache(maxsize=1)
def class_draws() -> FloatArray:
    drawn = np.random.default_rng(5).integers(CLASSES, size=(RESAMPLES, CLASSES))
    return np.stack([np.bincount(row, minlength=CLASSES) for row in drawn]).astype(np.float64)


def cell(label: str, correct: FloatArray, margin: float) -> CellSummary:
    """A cell from its correct predictions by class and seed (C, n)."""
    total, n = STEPS * CLASSES, correct.shape[1]
    accuracies = correct.sum(0) / total
    generator = np.random.default_rng(len(label))
    found = resamples.draw_resamples(
        accuracies, class_draws() @ correct / total, CLASSES, range(n), generator, RESAMPLES
    )
    shown = ManifestCell(
        label=label,
        fields={"arch": label, "d_model": 1, "num_layers": 1},
        task="t",
        num_params=1,
        state_size=1,
        flops_per_token=1,
        steps=600,
        wanted=[],
        winners=[],
        num_proposals=0,
        num_seeds=n,
        failed=False,
    )
    return CellSummary(
        cell=shown,
        ceiling=CEILING,
        accuracies=accuracies,
        outcomes=("finished",) * n,
        units=tuple(range(n)),
        draws=found,
        score=estimates.score_of(accuracies, contrast([found.iqm()], [1]).estimate(0, 1), CEILING - margin, margin),
        steps_to_threshold=(None,) * n,
        solved_from=CEILING - margin,
        counting=("per-action", 0.642),
        model={},
        still_rising=False,
    )


def counts(draw: np.random.Generator, n: int, base: float, kind: int, spread: float) -> FloatArray:
    """Seeds alike, in two groups, around the margin of success, or one far off."""
    mean = np.full(n, base)
    if kind == 1:
        mean = np.where(draw.random(n) < 0.5, base, 0.985)
    elif kind == 2:
        mean = draw.normal(CEILING - 0.02, 0.02, n)
    mean += draw.normal(0, spread, n)
    if kind == 3:
        mean[draw.integers(n)] = draw.uniform(0, 1)
    error = (1 - mean.clip(0, 1)) * (1 + (draw.gamma(2, 0.5, CLASSES)[:, None] - 1) * 0.3)
    return np.round(STEPS * (1 - error.clip(0, 1)))


def raised(draw: np.random.Generator, correct: FloatArray) -> FloatArray:
    """One seed better: by a share of what it lacks, by a few predictions, or in a few classes."""
    better, seed, kind = correct.copy(), draw.integers(correct.shape[1]), draw.integers(3)
    room = STEPS - correct[:, seed]
    if kind == 0:
        better[:, seed] += np.round(room * draw.random())
    elif kind == 1:
        better[:, seed] += np.minimum(room, draw.integers(0, 3, CLASSES))
    else:
        better[draw.integers(CLASSES, size=draw.integers(1, 20)), seed] = STEPS
    return better


@given(
    st.integers(0, 10**9),
    st.sampled_from([5, 6, 7, 10]),
    st.sampled_from([5, 6, 10]),
    st.sampled_from([0.005, 0.02, 0.05]),
    st.sampled_from([0.1, 0.05, 0.02, 0.01, 0.0, -0.05, -0.1]),
)
@settings(max_examples=150, deadline=None, derandomize=True)
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_better_seed_never_weakens_a_supported_claim(
    seed: int, n: int, m: int, margin: float, claimed: float
) -> None:
    draw = np.random.default_rng(seed)
    base = draw.uniform(0.4, 0.97)
    best = min(base + claimed + abs(draw.normal(0, draw.choice([0.005, 0.02, 0.1]))), 0.995)
    spreads = [0.0005, 0.003, 0.01, 0.04]
    other = cell("bb", counts(draw, m, base, draw.integers(4), draw.choice(spreads)), margin)
    mine = counts(draw, n, best, draw.integers(4), draw.choice(spreads))
    before = above(cell("a", mine, margin), other, claimed).p_value
    for _ in range(4):
        mine = raised(draw, mine)
        after = above(cell("a", mine, margin), other, claimed).p_value
        if before is not None and before <= ALPHA - LOST:
            assert after is not None
            assert after <= ALPHA
        before = after
