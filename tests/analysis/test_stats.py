import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from analysis import stats


def test_iqm_is_the_mean_of_the_middle_half() -> None:
    assert stats.iqm(np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 100.0])) == 3.5  # of 2, 3, 4, 5
    assert stats.iqm(np.array([0.0, 0.9, 0.9, 0.9, 1.0, 1.0])) == pytest.approx(0.925)  # one cut at each end
    assert stats.iqm(np.array([0.2, 0.4])) == pytest.approx(0.3)


@pytest.mark.parametrize(("n", "tail"), [(5, 0.00095), (6, 0.00243), (9, 0.007225), (10, 0.025), (50, 0.025)])
def test_tails_are_expanded_below_ten_seeds(n: int, tail: float) -> None:
    assert stats.tail(n) == pytest.approx(tail, abs=5e-6)


def test_the_interval_ends_at_the_tails() -> None:
    resamples = np.linspace(0, 1, 100_001)
    for n in (5, 9, 10, 30):
        interval = stats.percentile_interval(resamples, n)
        assert interval is not None
        assert (interval.low, interval.high) == pytest.approx((stats.tail(n), 1 - stats.tail(n)), abs=1e-9)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_no_interval_below_five_seeds(n: int) -> None:
    assert stats.percentile_interval(np.linspace(0, 1, 100), n) is None


def test_wilson_by_hand() -> None:
    z = norm.ppf(0.975)
    middle, half = (0.8 + z**2 / 20) / (1 + z**2 / 10), z / (1 + z**2 / 10) * np.sqrt(0.016 + z**2 / 400)
    rate = stats.wilson(8, 10)
    assert (rate.interval.low, rate.interval.high) == pytest.approx((middle - half, middle + half))
    assert rate.value == 0.8
    assert rate.mixed
    assert not stats.wilson(0, 6).mixed
    assert not stats.wilson(6, 6).mixed


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
    estimate = stats.newcombe(stats.wilson(*a), stats.wilson(*b))
    assert estimate.interval is not None
    assert (estimate.interval.low, estimate.interval.high) == pytest.approx((low, high), abs=6e-5)
    assert estimate.value == pytest.approx(a[0] / a[1] - b[0] / b[1])


def test_counts_are_summed_by_class() -> None:
    assert stats.sum_by_class([1, 2, 3, 4], [0, 1, 0, 2]).tolist() == [4.0, 2.0, 4.0]


def slow_resamples(
    correct: np.ndarray, total: np.ndarray, generator: np.random.Generator, num_resamples: int
) -> np.ndarray:
    """One resample and one seed after the other."""
    draws = generator.integers(len(total), size=(num_resamples, len(total)))
    return np.array([[correct[d, k].sum() / total[d].sum() for k in range(correct.shape[1])] for d in draws])


