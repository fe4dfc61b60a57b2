from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from analysis.findings.conclusion import overall
from analysis.findings.findings import findings_of
from analysis.findings.summary import difference, share, summarise
from analysis.findings.verdicts import Verdict
from analysis.findings.wording import points
from analysis.sources.sweep import Sweep, load_sweep
from fsm_icl.results.records import DeclaredHypothesis
from tests.analysis.builder import Plan, around, hypothesis, searched, share_hypothesis, spectrum, write_sweep

Build = Callable[..., Sweep]


@pytest.fixture
def sweep_of(tmp_path: Path) -> Build:
    def build(plans: Sequence[Plan], *hypotheses: DeclaredHypothesis, folder: str = "s", **manifest: object) -> Sweep:
        return load_sweep(write_sweep(tmp_path / folder, plans, hypotheses, **manifest))

    return build


def verdict(sweep: Sweep) -> Verdict:
    return findings_of(sweep).verdicts[0]


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
    found = verdict(sweep_of(two(around(0.70, 0.01), around(0.69, 0.01)), hypothesis()))
    assert found.outcome == "refuted"
    assert "wholly short of 10 points" in found.reason


def test_everything_is_saturated(sweep_of: Build) -> None:
    found = verdict(sweep_of(two(around(0.990, 0.001), around(0.985, 0.001)), hypothesis()))
    assert found.outcome == "saturated"
    assert "0.6 points to its ceiling, no more than the threshold of 10" in found.reason


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
    assert "gru-d64-L1: 5 of 10 seeds at .990, 5 at .600 within 600 steps" in found.reason
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
        (0.70, 0.69, 0.1, "supported"),  # "gains less than 10 points"
        (0.58, 0.57, 0.1, "not learnt"),
        (0.90, 0.57, 0.1, "refuted"),
        (0.99, 0.985, 0.1, "supported"),
        (0.57, 0.9912, 0.0, "supported"),  # "loses": a base at the ceiling has all the room there is
        (0.50, 0.90, -0.1, "supported"),  # "loses more than 10 points"
        (0.89, 0.90, -0.1, "refuted"),
        (0.36, 0.36, -0.1, "not learnt"),
        (0.67, 0.67, -0.4, "saturated"),  # the base has 33.7 points to chance
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
        Plan("rnn", around(0.70, 0.02)),
        Plan("gru", around(0.73, 0.02)),
        Plan("lstm", around(0.76, 0.02)),
    ]
    found = verdict(sweep_of(plans, share_hypothesis()))
    assert (found.outcome, found.estimate) == ("inconclusive", None)
    assert "not wholly beyond 5 points, so no share of it is given" in found.reason


def test_no_share_of_cells_with_mixed_success(sweep_of: Build) -> None:
    plans = spectrum()
    plans[1] = Plan("gru", [0.99] * 5 + [0.6])
    found = verdict(sweep_of(plans, share_hypothesis()))
    assert (found.outcome, found.estimate) == ("inconclusive", None)
    assert "gru-d64-L1: 5 of 6 seeds at .990, 1 at .600 within 600 steps" in found.reason


def test_with_several_searches_intervals_are_not_conditional(sweep_of: Build) -> None:
    found = verdict(sweep_of(searched(spectrum(20), 5), hypothesis(), repeats=5))
    assert (found.outcome, "conditional" in found.sentence) == ("supported", False)
    assert found.estimate is not None
    assert found.estimate.num_units == 5


def test_few_searches_are_few_units_whatever_the_number_of_seeds(sweep_of: Build) -> None:
    found = verdict(sweep_of(searched(spectrum(20), 4), hypothesis(), repeats=4))
    assert found.outcome == "inconclusive"
    assert "fewer than 5 searches with measure seeds (gru-d64-L1 has 4, rnn-d64-L1 has 4)" in found.reason


def test_cells_share_class_draws_so_that_common_hardness_cancels(sweep_of: Build) -> None:
    cells = summarise(sweep_of(two([0.6] * 6, [0.6] * 6)))
    a, b = cells["gru-d64-L1"], cells["rnn-d64-L1"]
    assert np.corrcoef(a.sampled.classes, b.sampled.classes)[0, 1] > 0.5
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
    estimate = share(low, mid, high).estimate()
    assert estimate.interval is not None
    assert estimate.interval.low < estimate.value < estimate.interval.high


def equivalence(metric: str = "test/accuracy", threshold: float = 0.01) -> DeclaredHypothesis:
    return hypothesis("gru-d64-L1", "lstm-d64-L1", threshold, "within", metric=metric)


@pytest.mark.parametrize(
    ("gru", "lstm", "outcome"),
    [(0.955, 0.956, "supported"), (0.93, 0.956, "refuted"), (0.946, 0.956, "inconclusive")],
)
def test_equivalence_within_a_point(sweep_of: Build, gru: float, lstm: float, outcome: str) -> None:
    plans = [Plan("gru", around(gru, 0.002, 10)), Plan("lstm", around(lstm, 0.002, 10))]
    found = verdict(sweep_of(plans, equivalence()))
    assert found.outcome == outcome
    assert "1 point either way" in found.reason
    assert found.p_value is not None
    assert (found.p_value < 0.025) == (outcome == "supported")


