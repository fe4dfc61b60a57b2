"""--plan's categories: what there is, what is missing, and what a changed sweep file adds and drops."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsm_icl.results.records import TrialRecord
from fsm_icl.sweep.examine.status import begun
from fsm_icl.sweep.file.load import LoadedSweep
from fsm_icl.sweep.protocol.planner import Planner
from fsm_icl.sweep.protocol.tally import CellTally, num_new, planner_before, tally
from tests.sweep import folders, simulate

TRIALS = 5 * (8 + 6)


def planner_of(sweep: LoadedSweep, records: dict[str, TrialRecord] | None = None) -> Planner:
    return Planner(sweep.spec, simulate.cells(sweep), {} if records is None else records)


@pytest.fixture(scope="module")
def ended() -> dict[str, TrialRecord]:
    return simulate.run(simulate.loaded())


def test_a_fresh_sweep_is_all_to_run() -> None:
    assert tally(planner_of(simulate.loaded()), {}).total == CellTally(0, 0, TRIALS, 0, 0)


@pytest.mark.parametrize("stop", [1, 9, 23, 40, TRIALS])
def test_each_trial_asked_for_is_in_one_category(stop: int) -> None:
    sweep = simulate.loaded()
    records = simulate.run(sweep, stop_after=stop)
    found = tally(planner_of(sweep, records), {})
    total = found.total
    failed = sum(record.end.outcome == "failed" for record in records.values())
    assert (total.failed, total.done, total.no_longer_wanted) == (failed, len(records) - failed, 0)
    assert total.done + total.to_run + total.failed == TRIALS
    assert all(cell.done + cell.to_resume + cell.to_run + cell.failed == 14 for cell in found.cells)


def test_a_checkpoint_without_a_record_is_to_resume() -> None:
    sweep = simulate.loaded()
    records = simulate.run(sweep, stop_after=9)
    planner = planner_of(sweep, records)
    going = [p.hash for plan in planner.plans[:2] for p in plan.missing()]
    found = tally(planner, {*going, *records, "no trial's"})
    assert found.total.to_resume == len(going) > 1
    assert [cell.to_resume > 0 for cell in found.cells] == [True, True, False, False, False]
    assert found.total.to_run == TRIALS - len(records) - len(going)


@pytest.mark.parametrize(
    ("change", "new", "dropped"),
    [
        ("measure.num_seeds=9", 5 * 3, 0),
        ("measure.num_seeds=4", 0, 5 * 2),
        ("search.num_trials=11", 5 * 3, 0),
        ("search.learning_rate={log: [1e-3, 1e-2]}", 3 * 14, 3 * 14),
        ("seed=1", TRIALS, TRIALS),
        ("search.eta=2", 0, 0),
        ("success_margin=0.05", 0, 0),
    ],
)
def test_a_changed_file_says_what_is_new_and_what_is_dropped(
    tmp_path: Path, change: str, new: int, dropped: int
) -> None:
    before, now = simulate.loaded(), simulate.loaded(change)
    records = dict(folders.write(tmp_path, before))
    planner = planner_of(now, records)
    old = planner_before(tmp_path, now.spec, records)
    assert old is not None
    assert num_new(planner, old) == new
    assert tally(planner, begun(tmp_path)).total.no_longer_wanted == dropped
    assert planner_before(tmp_path, before.spec, records) is None
    assert planner_before(tmp_path / "nowhere", before.spec, records) is None


@pytest.mark.parametrize("stop", [0, 5, 30])
def test_what_is_new_does_not_depend_on_how_far_the_sweep_was(tmp_path: Path, stop: int) -> None:
    now = simulate.loaded("measure.num_seeds=9", "search.num_trials=10")
    records = dict(folders.write(tmp_path, simulate.loaded(), stop_after=stop))
    old = planner_before(tmp_path, now.spec, records)
    assert old is not None
    assert num_new(planner_of(now, records), old) == 5 * 5


def test_dropped_records_are_counted_by_cell(ended: dict[str, TrialRecord]) -> None:
    smaller = simulate.loaded("grid={arch: [gru, lstm], d_model: 64}", "measure.num_seeds=4", "hypotheses=[]")
    found = tally(planner_of(smaller, dict(ended)), {})
    assert [cell.no_longer_wanted for cell in found.cells] == [2, 2]
    assert found.elsewhere == {"lstm-d32-L1": 14, "rnn-d64-L1": 28}
    assert found.total.no_longer_wanted == 4 + 42


def test_records_after_a_gap_are_not_called_dropped(ended: dict[str, TrialRecord]) -> None:
    """Once the first proposal is back, they are asked for again."""
    sweep = simulate.loaded()
    first = planner_of(sweep).plans[0].searches[0].proposals[0].hash
    records = {h: record for h, record in ended.items() if h != first}
    planner = planner_of(sweep, records)
    assert len(planner.plans[0].wanted()) == 2
    assert tally(planner, {}).total.no_longer_wanted == 0


def test_a_sweep_file_of_another_version_is_no_change(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text("question: what?\nunknown: 1\n")
    assert planner_before(tmp_path, simulate.loaded().spec, {}) is None
