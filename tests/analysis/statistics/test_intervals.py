"""The one interval rule against the obvious way, and that it says the same as its p-values."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from analysis.statistics.intervals import SampledCell, Spread, contrast, share_estimate
from analysis.statistics.resamples import draw_resamples

RESAMPLES = 800


def sampled(value: float, n: int, seed: int, classes: bool = True, spread: float = 0.02) -> SampledCell:
    generator = np.random.default_rng(seed)
    units = generator.normal(value, spread, RESAMPLES)
    return SampledCell(value, n, units, generator.normal(value, 0.01, RESAMPLES) if classes else None, 120)


def slow(cells: list[SampledCell], weights: list[float]) -> tuple[float, float]:
    """The issue's five steps, one after the other."""
    value = sum(w * c.value for w, c in zip(weights, cells, strict=True))
    seeds, classes, variances = np.zeros(RESAMPLES), np.zeros(RESAMPLES), []
    for w, c in zip(weights, cells, strict=True):
        assert c.classes is not None
        seeds += w * math.sqrt(c.num_units / (c.num_units - 1)) * (c.units - c.value)
        classes += w * (c.classes - c.value)
        variances.append(w**2 * np.var(c.units) * c.num_units / (c.num_units - 1))
    k = np.var(classes)
    bottom = sum(v**2 / (c.num_units - 1) for v, c in zip(variances, cells, strict=True)) + k**2 / 119
    df = (sum(variances) + k) ** 2 / bottom
    scale = scipy_stats.t.ppf(0.975, df) / scipy_stats.norm.ppf(0.975)
    low, high = value + scale * np.quantile(seeds + classes, [0.025, 0.975])
    return float(low), float(high)


@pytest.mark.parametrize("n", [5, 6, 9, 10, 20])
def test_the_interval_is_the_rule(n: int) -> None:
    cells = [sampled(0.9, n, 1), sampled(0.6, n + 1, 2)]
    found = contrast(cells, [1, -1]).interval
    assert found is not None
    assert (found.low, found.high) == pytest.approx(slow(cells, [1, -1]), abs=0.002)


def test_there_is_no_seam_between_nine_and_ten_seeds() -> None:
    widths = []
    for n in (8, 9, 10, 11):
        found = contrast([sampled(0.9, n, 1)], [1]).interval
        assert found is not None
        widths.append(found.high - found.low)
    assert all(1 < before / after < 1.05 for before, after in itertools.pairwise(widths))


@given(st.integers(0, 10**6), st.sampled_from([5, 6, 10]), st.floats(-0.3, 0.3))
def test_a_p_value_and_its_interval_say_the_same(seed: int, n: int, bound: float) -> None:
    spread = contrast([sampled(0.6, n, seed), sampled(0.6, n, seed + 1)], [1, -1])
    interval = spread.interval
    assert interval is not None
    assert (spread.p_value(bound, "greater") <= 0.025) == (interval.low > bound)
    assert (spread.p_value(bound, "less") <= 0.025) == (interval.high < bound)


def test_no_interval_below_five_units_and_none_beyond_what_can_be() -> None:
    assert contrast([sampled(0.9, 4, 0)], [1]).interval is None
    wide = contrast([sampled(0.99, 5, 0, spread=0.1)], [1]).estimate(0, 1)
    assert wide.interval is not None
    assert wide.interval.high == 1.0


def test_without_classes_the_seeds_alone_count() -> None:
    both, alone = (contrast([sampled(0.9, 6, 0, classes)], [1]).interval for classes in (True, False))
    mixed = contrast([sampled(0.9, 6, 0), sampled(0.9, 6, 1, classes=False)], [1, -1])
    assert both is not None
    assert alone is not None
    assert alone.high - alone.low < 1.3 * (both.high - both.low)
    expected = contrast([sampled(0.9, 6, 0, classes=False), sampled(0.9, 6, 1, classes=False)], [1, -1])
    np.testing.assert_allclose(mixed.drawn, expected.drawn)


def test_a_share_by_hand() -> None:
    low, mid, high = sampled(0.5, 6, 1), sampled(0.7, 6, 2), sampled(0.9, 6, 3)
    found = share_estimate(low, mid, high)
    assert found.value == pytest.approx(0.5)
    interval = found.interval
    assert interval is not None
    # The delta method on the contrast mid - high / 2 - low / 2, over the gap of .4.
    half = contrast([mid, high, low], [1, -0.5, -0.5]).interval
    assert half is not None
    assert (interval.low, interval.high) == pytest.approx((0.5 + half.low / 0.4, 0.5 + half.high / 0.4), abs=0.01)


def test_logarithms_and_signs() -> None:
    spread = contrast([sampled(0.5, 6, 0, classes=False)], [1])
    assert spread.exp().p_value(math.exp(0.47), "greater") == spread.p_value(0.47, "greater")
    assert spread.negative().p_value(-0.47, "less") == spread.p_value(0.47, "greater")
    assert Spread(1.0, np.array([]), 4).interval is None


@given(st.integers(0, 10**6))
def test_lowered_seeds_do_no_better_in_any_class_draw(seed: int) -> None:
    generator = np.random.default_rng(seed)
    accuracies, on_classes = generator.random(6), generator.random((50, 6))
    cell = draw_resamples(accuracies, on_classes, 9, range(6), generator, 50)
    to = generator.random(6)
    lowered = cell.lowered(to)
    assert lowered.on_classes is not None
    assert (lowered.on_classes <= on_classes).all()
    np.testing.assert_array_equal(lowered.accuracies, np.minimum(accuracies, to))
    assert (lowered.iqm().units <= cell.iqm().units + 1e-12).all()
