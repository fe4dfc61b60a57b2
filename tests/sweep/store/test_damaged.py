"""Folders that something else than a driver wrote into: told in a line that names the file, or mended."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fsm_icl.cli import app as cli
from fsm_icl.results.reading import read_records
from fsm_icl.sweep.store.lock import LockedError, lock
from fsm_icl.sweep.store.own_records import read_own_records
from fsm_icl.sweep.store.store import Store, StoreError
from tests.sweep import folders, simulate

Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one ended sweep."""
    results = tmp_path_factory.mktemp("whole")
    folders.write(results / "spectrum-laptop", simulate.loaded())
    return results


@pytest.fixture
def results(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "results"))


@pytest.fixture(autouse=True)
def never_for_ever() -> Iterator[None]:
    """A reader that hangs fails at once."""
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it hangs"))
    signal.alarm(50)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def a_record(results: Path, phase: str = "search", outcome: str = "finished") -> Path:
    for path in sorted((results / "spectrum-laptop" / "records").glob("*.json")):
        plain = json.loads(path.read_text())
        if plain["config"]["phase"] == phase and plain["end"]["outcome"] == outcome:
            return path
    raise AssertionError("no such record")


def edit(path: Path, change: Change) -> None:
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain))


def said(results: Path, *arguments: str, code: int = 2) -> str:
    done = CliRunner().invoke(cli, [*arguments, "--scale", "laptop", "--results", str(results)])
    assert done.exit_code == code, (done.output, done.exception)
    return " ".join((done.output + done.stderr).split())


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


IMPOSSIBLE: dict[str, tuple[Change, str]] = {
    "another learning rate": (
        lambda r: r["config"]["optimizer"].update(learning_rate=0.5),
        r"config: its hash is [0-9a-f]{12}\.\.\., so it was changed",
    ),
    "another seed": (lambda r: r["config"].update(seed=r["config"]["seed"] + 1), "config: its hash is"),
    "accuracy above 1": (lambda r: r["reports"][0]["metrics"].update({"val/accuracy": 1.5}), "reports.0.*1.5"),
    "negative loss": (lambda r: r["reports"][0]["metrics"].update({"val/loss": -0.1}), "reports.0.*-0.1"),
    "a report twice": (lambda r: r["reports"].insert(1, r["reports"][0]), "step 30 comes after step 30"),
    "reports reversed": (lambda r: r["reports"].reverse(), "reports: step 720 comes after step 750"),
    "a report missing": (lambda r: r["reports"].pop(3), "reports: none at step 120"),
    "the last report missing": (lambda r: r["reports"].pop(), "reports: none at step 750"),
    "no reports": (lambda r: r["reports"].clear(), "reports: none at step 30"),
    "a report between": (lambda r: r["reports"][0].update(step=29), "reports: none at step 30"),
    "beyond the budget": (lambda r: r["end"].update(steps=780), "end.steps: 780, more than the budget of 750"),
    "short of the budget": (lambda r: r["end"].update(steps=700), "reports: the last is at step 750"),
    "a number as text": (lambda r: r["end"].update(steps="750"), "end.steps: Input should be a valid integer"),
    "an accuracy as text": (
        lambda r: r["reports"][0]["metrics"].update({"val/accuracy": "0.5"}),
        "reports.0.metrics.val/accuracy: Input should be a valid number",
    ),
    "no phase": (lambda r: r["config"].pop("phase"), "config.phase: expected search or measure, found None"),
    "no seed": (lambda r: r["config"].pop("seed"), "config.seed: expected a whole number, found None"),
    "no model": (lambda r: r["config"].pop("model"), "config.model: expected its settings, found None"),
    "a model of another kind": (lambda r: r["config"].update(model="gru"), "config.model: expected its settings"),
    "a task of another kind": (lambda r: r["config"].update(task=[1]), "config.task: Input should be a valid dict"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_record_that_cannot_be_true_is_refused_by_name(results: Path, name: str) -> None:
    change, message = IMPOSSIBLE[name]
    path = a_record(results)
    edit(path, change)
    before = tree(results)
    with pytest.raises(ValueError, match=message) as caught:
        read_own_records(results / "spectrum-laptop")
    assert str(path) in str(caught.value)
    with pytest.raises(StoreError, match=message):
        Store(results / "spectrum-laptop")
    assert path.name in said(results, "tune", "spectrum", "--plan").replace(" ", "")
    after = tree(results)
    after.pop(str(results / "spectrum-laptop" / "lock"), None)
    before.pop(str(results / "spectrum-laptop" / "lock"), None)
    assert after == before


def test_a_search_trial_with_a_test_score_is_refused(results: Path) -> None:
    score = {"accuracy": 0.5, "loss": 1.0, "by_query_step": [], "by_times_shown": []}
    lists = {"machine_correct": [3], "machine_total": [2], "machine_class": [0]}
    edit(a_record(results), lambda r: r["end"].update(test=score | lists))
    with pytest.raises(ValueError, match=r"end\.test: is there, though only measure trials that finished"):
        read_records(results / "spectrum-laptop")
    shutil.rmtree(results)


def test_more_correct_than_there_are_is_refused(results: Path) -> None:
    score = {"accuracy": 0.5, "loss": 1.0, "by_query_step": [], "by_times_shown": []}
    lists = {"machine_correct": [3], "machine_total": [2], "machine_class": [0]}
    edit(a_record(results, "measure"), lambda r: r["end"].update(test=score | lists))
    with pytest.raises(ValueError, match=r"end\.test\.machine_correct: 3 correct of 2"):
        read_records(results / "spectrum-laptop")


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text(path.read_text()[:500]),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text(""),
        lambda path: path.write_bytes(b"\xff"),
        lambda path: edit(path, lambda manifest: manifest.update(sweep="depth")),
        lambda path: edit(path, lambda manifest: manifest.update(scale="paper")),
        lambda path: path.unlink(),
    ],
)
def test_the_records_decide_whose_folder_it_is(results: Path, damage: Callable[[Path], Any]) -> None:
    damage(results / "spectrum-laptop" / "manifest.json")
    plan = said(results, "tune", "spectrum", "--plan", code=0)
    assert f"{results}/spectrum-laptop: ".replace(" ", "") in plan.replace(" ", "")
    assert "spectrum-laptop-2" not in plan
    assert "about 0.0 minutes" in plan


