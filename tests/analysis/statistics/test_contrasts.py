import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm

from analysis.statistics import contrasts


def test_probability_of_improvement_by_hand() -> None:
    a, b = np.array([1.0, 3.0]), np.array([2.0, 3.0])  # 0, 0, 1 and a tie
    found = contrasts.probability_of_improvement(a, b, 2, 2)
    assert (found.value, found.interval, found.num_units) == (0.375, None, 2)
    assert found.value == mannwhitneyu(a, b).statistic / 4


def test_its_interval_mirrors_and_has_a_width_where_every_seed_wins() -> None:
    a, b = np.linspace(0.9, 1, 6), np.linspace(0.5, 0.6, 6)
    best, worst = contrasts.probability_of_improvement(a, b, 6, 6), contrasts.probability_of_improvement(b, a, 6, 6)
    assert best.value == 1.0
    assert best.interval is not None
    assert worst.interval is not None
    assert 0.5 < best.interval.low < 0.95
    assert best.interval.high == 1.0
    assert worst.interval.low == pytest.approx(0.0, abs=1e-6)
    assert worst.interval.high == pytest.approx(1 - best.interval.low, abs=1e-6)


def test_its_interval_covers() -> None:
    draw, truth, hits = np.random.default_rng(0), norm.cdf(1 / np.sqrt(2)), 0
    for _ in range(400):
        found = contrasts.probability_of_improvement(draw.normal(1, 1, 6), draw.normal(0, 1, 6), 6, 6)
        assert found.interval is not None
        hits += found.interval.low <= truth <= found.interval.high
    assert hits / 400 >= 0.93


def test_holm_by_hand() -> None:
    # .01 x 3, then .03 x 2, then .04 x 1, which may not fall below the one before.
    assert contrasts.holm({"x": 0.01, "y": 0.04, "z": 0.03}) == pytest.approx({"x": 0.03, "y": 0.06, "z": 0.06})
    assert contrasts.holm({"x": 0.7, "y": 0.8}) == {"x": 1.0, "y": 1.0}
    assert contrasts.holm({}) == {}
