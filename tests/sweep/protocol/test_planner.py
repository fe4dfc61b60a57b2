"""The prefix rule: the final table is a function of the sweep file, not of workers, order or interruptions."""

from __future__ import annotations

import random
from typing import Any

import pytest

from fsm_icl.results.records import TrialRecord
from fsm_icl.sweep.protocol import prefix_rule
from fsm_icl.sweep.protocol.manifest import manifest_cell
from fsm_icl.sweep.protocol.planner import Planner
from tests.sweep import simulate

TWELVE = ("search.num_trials=12",)  # start-up points and TPE both


@pytest.fixture(scope="module")
def clean() -> tuple[dict[str, TrialRecord], dict[str, list[str]]]:
    sweep = simulate.loaded(*TWELVE)
    records = simulate.run(sweep, workers=1)
    return dict(records), simulate.winners(sweep, records)


@pytest.mark.parametrize("workers", [2, 3, 8, 64])
def test_workers_and_order_change_nothing(
    workers: int, clean: tuple[dict[str, TrialRecord], dict[str, list[str]]]
) -> None:
    sweep = simulate.loaded(*TWELVE)
    for order in range(3):
        records = simulate.run(sweep, workers, order)
        assert records == clean[0]
        assert simulate.winners(sweep, records) == clean[1]


def test_stopping_anywhere_and_going_on_changes_nothing(
    clean: tuple[dict[str, TrialRecord], dict[str, list[str]]],
) -> None:
    sweep = simulate.loaded(*TWELVE)
    for stop in (1, 5, 17, 40):
        records = simulate.run(sweep, 3, order=stop, stop_after=stop)
        assert len(records) == stop
        assert simulate.run(sweep, 2, order=stop, records=records) == clean[0]


def test_the_simulation_has_every_outcome(clean: tuple[dict[str, TrialRecord], dict[str, list[str]]]) -> None:
    outcomes = {record.end.outcome for record in clean[0].values()}
    assert outcomes == {"finished", "pruned", "diverged", "failed"}


def test_records_read_back_from_json_give_the_same_proposals(
    clean: tuple[dict[str, TrialRecord], dict[str, list[str]]],
) -> None:
    back = {h: TrialRecord.model_validate_json(record.model_dump_json()) for h, record in clean[0].items()}
    assert back == clean[0]
    assert simulate.winners(simulate.loaded(*TWELVE), back) == clean[1]


def test_no_more_than_the_window_of_one_cell_is_in_flight() -> None:
    sweep = simulate.loaded("search.window=3")
    planner = Planner(sweep.spec, simulate.cells(sweep), {})
    flying: set[str] = set()
    while (planned := planner.next(flying)) is not None:
        flying.add(planned.hash)
    assert len(flying) == 3 * len(planner.plans)


def test_more_seeds_add_only_what_is_missing() -> None:
    records = simulate.run(simulate.loaded())
    before = set(records)
    more = simulate.loaded("measure.num_seeds=9")
    simulate.run(more, records=records)
    added = [r for h, r in records.items() if h not in before]
    assert len(added) == 3 * 5
    assert {r.phase for r in added} == {"measure"}


def test_more_proposals_keep_the_old_ones() -> None:
    records = simulate.run(simulate.loaded())
    searched = {h for h, r in records.items() if r.phase == "search"}
    more = simulate.loaded("search.num_trials=11")
    simulate.run(more, records=records)
    planner = Planner(more.spec, simulate.cells(more), records)
    wanted = {p.hash for plan in planner.plans for p in plan.wanted() if p.place.phase == "search"}
    assert searched < wanted
    assert len(wanted) == 11 * 5


def test_a_larger_grid_keeps_the_old_cells() -> None:
    small = simulate.loaded("grid={arch: [gru], d_model: [64]}", "hypotheses=[]")
    large = simulate.loaded("grid={arch: [rnn, gru], d_model: [32, 64]}", "hypotheses=[]")
    records = simulate.run(small)
    before = dict(records)
    assert before.items() <= simulate.run(large, records=records).items()
    assert len(records) == 4 * len(before)


@pytest.mark.parametrize("other", ["search.rungs=[]", "search.eta=2", "search.rungs=[1/3]"])
def test_records_are_read_through_todays_rule(other: str) -> None:
    """Pruning switched off or changed, and back again: always the winners of a clean run."""
    usual, changed = simulate.loaded(*TWELVE), simulate.loaded(*TWELVE, other)
    clean_usual = simulate.winners(usual, simulate.run(usual))
    clean_changed = simulate.winners(changed, simulate.run(changed))
    records = simulate.run(usual)
    assert simulate.winners(changed, simulate.run(changed, records=records)) == clean_changed
    assert simulate.winners(usual, simulate.run(usual, records=records)) == clean_usual


