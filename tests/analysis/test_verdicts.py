from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from analysis.load import Sweep, load_sweep
from analysis.summary import difference, share, summarise
from analysis.verdicts import Verdict, judge, overall, points
from fsm_icl.records import DeclaredHypothesis
from tests.analysis.builder import Plan, around, hypothesis, share_hypothesis, spectrum, write_sweep

Build = Callable[..., Sweep]


@pytest.fixture
def sweep_of(tmp_path: Path) -> Build:
    def build(plans: Sequence[Plan], *hypotheses: DeclaredHypothesis, **manifest: object) -> Sweep:
        return load_sweep(write_sweep(tmp_path / "s", plans, hypotheses, **manifest))

    return build


def verdict(sweep: Sweep) -> Verdict:
    return judge(sweep, sweep.manifest.hypotheses[0])


def two(a: Sequence[float | str | None], b: Sequence[float | str | None]) -> list[Plan]:
    return [Plan("rnn", b), Plan("gru", a)]


def test_gates_matter(sweep_of: Build) -> None:
    found = verdict(sweep_of(spectrum(), hypothesis()))
    assert found.outcome == "supported"
    assert found.quantity == "accuracy"
    assert found.estimate is not None
    assert found.estimate.value == pytest.approx(0.415, abs=0.001)
    assert "41.5 points above rnn-d64-L1" in found.sentence
    assert "within 600 steps" in found.sentence
    assert "conditional on the chosen hyperparameters" in found.sentence


def test_nothing_matters(sweep_of: Build) -> None:
    found = verdict(sweep_of(two(around(0.58, 0.01), around(0.57, 0.01)), hypothesis()))
    assert found.outcome == "refuted"
    assert "wholly short of 10 points" in found.reason


def test_everything_is_saturated(sweep_of: Build) -> None:
    found = verdict(sweep_of(two(around(0.990, 0.001), around(0.985, 0.001)), hypothesis()))
    assert found.outcome == "saturated"
    assert "0.6 points to its ceiling, less than the threshold of 10" in found.reason


def test_an_interval_around_the_threshold_is_inconclusive(sweep_of: Build) -> None:
    found = verdict(sweep_of(two(around(0.70, 0.02), around(0.60, 0.02)), hypothesis()))
    assert found.outcome == "inconclusive"
    assert "includes 10 points" in found.reason


def test_mixed_success_is_judged_on_success_rates(sweep_of: Build) -> None:
    mixed = [0.99] * 5 + [0.6] * 5
    found = verdict(sweep_of(two(mixed, around(0.57, 0.01, 10)), hypothesis()))
    assert found.quantity == "success rate"
    assert found.outcome == "supported"
    assert found.estimate is not None
    assert found.estimate.value == 0.5
    assert found.estimate.interval is not None
    # Newcombe by hand: Wilson is (.2366, .7634) of 5/10 and (0, .2775) of 0/10.
    assert found.estimate.interval.low == pytest.approx(0.5 - np.hypot(0.5 - 0.23659, 0.27753), abs=1e-4)
    assert "5 of 10 seeds of gru-d64-L1 fail within 600 steps" in found.reason
    assert "success rates are compared" in found.reason


def test_mixed_success_with_few_seeds_is_inconclusive(sweep_of: Build) -> None:
    found = verdict(sweep_of(two([0.99] * 5 + [0.6], [0.99] * 3 + [0.6] * 3), hypothesis()))
    assert (found.quantity, found.outcome) == ("success rate", "inconclusive")


def test_a_base_that_always_succeeds_is_saturated_in_success_rates(sweep_of: Build) -> None:
    found = verdict(sweep_of(two([0.99] * 5 + [0.6], [0.99] * 6), hypothesis()))
    assert (found.quantity, found.outcome) == ("success rate", "saturated")