def test_equivalence_near_the_ceiling_says_so(sweep_of: Build) -> None:
    plans = [Plan("gru", around(0.989, 0.001)), Plan("lstm", around(0.990, 0.001))]
    found = verdict(sweep_of(plans, equivalence()))
    assert found.outcome == "supported"
    assert "the base is that near to its ceiling anyway" in found.reason


@pytest.mark.parametrize(("jump", "outcome"), [(0.2, "supported"), (0.5, "refuted")])
def test_equivalence_in_steps_to_threshold(sweep_of: Build, jump: float, outcome: str) -> None:
    plans = [Plan("gru", around(0.989, 0.001), jump=jump), Plan("lstm", around(0.990, 0.001))]
    found = verdict(sweep_of(plans, equivalence("steps_to_threshold", 1.25)))
    assert (found.outcome, found.quantity) == (outcome, "steps to threshold")
    assert "times the steps of lstm-d64-L1" in found.sentence
    assert "a ratio of 0.80 to 1.25" in found.reason


def test_steps_of_a_cell_whose_seeds_do_not_all_arrive(sweep_of: Build) -> None:
    """The budget is a bound of what they need, which decides nothing about equivalence."""
    plans = [Plan("gru", [0.989] * 4 + [0.6, 0.6]), Plan("lstm", around(0.990, 0.001))]
    found = verdict(sweep_of(plans, equivalence("steps_to_threshold", 1.25)))
    assert found.outcome == "inconclusive"
    assert found.estimate is not None
    assert found.estimate.interval is not None
    assert found.estimate.interval.high == np.inf
    assert "2 of 6 seeds of gru-d64-L1 never reach .971 within 600 steps and count as a's budget" in found.reason


@pytest.mark.parametrize(
    ("a", "b", "threshold", "direction", "outcome"),
    [
        ("gru", "lstm", 1.5, "greater", "supported"),  # gru never arrives, lstm at a third of the budget
        ("gru", "lstm", 1.5, "less", "refuted"),
        ("gru", "lstm", 4.0, "greater", "inconclusive"),  # it may need four times as many, or not
        ("gru", "lstm", 4.0, "less", "inconclusive"),
        ("lstm", "gru", 0.7, "less", "supported"),
        ("lstm", "gru", 0.2, "less", "inconclusive"),
    ],
)
def test_a_seed_that_never_arrives_bounds_the_ratio(
    sweep_of: Build, a: str, b: str, threshold: float, direction: str, outcome: str
) -> None:
    plans = [Plan("gru", around(0.70, 0.001)), Plan("lstm", around(0.990, 0.001), jump=0.1)]
    declared = hypothesis(f"{a}-d64-L1", f"{b}-d64-L1", threshold, direction, metric="steps_to_threshold")
    assert verdict(sweep_of(plans, declared)).outcome == outcome


def test_where_nobody_arrives_there_is_no_ratio(sweep_of: Build) -> None:
    plans = [Plan("gru", around(0.70, 0.001)), Plan("lstm", around(0.72, 0.001))]
    found = verdict(sweep_of(plans, equivalence("steps_to_threshold", 1.25)))
    assert (found.outcome, found.estimate) == ("inconclusive", None)
    assert "so there is no ratio of steps" in found.reason


@pytest.mark.parametrize("direction", ["greater", "less", "within"])
@pytest.mark.parametrize("metric", ["test/accuracy", "success_rate"])
def test_cells_that_only_count_have_not_learnt(sweep_of: Build, direction: str, metric: str) -> None:
    plans = two(around(0.60, 0.001), around(0.40, 0.001))
    found = verdict(sweep_of(plans, hypothesis(direction=direction, metric=metric)))
    assert (found.outcome, found.p_value) == ("not learnt", None)
    assert "none of the compared cells clears per-action counting (.642) within 600 steps" in found.sentence


def test_one_cell_that_learns_is_enough(sweep_of: Build) -> None:
    assert verdict(sweep_of(two(around(0.70, 0.001), around(0.40, 0.001)), hypothesis())).outcome == "supported"


def test_seeds_on_both_sides_of_the_margin_are_compared_in_accuracy(sweep_of: Build) -> None:
    """Better seeds once made this claim inconclusive, as one success more counts for little."""
    for best in (0.970, 0.975):
        found = verdict(sweep_of(two(around(best - 0.005, 0.005), around(0.59, 0.005)), hypothesis(), folder=str(best)))
        assert (found.outcome, found.quantity) == ("supported", "accuracy")
    assert "seeds straddle the margin of success (3 of 6 seeds of gru-d64-L1 reach .971)" in found.sentence


def test_a_claim_names_budget_settings_and_a_base_that_still_rises(sweep_of: Build) -> None:
    plans = [Plan("rnn", around(0.59, 0.005), still_rising=True), Plan("gru", around(0.99, 0.0005))]
    found = verdict(sweep_of(plans, hypothesis()))
    assert "rnn-d64-L1 (tanh, orthogonal start)" in found.sentence
    assert "within 600 steps" in found.sentence
    assert "rnn-d64-L1 was still rising at the end of its budget" in found.sentence