def test_the_manifest_says_where_todays_rule_cuts_a_longer_record() -> None:
    usual = simulate.loaded()
    clean = simulate.run(usual)
    records = simulate.run(simulate.loaded("search.rungs=[]"))
    simulate.run(usual, records=records)
    planner = Planner(usual.spec, simulate.cells(usual), records)
    cut = 0
    for plan in planner.plans:
        for wanted in manifest_cell(usual.spec, plan, "task").wanted:
            if wanted.pruned_at is None:
                assert records[wanted.hash] == clean[wanted.hash]
            else:
                cut += 1
                as_read = records[wanted.hash].pruned_at(wanted.pruned_at)
                assert as_read.reports == clean[wanted.hash].reports
                assert (as_read.end.outcome, as_read.end.steps) == ("pruned", clean[wanted.hash].end.steps)
    assert cut > 3


def test_repeats_are_independent_searches_and_share_the_seeds() -> None:
    sweep = simulate.loaded("search.repeats=2", "measure.num_seeds=5")
    planner = Planner(sweep.spec, simulate.cells(sweep), simulate.run(sweep))
    plan = planner.plans[0]
    first, second = ([p.params["learning_rate"] for p in s.proposals] for s in plan.searches)
    assert not set(first) & set(second)
    assert [m.place.repeat for m in plan.measures] == [0, 1, 0, 1, 0]


def test_seeds_are_all_different() -> None:
    sweep = simulate.loaded("search.repeats=2")
    planner = Planner(sweep.spec, simulate.cells(sweep), simulate.run(sweep))
    seeds = [p.config.seed for plan in planner.plans for p in plan.wanted()]
    assert len(seeds) == len(set(seeds))


def test_a_cell_where_nothing_finishes_has_no_winner_and_no_measure_trials() -> None:
    sweep = simulate.loaded()

    def learner(planned: simulate.PlannedTrial) -> simulate.TrialRecord:
        if planned.cell.label == "rnn-d64-L1":
            return simulate.record(planned, [], simulate.end("diverged", 30))
        return simulate.train(planned)

    planner = Planner(sweep.spec, simulate.cells(sweep), simulate.run(sweep, learner=learner))
    failed = [plan for plan in planner.plans if plan.failed]
    assert [plan.cell.label for plan in failed] == ["rnn-d64-L1"]
    assert failed[0].measures == []
    assert planner.complete


def test_measure_trials_come_before_proposals() -> None:
    sweep = simulate.loaded()
    records = simulate.run(sweep, stop_after=0)
    planner = Planner(sweep.spec, simulate.cells(sweep), records)
    only = planner.plans[0]
    while not only.searched:
        for planned in list(only.missing()):
            records[planned.hash] = simulate.train(planned)
            planner.advance(planned)
    following = planner.next(set())
    assert following is not None
    assert following.place.phase == "measure"


def slow_next(planner: Planner, busy: set[str]) -> simulate.PlannedTrial | None:
    """Which trial is next, looking at every one."""
    startable = [p for plan in planner.plans for p in plan.wanted() if not plan.done(p) and p.hash not in busy]
    return min(startable, key=lambda p: (p.place.phase == "search", p.place.index), default=None)


@pytest.mark.parametrize("sets", [(), ("search.repeats=3", "search.window=1"), ("search.window=5",)])
@pytest.mark.parametrize("keep", [0, 25])
def test_next_is_what_looking_at_every_trial_gives(sets: tuple[str, ...], keep: int) -> None:
    sweep = simulate.loaded(*sets, "measure.num_seeds=4", "search.num_trials=9")
    draw = random.Random(keep)
    records = dict(draw.sample(sorted(simulate.run(sweep).items()), keep))
    planner = Planner(sweep.spec, simulate.cells(sweep), records)
    given_up = {p.hash for plan in planner.plans for p in plan.missing() if draw.random() < 0.1}
    flying: dict[str, simulate.PlannedTrial] = {}
    for _ in range(200):
        while len(flying) < draw.randint(1, 12):
            slow = Planner(sweep.spec, simulate.cells(sweep), dict(records))
            planned = planner.next(flying.keys() | given_up)
            assert planned == slow_next(slow, flying.keys() | given_up)
            if planned is None:
                break
            flying[planned.hash] = planned
        if not flying:
            break
        planned = flying.pop(draw.choice(sorted(flying)))
        records[planned.hash] = simulate.train(planned)
        planner.advance(planned)
    assert sum(plan.num_searched + plan.num_measured for plan in planner.plans) > 30
    for plan in planner.plans:
        done = [p for p in plan.wanted() if plan.done(p)]
        assert plan.num_searched + plan.num_measured == len(done)
        assert plan.num_pruned == sum(p.place.phase == "search" and plan.seen(p).outcome == "pruned" for p in done)  # type: ignore[union-attr]


def test_a_start_makes_one_proposal(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    propose = prefix_rule.propose

    def counted(*arguments: Any) -> dict[str, float]:
        made.append(arguments[3])
        return propose(*arguments)

    monkeypatch.setattr(prefix_rule, "propose", counted)
    sweep = simulate.loaded("search.window=8", "search.repeats=5")
    planner = Planner(sweep.spec, simulate.cells(sweep), {})
    assert made == []
    assert planner.next(set()) is not None
    assert made == [0]
