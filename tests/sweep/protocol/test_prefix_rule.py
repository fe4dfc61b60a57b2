"""Proposals, cut-offs and winners, one by one, and against Ray's ASHA."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm_icl.results.records import Report
from fsm_icl.sweep.file.rungs import rung_steps
from fsm_icl.sweep.file.spec import Range, SearchSpec
from fsm_icl.sweep.protocol import prefix_rule
from fsm_icl.sweep.protocol.prefix_rule import ObservedTrial
from fsm_icl.training.config import BudgetSpec
from tests.sweep import simulate

RANGES = {"learning_rate": Range(log=(1e-3, 6e-2))}
SEARCH = SearchSpec(learning_rate=RANGES["learning_rate"])
BUDGET = BudgetSpec(steps=27, report_every=1)


def seen(
    rate: float, outcome: str = "finished", accuracy: float = 0.5, loss: float = 1.0, **rungs: float
) -> ObservedTrial:
    at = {int(step.removeprefix("s")): value for step, value in rungs.items()}
    return ObservedTrial({"learning_rate": rate}, outcome, at, accuracy, loss, 27)  # type: ignore[arg-type]


def test_a_rung_is_the_first_report_at_or_after_its_share() -> None:
    assert rung_steps(SEARCH, BudgetSpec(steps=600, report_every=30)) == [90, 210]
    assert rung_steps(SEARCH, BUDGET) == [3, 9]
    assert rung_steps(SEARCH.model_copy(update={"rungs": ()}), BUDGET) == []


def test_cutoffs_by_hand() -> None:
    trials = [seen(0.01, s3=v) for v in (0.1, 0.2, 0.3, 0.4)]
    assert prefix_rule.cutoffs(trials, [3, 9], eta=2) == {3: pytest.approx(0.25)}
    assert prefix_rule.cutoffs([], [3, 9], eta=3) == {}


def test_lost_trials_stand_at_every_rung_with_the_worst_value_and_pruned_ones_only_where_they_were() -> None:
    trials = [seen(0.01, "diverged"), seen(0.01, "pruned", s3=0.2), seen(0.01, s3=0.8, s9=0.9)]
    assert prefix_rule.cutoffs(trials, [3, 9], eta=2) == {3: pytest.approx(0.2), 9: pytest.approx(0.45)}


def test_the_winner_is_best_by_accuracy_then_loss_then_index() -> None:
    trials = [
        seen(0.1, "pruned", accuracy=0.99),
        seen(0.1, accuracy=0.9, loss=0.3),
        seen(0.1, accuracy=0.9, loss=0.2),
        seen(0.1, accuracy=0.9, loss=0.2),
        seen(0.1, "failed", accuracy=0.0),
    ]
    assert prefix_rule.winner(trials) == 2
    assert prefix_rule.winner([trials[0], trials[4]]) is None


def test_with_window_1_decisions_are_those_of_rays_asha() -> None:
    """The same stream of results, one trial after another, through Ray's scheduler and through ours."""
    from ray.tune.schedulers import ASHAScheduler, TrialScheduler

    class FakeTrial:
        def __init__(self, trial_id: int) -> None:
            self.trial_id = str(trial_id)

    decisions = 0
    for stream in range(20):
        draw = random.Random(stream)
        asha = ASHAScheduler("t", "value", "max", max_t=27, grace_period=3, reduction_factor=3, brackets=1)
        past: list[ObservedTrial] = []
        for index in range(27):
            trial = FakeTrial(index)
            asha.on_trial_add(None, trial)  # type: ignore[arg-type]
            limits = prefix_rule.cutoffs(past, [3, 9], eta=3)
            rungs: dict[int, float] = {}
            for step in range(1, 27):
                value = draw.random() if draw.random() < 0.8 else 0.5  # ties happen
                ours = step in limits and value < limits[step]
                theirs = asha.on_trial_result(None, trial, {"t": step, "value": value})  # type: ignore[arg-type]
                assert ours == (theirs == TrialScheduler.STOP), (stream, index, step)
                if step in (3, 9):
                    rungs[step] = value
                    decisions += 1
                if ours:
                    break
            past.append(ObservedTrial({}, "pruned" if ours else "finished", rungs, 0.0, 0.0, step))
    assert decisions > 500


def test_start_up_proposals_are_points_of_one_halton_sequence() -> None:
    from scipy.stats import qmc

    from fsm_icl.seeding import numpy_generator

    points = [prefix_rule.propose(RANGES, 8, 7, i, [], [])["learning_rate"] for i in range(8)]
    halton = qmc.Halton(1, scramble=True, rng=numpy_generator(7, "halton")).random(8)[:, 0]
    expected = 1e-3 * 60**halton
    assert points == pytest.approx(expected, rel=1e-3)
    assert len(set(np.floor(halton * 8))) >= 6  # spread out