def test_success_starts_at_the_margin_below_the_ceiling(sweep_of: Build) -> None:
    sweep = sweep_of([Plan("rnn", [0.975, 0.972, 0.970, 0.60, 0.99])])
    score = summarise(sweep)["rnn-d64-L1"].score
    assert score is not None
    assert score.success.successes == 3  # ceiling .991, margin .02


def test_below_five_seeds_points_only(sweep_of: Build) -> None:
    found = verdict(sweep_of(two(around(0.99, 0.001, 4), around(0.57, 0.01)), hypothesis()))
    assert found.outcome == "inconclusive"
    assert "fewer than 5 measure seeds (gru-d64-L1 has 4)" in found.reason
    assert found.estimate is not None
    assert found.estimate.interval is None
    assert found.estimate.value == pytest.approx(0.42, abs=0.001)


@pytest.mark.parametrize("declared", [hypothesis(), share_hypothesis()])
def test_a_failed_cell(sweep_of: Build, declared: DeclaredHypothesis) -> None:
    plans = spectrum()
    plans[1] = Plan("gru", [None] * 6, failed=True)
    found = verdict(sweep_of(plans, declared))
    assert (found.outcome, found.estimate) == ("inconclusive", None)
    assert "gru-d64-L1 fails within 600 steps" in found.sentence


def test_a_cell_without_seeds_yet(sweep_of: Build) -> None:
    found = verdict(sweep_of(two([None] * 6, around(0.57, 0.01)), hypothesis()))
    assert (found.outcome, found.estimate) == ("inconclusive", None)
    assert "(0 of 6)" in found.reason


def test_a_diverged_seed_counts_as_failing(sweep_of: Build) -> None:
    sweep = sweep_of(two([0.99] * 5 + ["diverged"], around(0.57, 0.01)), hypothesis())
    score = summarise(sweep)["gru-d64-L1"].score
    assert score is not None
    assert (score.success.successes, score.success.total, score.minimum) == (5, 6, 0.0)
    assert verdict(sweep).quantity == "success rate"


@pytest.mark.parametrize(
    ("a", "b", "threshold", "outcome"),
    [
        (0.58, 0.57, 0.1, "supported"),  # "gains less than 10 points"
        (0.90, 0.57, 0.1, "refuted"),
        (0.99, 0.985, 0.1, "supported"),
        (0.57, 0.9912, 0.0, "supported"),  # "loses": a base at the ceiling has all the room there is
        (0.50, 0.90, -0.1, "supported"),  # "loses more than 10 points"
        (0.89, 0.90, -0.1, "refuted"),
        (0.36, 0.36, -0.1, "saturated"),  # the base has 2.7 points to chance
    ],
)
def test_less_mirrors_greater(sweep_of: Build, a: float, b: float, threshold: float, outcome: str) -> None:
    plans = two(around(a, 0.001), around(b, 0.001))
    assert verdict(sweep_of(plans, hypothesis(threshold=threshold, direction="less"))).outcome == outcome


@pytest.mark.parametrize(("loss", "outcome"), [(0.0, "supported"), (0.2, "refuted")])
def test_not_worse_by_more_than_a_margin(sweep_of: Build, loss: float, outcome: str) -> None:
    plans = two(around(0.8 - loss, 0.001), around(0.8, 0.001))
    assert verdict(sweep_of(plans, hypothesis(threshold=-0.1))).outcome == outcome


@pytest.mark.parametrize(
    ("threshold", "direction", "outcome"),
    [
        (0.8, "greater", "supported"),
        (0.8, "less", "refuted"),
        (1.2, "greater", "refuted"),
        (1.2, "less", "supported"),
    ],
)
def test_shares(sweep_of: Build, threshold: float, direction: str, outcome: str) -> None:
    found = verdict(sweep_of(spectrum(), share_hypothesis(threshold=threshold, direction=direction)))
    assert found.outcome == outcome
    assert found.estimate is not None
    assert found.estimate.value == pytest.approx(0.415 / 0.416, abs=0.003)