def test_where_nothing_decides_it_is_an_error_that_names_the_file(results: Path) -> None:
    folder = results / "spectrum-laptop"
    (folder / "manifest.json").write_text("[]")
    for path in (folder / "records").iterdir():
        path.unlink()
    message = said(results, "tune", "spectrum", "--plan")
    assert f"{folder}/manifest.json".replace(" ", "") in message.replace(" ", "")
    assert "nothing tells whose folder this is" in message


def test_a_manifest_that_is_a_folder_is_named(results: Path) -> None:
    (results / "spectrum-laptop" / "manifest.json").unlink()
    (results / "spectrum-laptop" / "manifest.json").mkdir()
    assert "manifest.json: is a folder; move it away" in said(results, "tune", "spectrum", "--plan")


def test_another_sweeps_folder_is_left_alone(results: Path) -> None:
    folder = results / "spectrum-laptop"
    edit(folder / "manifest.json", lambda manifest: manifest.update(sweep="spectrum-laptop", scale="2"))
    for path in (folder / "records").iterdir():
        path.unlink()
    plan = said(results, "tune", "spectrum", "--plan", code=0)
    assert "spectrum-laptop-2: 0 of" in plan


def test_records_that_are_a_file_are_named(results: Path) -> None:
    folder = results / "spectrum-laptop"
    shutil.rmtree(folder / "records")
    (folder / "records").write_text("")
    for command in (["tune", "spectrum", "--plan"], ["status", "spectrum"]):
        assert "records: is a file; expected the folder" in said(results, *command)


@pytest.mark.parametrize("name", ["records/0.json", "lock", "id", "manifest.json", "declarations.json"])
def test_a_pipe_hangs_nobody(results: Path, name: str) -> None:
    path = results / "spectrum-laptop" / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    planned = name in ("lock", "id", "manifest.json")  # the records decide, and a manifest is written anew
    assert ("is a pipe" in said(results, "tune", "spectrum", "--plan", code=0 if planned else 2)) != planned
    said(results, "status", "spectrum", code=0 if name in ("lock", "id", "declarations.json") else 2)
    if name == "manifest.json":
        Store(results / "spectrum-laptop").close()
        return
    with pytest.raises(StoreError, match=r"is no file|is a pipe"):
        Store(results / "spectrum-laptop")


def test_a_folder_that_lost_its_id_says_so(results: Path) -> None:
    folder = results / "spectrum-laptop"
    known = (folder / "id").read_text()
    (folder / "id").unlink()
    with pytest.raises(StoreError, match=rf"id: is missing, though a driver has been here; write {known} into it"):
        Store(folder)
    assert not (folder / "id").exists()


def test_left_overs_of_writers_that_died_are_removed_at_the_next_start(results: Path) -> None:
    folder = results / "spectrum-laptop"
    trial = a_record(results).stem
    unfinished = folder / "trials" / ("0" * 64)
    for path in (folder / "trials" / trial, unfinished):
        path.mkdir(parents=True, exist_ok=True)
        (path / "checkpoint.pt").touch()
        os.utime(path / "checkpoint.pt", (1, 1))
        (path / ".checkpoint.pt.abc.tmp").touch()
    for name in (".manifest.json.1.tmp", "records/.x.json.2.tmp", "probe-host-1"):
        (folder / name).touch()
    Store(folder).close()
    assert list(folder.rglob("*.tmp")) == []
    assert list(folder.glob("probe-*")) == []
    assert list(folder.rglob("checkpoint.pt")) == [unfinished / "checkpoint.pt"]


def test_a_checkpoint_that_is_newer_than_its_record_stays(results: Path) -> None:
    """Of a pruned trial that the present rule lets run on."""
    folder = results / "spectrum-laptop"
    path = folder / "trials" / a_record(results, outcome="pruned").stem / "checkpoint.pt"
    path.parent.mkdir(parents=True)
    path.touch()
    os.utime(path, (2**32, 2**32))
    Store(folder).close()
    assert path.exists()


def test_a_lock_file_that_someone_removed_lets_no_second_driver_in(tmp_path: Path) -> None:
    first = lock(tmp_path)
    (tmp_path / "lock").unlink()
    with pytest.raises(LockedError):
        lock(tmp_path)
    first.close()
    lock(tmp_path).close()