@pytest.mark.parametrize(("direction", "outcome"), [("greater", "supported"), ("less", "refuted")])
def test_a_cell_that_needs_more_steps(sweep_of: Build, direction: str, outcome: str) -> None:
    plans = [Plan("gru", around(0.989, 0.001), jump=0.5), Plan("lstm", around(0.990, 0.001))]
    declared = hypothesis("gru-d64-L1", "lstm-d64-L1", 1.25, direction, metric="steps_to_threshold")
    assert verdict(sweep_of(plans, declared)).outcome == outcome


def test_a_claim_about_success_rates(sweep_of: Build) -> None:
    declared = hypothesis(metric="success_rate", threshold=0.3)
    found = verdict(sweep_of(two([0.99] * 10, around(0.57, 0.01, 10)), declared))
    assert (found.outcome, found.quantity) == ("supported", "success rate")
    assert found.estimate is not None
    assert found.estimate.value == 1.0


def test_success_rates_of_few_searches_are_no_surer_than_these(sweep_of: Build) -> None:
    # Three of five searches succeed with all their seeds: five answers, not fifty.
    scores = [0.99 if j % 5 < 3 else 0.6 for j in range(50)]
    plans = two(scores, around(0.57, 0.01, 50))
    alone = verdict(sweep_of(plans, hypothesis())).estimate
    assert alone is not None
    assert alone.interval is not None
    write = sweep_of(searched(plans, 5), hypothesis(), repeats=5, folder="five")
    together = verdict(write).estimate
    assert together is not None
    assert together.interval is not None
    assert together.interval.low < alone.interval.low - 0.2


def test_p_values_are_adjusted_within_their_family(sweep_of: Build) -> None:
    first, second = hypothesis(), hypothesis(a="lstm-d32-L1", name="narrow")
    other = hypothesis(a="lstm-d64-L1", name="other", family="other")
    found = {v.name: v for v in findings_of(sweep_of(spectrum(), first, second, other)).verdicts}
    assert found["gates"].p_value == pytest.approx(1 / 4001)
    assert found["gates"].adjusted_p == pytest.approx(2 / 4001)
    assert found["other"].adjusted_p == found["other"].p_value
    assert found["gates"].improvement is not None
    assert found["gates"].improvement.value == 1.0


def test_a_claim_that_could_not_be_tested_counts_in_the_correction(sweep_of: Build) -> None:
    plans = [*spectrum()[:3], Plan("lstm", [None] * 6, d_model=32)]
    found = findings_of(sweep_of(plans, hypothesis(), hypothesis(a="lstm-d32-L1", name="narrow"))).verdicts
    assert found[0].adjusted_p == pytest.approx(2 / 4001)
    assert (found[1].p_value, found[1].adjusted_p) == (None, None)


def test_the_corrected_p_value_decides(sweep_of: Build) -> None:
    # At best 1 / 4001 each; a family of 120 makes that .03.
    many = [hypothesis(name=f"h{i}") for i in range(120)]
    found = findings_of(sweep_of(two(around(0.9, 0.01, 5), around(0.57, 0.01, 5)), *many)).verdicts[0]
    assert found.outcome == "inconclusive"
    assert "(p < .001, .030 by Holm over the 120 claims of main, which is above .025)" in found.sentence


@pytest.mark.parametrize("gap", [0.10, 0.105, 0.11, 0.115, 0.12, 0.13])
def test_supported_and_a_p_value_of_one_in_forty_are_the_same(sweep_of: Build, gap: float) -> None:
    found = verdict(sweep_of(two(around(0.70 + gap, 0.012), around(0.70, 0.012)), hypothesis()))
    assert found.p_value is not None
    assert found.estimate is not None
    assert found.estimate.interval is not None
    assert (found.outcome == "supported") == (found.p_value <= 0.025) == (found.estimate.interval.low > 0.1)


def test_the_conclusion_changes_with_the_verdicts(tmp_path: Path) -> None:
    def conclude(name: str, base: float) -> str:
        plans = two(around(0.988, 0.001), around(base, 0.002))
        declared = [hypothesis()]
        sweep = load_sweep(write_sweep(tmp_path / name, plans, declared))
        return overall(findings_of(sweep).verdicts)

    assert conclude("gates", 0.57) == (
        "1 of 1 declared claims is decided. "
        "Supported: “Gates help” (within 600 steps; rnn-d64-L1: tanh, orthogonal start)."
    )
    assert "Nothing can be concluded" in conclude("saturated", 0.98)
    assert "Not testable here" in conclude("saturated2", 0.98)
    assert "Open" in conclude("open", 0.888)
    assert overall([]).startswith("Nothing can be concluded")


@pytest.mark.parametrize(
    ("value", "text"), [(0.1, "10"), (0.4149, "41.5"), (-0.0001, "0"), (0.29, "29"), (-0.033, "-3.3")]
)
def test_points(value: float, text: str) -> None:
    assert points(value) == text
