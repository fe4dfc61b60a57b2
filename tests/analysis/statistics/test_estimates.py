import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, trim_mean

from analysis.statistics import estimates, resamples
from analysis.statistics.intervals import contrast


def test_iqm_is_the_mean_of_the_middle_half() -> None:
    assert estimates.iqm(np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 100.0])) == 3.5  # of 2, 3, 4, 5
    assert estimates.iqm(np.array([0.0, 0.9, 0.9, 0.9, 1.0, 1.0])) == pytest.approx(0.925)  # one cut at each end
    assert estimates.iqm(np.array([0.2, 0.4])) == pytest.approx(0.3)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_iqms_are_scipys_trimmed_means(values: list[float]) -> None:
    assert estimates.iqm(np.array(values)) == pytest.approx(trim_mean(values, 0.25))
    rows = np.array([values, values[::-1]])
    np.testing.assert_allclose(estimates.iqms(rows), trim_mean(rows, 0.25, axis=1))


def test_wilson_by_hand() -> None:
    z = norm.ppf(0.975)
    middle, half = (0.8 + z**2 / 20) / (1 + z**2 / 10), z / (1 + z**2 / 10) * np.sqrt(0.016 + z**2 / 400)
    rate = estimates.wilson(8, 10)
    assert (rate.interval.low, rate.interval.high) == pytest.approx((middle - half, middle + half))
    assert rate.value == 0.8
    assert rate.split
    assert not estimates.wilson(0, 6).split
    assert not estimates.wilson(6, 6).split


@pytest.mark.parametrize(("a", "b"), [((56, 70), (48, 80)), ((9, 10), (3, 10)), ((6, 6), (1, 6)), ((5, 56), (1, 29))])
def test_newcombes_p_is_the_level_whose_interval_ends_at_the_bound(a: tuple[int, int], b: tuple[int, int]) -> None:
    first, second = estimates.wilson(*a), estimates.wilson(*b)
    interval = estimates.newcombe(first, second).interval
    assert interval is not None
    assert estimates.newcombe_p(first, second, interval.low) == pytest.approx(0.025, rel=1e-6)
    assert (
        estimates.newcombe_p(first, second, interval.low - 0.01)
        < 0.025
        < estimates.newcombe_p(first, second, interval.low + 0.01)
    )
    assert estimates.newcombe_p(second, first, -interval.high) == pytest.approx(0.025, rel=1e-6)


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    [  # Newcombe 1998, table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((5, 56), (0, 29), -0.0381, 0.1926),
    ],
)
def test_newcombe_gives_the_published_intervals(
    a: tuple[int, int], b: tuple[int, int], low: float, high: float
) -> None:
    estimate = estimates.newcombe(estimates.wilson(*a), estimates.wilson(*b))
    assert estimate.interval is not None
    assert (estimate.interval.low, estimate.interval.high) == pytest.approx((low, high), abs=6e-5)
    assert estimate.value == pytest.approx(a[0] / a[1] - b[0] / b[1])


def test_counts_are_summed_by_class() -> None:
    assert estimates.sum_by_class([1, 2, 3, 4], [0, 1, 0, 2]).tolist() == [4.0, 2.0, 4.0]


def slow_resamples(
    correct: np.ndarray, total: np.ndarray, generator: np.random.Generator, num_resamples: int
) -> np.ndarray:
    """One resample and one seed after the other."""
    resamples = generator.integers(len(total), size=(num_resamples, len(total)))
    return np.array([[correct[d, k].sum() / total[d].sum() for k in range(correct.shape[1])] for d in resamples])


