import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from analysis.statistics.survival import _counts, _logrank, kaplan_meier, logrank_p


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_kaplan_meier_curve_by_hand() -> None:
    curve = kaplan_meier([20, None, 10, 30], budget=100)
    assert curve.steps == (10, 20, 30)
    assert curve.surviving == pytest.approx((0.75, 0.5, 0.25))
    assert (curve.median, curve.reached, curve.total) == (20, 3, 4)
    # Greenwood on the log-log scale at step 10: one of four has an event.
    width = 1.959964 * math.sqrt(1 / 12) / abs(math.log(0.75))
    assert curve.low[0] == pytest.approx(0.75 ** math.exp(width), abs=1e-5)
    assert curve.high[0] == pytest.approx(0.75 ** math.exp(-width), abs=1e-5)


def test_all_reach_it() -> None:
    curve = kaplan_meier([10, 10, 20], budget=100)
    assert curve.surviving == pytest.approx((1 / 3, 0.0))
    assert curve.median == 10
    assert math.isnan(curve.low[-1])


def test_nobody_reaches_it() -> None:
    curve = kaplan_meier([None] * 3, budget=100)
    assert (curve.steps, curve.median, curve.reached, curve.total) == ((), None, 0, 3)


def test_one_that_reaches_it_at_the_budget_is_no_censored_one() -> None:
    curve = kaplan_meier([100, None], budget=100)
    assert (curve.steps, curve.surviving) == ((100,), (0.5,))


def test_a_permutation_log_rank_by_hand() -> None:
    # Two reach it and two never do: of the six ways to form the groups one is so early, one so late.
    assert logrank_p([10, 20], [None, None], rng()) == pytest.approx(2 / 6)
    assert logrank_p([10, None], [10, None], rng()) == 1.0
    assert logrank_p([None] * 5, [None] * 5, rng()) == 1.0


def test_five_against_five_can_be_told_apart() -> None:
    assert logrank_p([10, 20, 20, 30, 30], [None] * 5, rng()) == pytest.approx(2 / 252)


@pytest.mark.parametrize("seed", range(5))
def test_the_statistic_is_scipys(seed: int) -> None:
    draw = rng(seed)
    a, b = ([None if s > 15 else int(s) for s in draw.integers(1, 20, n)] for n in (7, 9))
    censored = [
        scipy_stats.CensoredData(uncensored=[s for s in x if s is not None], right=[20] * x.count(None)) for x in (a, b)
    ]
    ours = _logrank(np.arange(7), *_counts([*a, *b]), axis=-1)
    assert abs(float(ours)) == pytest.approx(abs(scipy_stats.logrank(*censored).statistic))