def test_no_share_of_a_gap_that_may_be_small(sweep_of: Build) -> None:
    plans = [
        Plan("rnn", around(0.60, 0.02)),
        Plan("gru", around(0.63, 0.02)),
        Plan("lstm", around(0.66, 0.02)),
    ]
    found = verdict(sweep_of(plans, share_hypothesis()))
    assert (found.outcome, found.estimate) == ("inconclusive", None)
    assert "not wholly beyond 5 points, so no share of it is given" in found.reason


def test_no_share_of_cells_with_mixed_success(sweep_of: Build) -> None:
    plans = spectrum()
    plans[1] = Plan("gru", [0.99] * 5 + [0.6])
    found = verdict(sweep_of(plans, share_hypothesis()))
    assert (found.outcome, found.estimate) == ("inconclusive", None)
    assert "1 of 6 seeds of gru-d64-L1 fail within 600 steps" in found.reason


def test_other_metrics_are_not_judged(sweep_of: Build) -> None:
    declared = hypothesis().model_copy(update={"metric": "val/accuracy"})
    assert "only test/accuracy" in verdict(sweep_of(spectrum(), declared)).reason


def test_with_several_searches_intervals_are_not_conditional(sweep_of: Build) -> None:
    assert "conditional" not in verdict(sweep_of(spectrum(), hypothesis(), repeats=5)).sentence


def test_cells_share_class_draws_so_that_common_hardness_cancels(sweep_of: Build) -> None:
    cells = summarise(sweep_of(two([0.6] * 6, [0.6] * 6)))
    a, b = cells["gru-d64-L1"], cells["rnn-d64-L1"]
    assert np.corrcoef(a.resamples, b.resamples)[0, 1] > 0.5
    assert difference(a, a).interval is not None
    assert difference(a, a).value == 0


def test_intervals_depend_on_the_sweeps_seed_and_on_nothing_else(tmp_path: Path) -> None:
    def interval(name: str, plans: list[Plan], seed: int = 0) -> object:
        sweep = load_sweep(write_sweep(tmp_path / name, plans, seed=seed))
        score = summarise(sweep)["gru-d64-L1"].score
        return score.iqm if score else None

    plans = spectrum()
    first = interval("a", plans)
    assert first == interval("b", plans)
    assert first == interval("c", plans[::-1])  # keyed by label, not by position
    assert first == interval("d", plans[1:2])  # other cells do not move it
    assert first != interval("e", plans, seed=1)


def test_a_share_resample_by_resample(sweep_of: Build) -> None:
    cells = summarise(sweep_of(spectrum()))
    low, mid, high = (cells[f"{arch}-d64-L1"] for arch in ("rnn", "gru", "lstm"))
    estimate = share(low, mid, high)
    assert estimate.interval is not None
    assert estimate.interval.low < estimate.value < estimate.interval.high


def test_the_conclusion_changes_with_the_verdicts(tmp_path: Path) -> None:
    def conclude(name: str, base: float) -> str:
        plans = two(around(0.988, 0.001), around(base, 0.002))
        declared = [hypothesis()]
        sweep = load_sweep(write_sweep(tmp_path / name, plans, declared))
        return overall([judge(sweep, h) for h in declared])

    assert conclude("gates", 0.57) == "1 of 1 declared claims is decided. Supported: “Gates help”."
    assert "Nothing can be concluded" in conclude("saturated", 0.98)
    assert "Not testable here" in conclude("saturated2", 0.98)
    assert "Open" in conclude("open", 0.888)
    assert overall([]).startswith("Nothing can be concluded")


@pytest.mark.parametrize(
    ("value", "text"), [(0.1, "10"), (0.4149, "41.5"), (-0.0001, "0"), (0.29, "29"), (-0.033, "-3.3")]
)
def test_points(value: float, text: str) -> None:
    assert points(value) == text