@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 10**6))
def test_resampled_accuracies_equal_the_obvious_way(classes: int, seeds: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    total = draw.integers(1, 30, size=classes).astype(float)
    correct = np.floor(draw.random((classes, seeds)) * (total[:, None] + 1))
    fast = estimates.resample_accuracies(correct, total, np.random.default_rng(seed), 50)
    np.testing.assert_allclose(fast, slow_resamples(correct, total, np.random.default_rng(seed), 50))


def test_chunks_do_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    correct, total = np.arange(12.0).reshape(6, 2), np.full(6, 12.0)
    whole = estimates.resample_accuracies(correct, total, np.random.default_rng(1), 100)
    monkeypatch.setattr(estimates, "_CHUNK", 42)
    np.testing.assert_array_equal(whole, estimates.resample_accuracies(correct, total, np.random.default_rng(1), 100))


def test_columns_share_their_class_draws_and_do_not_move_each_other() -> None:
    total, first = np.full(20, 10.0), np.arange(20.0) % 11
    alone = estimates.resample_accuracies(first[:, None], total, np.random.default_rng(3), 200)
    both = estimates.resample_accuracies(np.stack([first, first - 0], axis=1), total, np.random.default_rng(3), 200)
    np.testing.assert_array_equal(alone[:, 0], both[:, 0])
    np.testing.assert_array_equal(both[:, 0], both[:, 1])  # equal seeds: their difference never varies


def test_seeds_are_drawn_with_replacement() -> None:
    drawn = estimates.draw_seeds([0, 1], np.random.default_rng(0), 4000)
    values, counts = np.unique(estimates.iqms(np.array([0.0, 1.0])[drawn]), return_counts=True)
    assert values.tolist() == [0.0, 0.5, 1.0]
    assert counts / 4000 == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_searches_are_drawn_whole() -> None:
    drawn = estimates.draw_seeds([7, 3, 7, 3], np.random.default_rng(0), 1000)  # search 3 has seeds 1 and 3
    rows, counts = np.unique(drawn, axis=0, return_counts=True)
    assert rows.tolist() == [[0, 2, 0, 2], [0, 2, 1, 3], [1, 3, 0, 2], [1, 3, 1, 3]]
    assert counts / 1000 == pytest.approx([0.25] * 4, abs=0.05)


def test_a_search_with_fewer_seeds_weighs_as_much() -> None:
    drawn = estimates.draw_seeds([0, 0, 0, 1], np.random.default_rng(0), 100)
    assert {tuple(row) for row in drawn.reshape(-1, 3)} == {(0, 1, 2), (3, 3, 3)}


def test_seeds_of_one_search_count_as_one_when_searches_are_drawn() -> None:
    values = np.repeat([0.5, 0.6, 0.7, 0.8, 0.9], 4)
    searches = estimates.draw_seeds(np.repeat(range(5), 4), np.random.default_rng(0), 4000)
    seeds = estimates.draw_seeds(range(20), np.random.default_rng(0), 4000)
    wide, narrow = (np.std(estimates.iqms(values[drawn])) for drawn in (searches, seeds))
    assert wide == pytest.approx(2 * narrow, rel=0.15)  # 5 independent values instead of 20


def score(values: list[float], margin: float = 0.02) -> estimates.Score:
    estimate = estimates.Estimate(estimates.iqm(np.array(values)), estimates.Interval(0.1, 0.9), len(values))
    return estimates.score_of(np.array(values), estimate, 0.97, margin)


def test_a_score_by_hand() -> None:
    found = score([0.5, 0.97, 0.98, 0.99])
    assert found.iqm == estimates.Estimate(pytest.approx(0.975), None, 4)
    assert (found.mean, found.minimum, found.maximum) == pytest.approx((0.86, 0.5, 0.99))
    assert found.success is not None
    assert (found.success.successes, found.success.total) == (3, 4)
    assert found.groups == estimates.Groups((0.5,), (0.97, 0.98, 0.99))


@pytest.mark.parametrize(
    ("values", "margin", "mixed"),
    [
        ([0.96, 0.965, 0.975, 0.98], 0.02, False),  # on both sides of the margin, but one group
        ([0.92, 0.93, 0.98, 0.99], 0.02, False),  # exactly .05 apart
        ([0.919, 0.93, 0.981, 0.99], 0.02, True),
        ([0.919, 0.93, 0.981, 0.99], 0.03, False),  # twice the margin is more than that
        ([0.5, 0.6, 0.7, 0.8], 0.02, False),  # all fail
        ([0.97, 0.98, 0.99, 1.0], 0.02, False),  # all succeed
    ],
)
def test_mixed_means_bimodal(values: list[float], margin: float, mixed: bool) -> None:
    found = score(values, margin)
    assert (found.groups is not None, found.iqm.interval is None) == (mixed, mixed)


def test_the_same_generator_gives_the_same_interval_and_the_global_one_is_untouched() -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[union-attr, index]  # noqa: NPY002
    correct, total = np.random.default_rng(5).integers(0, 11, (30, 6)).astype(float), np.full(30, 10.0)

    def interval() -> estimates.Interval | None:
        classes = estimates.resample_accuracies(correct, total, np.random.default_rng(7), 500)
        drawn = resamples.draw_resamples(correct.sum(0) / 300, classes, 30, range(6), np.random.default_rng(8), 500)
        return contrast([drawn.iqm()], [1]).interval

    assert interval() == interval()
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # type: ignore[index]  # noqa: NPY002
