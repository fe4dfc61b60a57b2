from itertools import combinations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from analysis import contrasts, stats

A, B = np.array([3.0, 4.0, 5.0]), np.array([0.0, 1.0, 2.0])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_permutation_test_by_hand() -> None:
    # 20 ways to choose 3 of 6; only the observed one has so large a gap.
    assert contrasts.permutation_p(A, B, 0.0, "greater", rng()) == pytest.approx(1 / 20)
    assert contrasts.permutation_p(A, B, 0.0, "less", rng()) == 1.0
    # Shifted by 3 the two are equal: 11 of 20 gaps are at least 0.
    values = np.array([0.0, 1.0, 2.0] * 2)
    sums = [values[list(c)].sum() for c in combinations(range(6), 3)]
    by_hand = np.mean([s >= 3 for s in sums])
    assert contrasts.permutation_p(A, B, 3.0, "greater", rng()) == pytest.approx(by_hand)


def test_more_permutations_than_can_be_looked_at_are_drawn() -> None:
    a, b = np.linspace(1, 2, 12), np.linspace(0, 1, 12)
    assert contrasts.permutation_p(a, b, 0.0, "greater", rng()) == pytest.approx(1e-4, abs=1e-4)
    assert contrasts.permutation_p(a, b, 0.5, "greater", rng(1)) == contrasts.permutation_p(
        a, b, 0.5, "greater", rng(1)
    )


def test_the_iqm_ignores_what_the_mean_does_not() -> None:
    a, b = np.array([1.0, 1.1, 1.2, 1.3, 9.0]), np.array([1.05, 1.15, 1.25, 1.35, 1.4])
    assert contrasts.permutation_p(a, b, 0.0, "greater", rng()) > 0.5
    assert contrasts.permutation_p(a, b, 0.0, "greater", rng(), "mean") < 0.5


def test_equivalence_is_the_worse_of_two_one_sided_tests() -> None:
    a, b = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 2.0])
    assert contrasts.permutation_p(a, b, 3.0, "within", rng()) == pytest.approx(1 / 20)
    assert contrasts.permutation_p(a + 2.5, b, 3.0, "within", rng()) > 0.3
    assert contrasts.permutation_p(a - 2.5, b, 3.0, "within", rng()) > 0.3


@pytest.mark.parametrize("units", [5, 9, 10, 30])
def test_a_bootstrap_p_is_the_level_whose_interval_ends_at_the_bound(units: int) -> None:
    resamples = np.linspace(0, 1, 200_001)
    interval = stats.percentile_interval(resamples, units)
    assert interval is not None
    assert contrasts.bootstrap_p(resamples, interval.low, "greater", units) == pytest.approx(0.025, rel=0.01)
    assert contrasts.bootstrap_p(resamples, interval.high, "less", units) == pytest.approx(0.025, rel=0.01)
    assert contrasts.bootstrap_p(resamples - 0.5, 0.5 - interval.low, "within", units) == pytest.approx(0.025, rel=0.01)


def test_a_bootstrap_p_is_never_zero() -> None:
    assert contrasts.bootstrap_p(np.ones(99), 0.0, "greater", 10) == 0.01


def test_probability_of_improvement_by_hand() -> None:
    a, b = np.array([1.0, 3.0]), np.array([2.0, 3.0])  # 0, 0, 1 and a tie
    found = contrasts.improvement(a, b, np.array([[0, 1], [1, 1]]), np.array([[0, 1], [0, 0]]), 2)
    assert found == stats.Estimate(0.375, None, 2)
    assert found.value == mannwhitneyu(a, b).statistic / 4


def test_probability_of_improvement_is_resampled_over_seeds_of_both() -> None:
    draw = rng(3)
    a, b = draw.random(6), draw.random(7)
    drawn = stats.draw_seeds(range(6), draw, 500), stats.draw_seeds(range(7), draw, 500)
    found = contrasts.improvement(a, b, *drawn, 6)
    slow = [np.mean(a[i][:, None] > b[j]) for i, j in zip(*drawn, strict=True)]
    expected = stats.percentile_interval(np.array(slow), 6)
    assert found.interval is not None
    assert expected is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((expected.low, expected.high))


def test_holm_by_hand() -> None:
    # .01 x 3, then .03 x 2, then .04 x 1, which may not fall below the one before.
    assert contrasts.holm({"x": 0.01, "y": 0.04, "z": 0.03}) == pytest.approx({"x": 0.03, "y": 0.06, "z": 0.06})
    assert contrasts.holm({"x": 0.7, "y": 0.8}) == {"x": 1.0, "y": 1.0}
    assert contrasts.holm({}) == {}


def test_a_ratio_of_steps_by_hand() -> None:
    drawn = stats.draw_seeds(range(5), rng(), 200)
    same, resamples = contrasts.ratio([200] * 5, [100] * 5, drawn, drawn, 5)
    assert same.value == pytest.approx(2.0)
    assert np.allclose(resamples, 2.0)
    # The IQM of five logarithms is that of the middle three.
    middle, _ = contrasts.ratio([10, 100, 100, 100, 9000], [100] * 5, drawn, drawn, 5)
    assert middle.value == pytest.approx(1.0)
