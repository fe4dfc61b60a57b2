"""Claims are dated before the first trial ends, and no later change of them goes unseen."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fsm_icl.results.claims import History, histories, other_versions
from fsm_icl.results.files import as_folder
from fsm_icl.results.reading import read_manifest
from fsm_icl.results.records import sha256_of
from fsm_icl.sweep.file.load import LoadedSweep, load_sweep_file
from fsm_icl.sweep.protocol.declarations import announcements, brought_up_to_date
from fsm_icl.sweep.protocol.planner import Planner
from fsm_icl.sweep.store import lock
from fsm_icl.sweep.store.declarations import DeclarationLog
from fsm_icl.sweep.store.store import Store, StoreError
from tests.sweep import folders, simulate

SWEEP = """
question: Is simple gating enough?
task: {num_states: 3, num_actions: 3, demo_length: 12, query_length: 12, length_jitter: 0}
grid:
  - {arch: [rnn, gru, lstm], d_model: 64}
  - {arch: lstm, d_model: 32}
budget: {steps: 750}
search: {num_trials: 8, learning_rate: {log: [1e-3, 6e-2]}}
measure: {num_seeds: 6}
"""
CLAIMS: dict[str, dict[str, Any]] = {
    "gates": {"a": {"arch": "lstm", "d_model": 64}, "b": {"arch": "rnn"}, "threshold": 0.1, "family": "gates"},
    "small": {"a": {"d_model": 32}, "b": {"arch": "rnn"}, "threshold": 0.1, "family": "gates"},
    "gru": {"a": {"arch": "gru"}, "b": {"arch": "rnn"}, "threshold": 0.2, "family": "gru"},
}
NAMES = tuple(CLAIMS)
TRIALS = 56


@pytest.fixture(autouse=True)
def sweep_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(SWEEP)


def loaded(*sets: str, without: str = "", **edits: dict[str, object]) -> LoadedSweep:
    """The sweep, some of its claims edited."""
    claims = [
        {"name": name, "claim": f"{name} help"} | said | edits.get(name, {})
        for name, said in CLAIMS.items()
        if name != without
    ]
    return load_sweep_file("mine.yaml", None, [f"hypotheses={json.dumps(claims)}", *sets])


def log_of(folder: Path) -> DeclarationLog:
    log = DeclarationLog.read(folder)
    assert log is not None
    return log


def told(folder: Path) -> dict[str, History]:
    """What analysis is told of each claim, from the manifest."""
    manifest = read_manifest(folder)
    return {h.hypothesis.name: h for h in histories(manifest.hypotheses, manifest.declarations)}


def test_claims_are_hashed_and_dated_before_the_first_trial_ends(tmp_path: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    folders.write(tmp_path, loaded(), stop_after=0)
    log = log_of(tmp_path)
    assert tuple(d.content["hypothesis"]["name"] for d in log.declarations) == NAMES
    for declaration in log.declarations:
        assert declaration.hash == sha256_of(declaration.content)
        assert declaration.declared is not None
        assert before <= declaration.declared.at <= datetime.now(UTC)
        assert (declaration.declared.ended, declaration.declared.asked) == (0, TRIALS)
    assert all(history.sound for history in told(tmp_path).values())


def test_an_object_store_keeps_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "SETTLE_SECONDS", 0.0)
    folder = as_folder(f"memory://{uuid.uuid4().hex}/mine-default")
    for threshold in (0.1, 0.05):
        sweep = loaded(gates={"threshold": threshold})
        with Store(folder) as store:
            planner = Planner(sweep.spec, simulate.cells(sweep), store.records)
            store.declare(brought_up_to_date(store.declarations, folder, sweep, planner))
    log = DeclarationLog.read(folder)
    assert log is not None
    assert [d.withdrawn is not None for d in log.declarations] == [True, False, False, False]


def test_going_on_with_the_same_file_changes_nothing(tmp_path: Path) -> None:
    folders.write(tmp_path, loaded(), stop_after=20)
    first = (tmp_path / "declarations.json").read_bytes()
    folders.write(tmp_path, loaded("search.window=2", "resources.cpus_per_trial=1"))
    assert (tmp_path / "declarations.json").read_bytes() == first
    assert {h.text for h in told(tmp_path).values()} == {"declared before the first trial ended"}


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"threshold": 0.05}, "threshold 0.1 -> 0.05"),
        ({"claim": "Gates matter"}, "its wording"),
        ({"direction": "less"}, "direction greater -> less"),
        ({"family": "other"}, "family gates -> other"),
        ({"metric": "success_rate"}, "metric test/accuracy -> success_rate"),
        ({"a": {"arch": "gru"}}, "a lstm-d64-L1 -> gru-d64-L1"),
    ],
)
def test_a_claim_changed_later_is_marked_and_the_old_one_stays(
    tmp_path: Path, fields: dict[str, object], what: str
) -> None:
    folders.write(tmp_path, loaded(), stop_after=24)
    folders.write(tmp_path, loaded(gates=fields))
    found = told(tmp_path)
    assert found["gates"].text == f"added after 24 of 56 trials had ended (changed: {what})"
    assert [name for name, history in found.items() if not history.sound] == ["gates"]
    old = log_of(tmp_path).declarations[0]
    assert (old.content["hypothesis"]["threshold"], old.hash) == (0.1, sha256_of(old.content))
    assert old.withdrawn is not None
    assert (old.withdrawn.ended, old.withdrawn.asked) == (24, 56)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("success_margin=0.05", "success_margin 0.02 -> 0.05"),
        ("seed=1", "the sweep's seed 0 -> 1"),
        ("search.num_trials=9", "how hyperparameters are searched"),
        ("search.learning_rate={log: [1e-3, 1e-2]}", "how hyperparameters are searched"),
        ("budget.steps=1500", "task, model, optimizer or budget"),
    ],
)
def test_what_decides_a_verdict_is_part_of_the_claim(tmp_path: Path, change: str, what: str) -> None:
    folders.write(tmp_path, loaded())
    folders.write(tmp_path, loaded(change), stop_after=0)
    assert {h.text for h in told(tmp_path).values()} == {f"added after 56 of 56 trials had ended (changed: {what})"}


def test_how_cells_are_called_is_no_part_of_the_claim(tmp_path: Path) -> None:
    """A label follows the order of keys in the grid: turning that round changes no cell."""
    before = "grid=[{arch: [rnn, gru, lstm], d_model: 64, dropout: 0, precision: float32}, {arch: lstm, d_model: 32}]"
    after = "grid=[{precision: float32, dropout: 0, arch: [rnn, gru, lstm], d_model: 64}, {arch: lstm, d_model: 32}]"
    folders.write(tmp_path, loaded(before))
    folders.write(tmp_path, loaded(after))
    labels = read_manifest(tmp_path).hypotheses[0].cells
    assert labels == {"a": "lstm-d64-L1-precision=float32-dropout=0", "b": "rnn-d64-L1-precision=float32-dropout=0"}
    assert len(log_of(tmp_path).declarations) == 3
    assert all(history.sound for history in told(tmp_path).values())


def test_a_claim_added_later_is_marked_also_where_there_was_none(tmp_path: Path) -> None:
    folders.write(tmp_path, loaded("hypotheses=[]"))
    assert log_of(tmp_path).declarations == ()
    folders.write(tmp_path, loaded())
    assert {h.text for h in told(tmp_path).values()} == {"added after 56 of 56 trials had ended"}


def test_what_ended_under_another_file_counts_as_ended(tmp_path: Path) -> None:
    """Else a change of the seed, stopped at once, would hide that all results of the first seed were there."""
    folders.write(tmp_path, loaded())
    folders.write(tmp_path, loaded("seed=1"), stop_after=0)
    folders.write(tmp_path, loaded(gates={"threshold": 0.05}), stop_after=0)
    assert told(tmp_path)["gates"].text.startswith("added after 56 of 112 trials had ended")


def test_a_withdrawn_claim_stays_and_one_that_comes_back_is_marked(tmp_path: Path) -> None:
    folders.write(tmp_path, loaded(), stop_after=24)
    folders.write(tmp_path, loaded("hypotheses=[]"), stop_after=1)
    assert told(tmp_path) == {}
    gone = log_of(tmp_path).declarations
    assert [d.withdrawn.ended for d in gone if d.withdrawn] == [24] * 3
    folders.write(tmp_path, loaded())
    assert {h.text for h in told(tmp_path).values()} == {"withdrawn, and added again after 25 of 56 trials had ended"}
    assert log_of(tmp_path).declarations[:3] == gone


def test_a_change_before_the_first_trial_ended_is_sound_and_counted(tmp_path: Path) -> None:
    folders.write(tmp_path, loaded(), stop_after=0)
    folders.write(tmp_path, loaded(gates={"threshold": 0.05}))
    assert told(tmp_path)["gates"].sound
    assert len(other_versions(read_manifest(tmp_path), "gates")) == 1
    assert len(other_versions(read_manifest(tmp_path), "gru")) == 0


def test_a_family_counts_each_version_once(tmp_path: Path) -> None:
    for threshold in (0.1, 0.05, 0.1, 0.02):
        folders.write(tmp_path, loaded(gates={"threshold": threshold}), stop_after=4)
    assert len(log_of(tmp_path).declarations) == 3 + 3
    assert len(other_versions(read_manifest(tmp_path), "gates")) == 2


def test_seeds_raised_after_a_verdict_are_said_with_each_raise(tmp_path: Path) -> None:
    folders.write(tmp_path, loaded())
    folders.write(tmp_path, loaded("measure.num_seeds=8"))
    folders.write(tmp_path, loaded("measure.num_seeds=10"))
    text = (
        "seeds were raised from 6 to 8 after 56 of 56 trials had ended; "
        "seeds were raised from 8 to 10 after 64 of 64 trials had ended"
    )
    assert {(h.timing, h.text) for h in told(tmp_path).values()} == {("seeds changed", text)}


def test_seeds_raised_before_any_of_the_compared_cells_was_measured_are_no_second_look(tmp_path: Path) -> None:
    folders.write(tmp_path, loaded(), stop_after=8)
    folders.write(tmp_path, loaded("measure.num_seeds=10"))
    assert all(history.sound for history in told(tmp_path).values())
    folders.write(tmp_path, loaded("measure.num_seeds=10", gates={"threshold": 0.05}))
    folders.write(tmp_path, loaded("measure.num_seeds=12", gates={"threshold": 0.05}))
    text = told(tmp_path)["gates"].text
    assert text == (
        "added after 72 of 72 trials had ended (changed: threshold 0.1 -> 0.05); "
        "seeds were raised from 10 to 12 after 72 of 72 trials had ended"
    )


def forget_dates(folder: Path) -> None:
    """Make the folder one of an earlier version."""
    (folder / "declarations.json").unlink()
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["declarations"]
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_claims_of_an_earlier_version_were_declared_at_an_unknown_time(tmp_path: Path) -> None:
    folders.write(tmp_path, loaded())
    forget_dates(tmp_path)
    assert {h.timing for h in told(tmp_path).values()} == {"unknown"}
    folders.write(tmp_path, loaded(gates={"threshold": 0.05}))
    timings = {name: h.timing for name, h in told(tmp_path).items()}
    assert timings == dict.fromkeys(NAMES, "unknown") | {"gates": "later"}


def test_an_earlier_versions_folder_without_trials_is_like_a_new_one(tmp_path: Path) -> None:
    folders.write(tmp_path, loaded(), stop_after=0)
    forget_dates(tmp_path)
    folders.write(tmp_path, loaded())
    assert all(history.sound for history in told(tmp_path).values())


def test_a_manifest_or_declaration_that_was_edited_is_not_what_was_declared(tmp_path: Path) -> None:
    folders.write(tmp_path, loaded())
    manifest = read_manifest(tmp_path)
    first = manifest.hypotheses[0].model_copy(update={"threshold": 0.05})
    (edit, *_) = histories([first], manifest.declarations)
    assert (edit.timing, edit.text) == ("unlike", "not what was declared")
    content = manifest.declarations[0].content | {"hypothesis": first.model_dump()}
    forged = [manifest.declarations[0].model_copy(update={"content": content}), *manifest.declarations[1:]]
    (edit, *_) = histories([first], forged)
    assert (edit.timing, edit.text) == ("unlike", "not what was declared: its hash does not fit it")


def test_the_next_run_says_beforehand_what_it_will_mark(tmp_path: Path) -> None:
    folders.write(tmp_path, loaded(), stop_after=24)
    sweep = loaded(gates={"threshold": 0.05}, without="gru")
    with Store(tmp_path) as store:
        planner = Planner(sweep.spec, simulate.cells(sweep), store.records)
        log = store.declarations
        after = brought_up_to_date(log, tmp_path, sweep, planner)
        assert announcements(log, after) == [
            "gates: added after 24 of 56 trials had ended (changed: threshold 0.1 -> 0.05)",
            "gru: withdrawn after 24 of 56 trials had ended",
        ]
        assert announcements(after, after) == []
        assert log == log_of(tmp_path)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "declarations.json: Invalid JSON"),
        (
            '{"declarations": [{"content": {}, "cells": {}, "hash": "%s", "declared": null}]}' % ("0" * 64),
            "content.hypothesis",
        ),
        ('{"declarations": 3}', "declarations.json: declarations: Input should be a valid array"),
    ],
)
def test_a_broken_file_stops_the_driver_with_its_name(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "declarations.json").write_text(text)
    with pytest.raises(StoreError, match=r"declarations\.json") as refused:
        Store(tmp_path)
    assert what in str(refused.value)