@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 10**6))
def test_resampled_accuracies_equal_the_obvious_way(classes: int, seeds: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    total = draw.integers(1, 30, size=classes).astype(float)
    correct = np.floor(draw.random((classes, seeds)) * (total[:, None] + 1))
    fast = stats.resample_accuracies(correct, total, np.random.default_rng(seed), 50)
    np.testing.assert_allclose(fast, slow_resamples(correct, total, np.random.default_rng(seed), 50))


def test_chunks_do_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    correct, total = np.arange(12.0).reshape(6, 2), np.full(6, 12.0)
    whole = stats.resample_accuracies(correct, total, np.random.default_rng(1), 100)
    monkeypatch.setattr(stats, "_CHUNK", 42)
    np.testing.assert_array_equal(whole, stats.resample_accuracies(correct, total, np.random.default_rng(1), 100))


def test_columns_share_their_class_draws_and_do_not_move_each_other() -> None:
    total, first = np.full(20, 10.0), np.arange(20.0) % 11
    alone = stats.resample_accuracies(first[:, None], total, np.random.default_rng(3), 200)
    both = stats.resample_accuracies(np.stack([first, first - 0], axis=1), total, np.random.default_rng(3), 200)
    np.testing.assert_array_equal(alone[:, 0], both[:, 0])
    np.testing.assert_array_equal(both[:, 0], both[:, 1])  # equal seeds: their difference never varies


def test_seeds_are_drawn_with_replacement() -> None:
    accuracies = np.tile([0.0, 1.0], (4000, 1))
    drawn = stats.draw_seeds([0, 1], np.random.default_rng(0), 4000)
    values, counts = np.unique(stats.resample_iqm(accuracies, drawn), return_counts=True)
    assert values.tolist() == [0.0, 0.5, 1.0]
    assert counts / 4000 == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_seed_resamples_take_their_own_row_of_the_class_resamples() -> None:
    rows = np.random.default_rng(0).random((300, 1))
    drawn = stats.draw_seeds(range(6), np.random.default_rng(1), 300)
    np.testing.assert_allclose(stats.resample_iqm(np.tile(rows, (1, 6)), drawn), rows[:, 0])


def test_searches_are_drawn_whole() -> None:
    drawn = stats.draw_seeds([7, 3, 7, 3], np.random.default_rng(0), 1000)  # search 3 has seeds 1 and 3
    rows, counts = np.unique(drawn, axis=0, return_counts=True)
    assert rows.tolist() == [[0, 2, 0, 2], [0, 2, 1, 3], [1, 3, 0, 2], [1, 3, 1, 3]]
    assert counts / 1000 == pytest.approx([0.25] * 4, abs=0.05)


def test_a_search_with_fewer_seeds_weighs_as_much() -> None:
    drawn = stats.draw_seeds([0, 0, 0, 1], np.random.default_rng(0), 100)
    assert {tuple(row) for row in drawn.reshape(-1, 3)} == {(0, 1, 2), (3, 3, 3)}


def test_seeds_of_one_search_count_as_one_when_searches_are_drawn() -> None:
    values = np.repeat([0.5, 0.6, 0.7, 0.8, 0.9], 4)
    accuracies = np.tile(values, (4000, 1))
    searches = stats.draw_seeds(np.repeat(range(5), 4), np.random.default_rng(0), 4000)
    seeds = stats.draw_seeds(range(20), np.random.default_rng(0), 4000)
    wide, narrow = (np.std(stats.resample_iqm(accuracies, drawn)) for drawn in (searches, seeds))
    assert wide == pytest.approx(2 * narrow, rel=0.15)  # 5 independent values instead of 20


def test_a_share_by_hand() -> None:
    share = stats.share(np.array([0.5, 0.5, 0.5]), np.array([0.8, 0.4, 0.6]), np.array([0.9, 0.9, 0.5]))
    assert share.tolist() == pytest.approx([0.75, -0.25, np.inf])


def test_a_score_by_hand() -> None:
    score = stats.score(np.array([0.5, 0.97, 0.98, 0.99]), np.array([0.9, 1.0]), 0.97, num_units=4)
    assert score.iqm == stats.Estimate(pytest.approx(0.975), None, 4)
    assert (score.mean, score.minimum, score.maximum) == pytest.approx((0.86, 0.5, 0.99))
    assert (score.success.successes, score.success.total) == (3, 4)


def test_the_same_generator_gives_the_same_interval_and_the_global_one_is_untouched() -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[union-attr, index]  # noqa: NPY002
    correct, total = np.random.default_rng(5).integers(0, 11, (30, 6)).astype(float), np.full(30, 10.0)

    def interval() -> stats.Interval | None:
        accuracies = stats.resample_accuracies(correct, total, np.random.default_rng(7), 500)
        return stats.percentile_interval(
            stats.resample_iqm(accuracies, stats.draw_seeds(range(6), np.random.default_rng(8), 500)), 6
        )

    assert interval() == interval()
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # type: ignore[index]  # noqa: NPY002