def test_a_proposal_is_the_same_whether_asked_at_once_or_from_records_read_back() -> None:
    """The study that TPE sees is rebuilt each time; nothing may hide in a living one."""
    past = [seen(1e-3 * 1.4**i, accuracy=0.5 + i / 50, s3=0.4, s9=0.5) for i in range(10)]
    past[3] = seen(0.002, "pruned", s3=0.1)
    past[4] = seen(0.05, "diverged", accuracy=0.0)
    first = prefix_rule.propose(RANGES, 8, 3, 11, past, [{"learning_rate": 0.01}])
    assert prefix_rule.propose(RANGES, 8, 3, 12, past, [{"learning_rate": 0.01}]) != first
    assert prefix_rule.propose(RANGES, 8, 3, 11, list(past), [{"learning_rate": 0.01}]) == first
    assert prefix_rule.propose(RANGES, 8, 4, 11, past, [{"learning_rate": 0.01}]) != first


def test_tpe_looks_where_it_was_good() -> None:
    past = [seen(1e-3 * 60 ** (i / 19), accuracy=1 - abs(i / 19 - 0.5)) for i in range(20)]
    rates = [prefix_rule.propose(RANGES, 8, seed, 20, past, [])["learning_rate"] for seed in range(20)]
    assert 3e-3 < np.median(rates) < 2e-2


def test_pending_proposals_keep_tpe_away() -> None:
    past = [seen(1e-3 * 60 ** (i / 19), accuracy=1 - abs(i / 19 - 0.5)) for i in range(20)]
    rate = prefix_rule.propose(RANGES, 8, 5, 20, past, [])
    assert prefix_rule.propose(RANGES, 8, 5, 20, past, [rate]) != rate


def test_several_parameters_are_proposed_together() -> None:
    ranges = RANGES | {"weight_decay": Range(log=(1e-4, 1e-1)), "dropout": Range(uniform=(0.0, 0.5))}
    asked = prefix_rule.propose(ranges, 8, 1, 3, [], [])
    assert list(asked) == ["learning_rate", "weight_decay", "dropout"]
    assert 0 <= asked["dropout"] <= 0.5


@given(st.floats(0, 1), st.sampled_from([Range(log=(1e-4, 1e-1)), Range(uniform=(0.0, 0.5))]))
@settings(deadline=None)
def test_a_range_rounds_to_four_digits_and_stays_inside(share: float, where: Range) -> None:
    value = where.at(share)
    low, high = where.bounds
    assert low <= value <= high
    assert float(f"{value:.4g}") == value
    if value > low:
        assert where.share(value) == pytest.approx(share, abs=1e-3)


def test_what_lies_beyond_todays_rung_does_not_exist() -> None:
    sweep = simulate.loaded()
    plan = simulate.Planner(sweep.spec, simulate.cells(sweep), {}).plans[0]
    planned = plan.searches[0].proposals[0]
    record = simulate.record(planned, simulate.curve(planned), simulate.end("finished", 750))
    at_rung = next(r for r in record.reports if r.step == 90).metric("val/accuracy")
    cut = prefix_rule.read(record, planned.params, [90, 210], {90: at_rung + 0.01})
    assert cut is not None
    assert (cut.outcome, cut.steps, cut.accuracy) == ("pruned", 90, at_rung)
    full = prefix_rule.read(record, planned.params, [90, 210], {90: at_rung})
    assert full is not None
    assert (full.outcome, full.steps) == ("finished", 750)


def test_a_record_shorter_than_todays_rule_allows_is_taken_up_again() -> None:
    sweep = simulate.loaded()
    planned = simulate.Planner(sweep.spec, simulate.cells(sweep), {}).plans[0].searches[0].proposals[0]
    short = simulate.record(planned, simulate.curve(planned)[:3], simulate.end("pruned", 90))
    assert prefix_rule.read(short, planned.params, [90, 210], {}) is None


def test_rungs_are_exact_fractions() -> None:
    assert SEARCH.rungs == (Fraction(1, 9), Fraction(1, 3))
    assert math.ceil(SEARCH.rungs[0] * 9) == 1


def test_a_report_without_the_metric_says_so() -> None:
    with pytest.raises(ValueError, match="step 30 has no 'val/accuracy'"):
        Report(step=30, metrics={"val/loss": 1.0}).metric("val/accuracy")
