from itertools import combinations

import numpy as np
import pytest

from analysis.statistics.search_cost import expected_best, saving, tolerance


def test_the_expected_best_by_hand() -> None:
    # Of one: the mean; of two: (2 + 3 + 3) / 3; of three: the best.
    assert expected_best([3.0, 1.0, 2.0], unbiased=True).values == pytest.approx((2.0, 8 / 3, 3.0))


def test_the_expected_best_is_the_mean_over_all_subsets() -> None:
    values = np.random.default_rng(0).random(8)
    slow = [np.mean([max(c) for c in combinations(values, k)]) for k in range(1, 9)]
    assert expected_best(list(values), unbiased=False).values == pytest.approx(slow)


def test_the_expected_best_of_many_proposals_neither_overflows_nor_drifts() -> None:
    values = expected_best([0.5] * 999 + [1.0], unbiased=True).values
    assert values[0] == pytest.approx(0.5005)
    assert values[499] == pytest.approx(0.75)
    assert values[-1] == pytest.approx(1.0)


def test_what_pruning_saved() -> None:
    found = saving([100, 100, 300, 900], budget=900)
    assert (found.steps, found.full) == (1400, 3600)
    assert found.factor == pytest.approx(2.571, abs=1e-3)


def test_how_wide_the_range_of_good_learning_rates_is() -> None:
    found = tolerance(np.array([1e-3, 4e-3, 1e-2, 6e-2]), np.array([0.5, 0.97, 0.98, 0.6]), 0.02)
    assert (found.lowest, found.highest, found.factor) == (4e-3, 1e-2, 2.5)
    assert tolerance(np.array([0.1]), np.array([0.3]), 0.02).factor == 1
