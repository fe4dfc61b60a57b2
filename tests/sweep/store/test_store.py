"""The results folder: what is written, what is refused, one driver at a time."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fsm_icl.results.reading import read_records
from fsm_icl.results.records import TrialEnd
from fsm_icl.sweep.file.cells import cells_of
from fsm_icl.sweep.file.load import load_sweep_file
from fsm_icl.sweep.file.planned import PlannedTrial
from fsm_icl.sweep.protocol.planner import Planner
from fsm_icl.sweep.store.store import Store, StoreError
from tests.sweep import simulate


@pytest.fixture
def planned() -> PlannedTrial:
    sweep = simulate.loaded()
    return Planner(sweep.spec, simulate.cells(sweep), {}).plans[0].searches[0].proposals[0]


def closing(outcome: str = "finished") -> TrialEnd:
    return simulate.end(outcome, 750)


def test_a_record_comes_back_as_it_was(tmp_path: Path, planned: PlannedTrial) -> None:
    with Store(tmp_path / "s") as store:
        record = store.write(planned, simulate.curve(planned), closing())
    assert read_records(tmp_path / "s") == {planned.hash: record}
    assert record.config == json.loads(planned.config.model_dump_json())


def test_the_id_is_written_once(tmp_path: Path) -> None:
    with Store(tmp_path) as first, pytest.raises(StoreError):
        Store(tmp_path)
    with Store(tmp_path) as second:
        assert first.id == second.id
    assert len(first.id) == 8


def test_a_second_driver_is_refused_with_the_firsts_pid(tmp_path: Path) -> None:
    with Store(tmp_path), pytest.raises(StoreError, match=f"in use by pid {os.getpid()} on"):
        Store(tmp_path)
    Store(tmp_path).close()


LEFT = {"failed": {"log.txt", "weights.pt"}, "pruned": set()}


@pytest.mark.parametrize("outcome", LEFT)
def test_of_an_ended_trial_only_its_log_and_weights_stay(tmp_path: Path, planned: PlannedTrial, outcome: str) -> None:
    with Store(tmp_path) as store:
        folder = tmp_path / "trials" / planned.hash
        folder.mkdir(parents=True)
        for name in ("checkpoint.pt", ".checkpoint.pt.12.tmp", "set-aside-checkpoint.pt", "log.txt", "weights.pt"):
            (folder / name).write_text("x")
        store.write(planned, [], closing(outcome))
        assert {path.name for path in folder.glob("*")} == LEFT[outcome]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [("a" * 64, "{", "Invalid JSON"), ("b" * 64, '{"format": 1}', "hash: Field required")],
)
def test_a_broken_record_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / f"{name}.json").write_text(text)
    with pytest.raises(ValueError, match=f"{name}.json: {message}"):
        read_records(tmp_path)
    with pytest.raises(StoreError, match=f"{name}.json: {message}"):
        Store(tmp_path)


def test_a_record_under_anothers_name_is_named(tmp_path: Path, planned: PlannedTrial) -> None:
    with Store(tmp_path) as store:
        store.write(planned, [], closing())
    (tmp_path / "records" / f"{planned.hash}.json").rename(tmp_path / "records" / f"{'c' * 64}.json")
    with pytest.raises(ValueError, match=f"holds the record of {planned.hash}"):
        read_records(tmp_path)


def test_sweep_yaml_runs_as_it_is(tmp_path: Path) -> None:
    sweep = simulate.loaded("search.num_trials=5")
    with Store(tmp_path) as store:
        store.write_sweep_file(sweep.spec.model_dump(mode="json", exclude_none=True))
    assert load_sweep_file(str(tmp_path / "sweep.yaml")).spec == sweep.spec


def test_cells_are_called_the_same_when_sweep_yaml_runs(tmp_path: Path) -> None:
    """A label names coordinates in the order in which the grid has them."""
    sweep = simulate.loaded("grid={arch: rnn, nonlinearity: [tanh, relu], init: identity}", "hypotheses=[]")
    with Store(tmp_path) as store:
        store.write_sweep_file(sweep.spec.model_dump(mode="json", exclude_none=True))
    again = load_sweep_file(str(tmp_path / "sweep.yaml"))
    assert [cell.label for cell in cells_of(again)] == [cell.label for cell in cells_of(sweep)]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        Store(tmp_path / "file" / "sweep")
