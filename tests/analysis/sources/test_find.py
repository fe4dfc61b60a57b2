"""One sweep from its folder, from W&B and from the logs of its W&B runs: the same table, row by row."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from analysis.__main__ import main
from analysis.sources import find, wandb_runs
from analysis.sources.packing import unpacked
from analysis.sources.sweep import Sweep, checked, load_sweep
from fsm_icl.results import records
from fsm_icl.results.records import Slice, TrialRecord
from fsm_icl.sweep.file.planned import PlannedTrial
from fsm_icl.sweep.protocol.planner import Planner
from fsm_icl.tracking.sweep_run import log_sweep
from fsm_icl.tracking.tracker import Tracker
from fsm_icl.tracking.trial_runs import TrialRuns
from tests import wandb_account
from tests.sweep import folders, simulate
from tests.wandb_double import ENTITY, Double, StoredRun, serving

pytestmark = pytest.mark.timeout(120)
CLASSES = [i % 7 for i in range(20)]


def learner(planned: PlannedTrial) -> TrialRecord:
    """A simulated trial, scored where it is a finished measure trial."""
    record = simulate.train(planned)
    if planned.place.phase == "search" or record.end.outcome != "finished":
        return record
    correct = [(planned.place.index + i) % 13 for i in range(20)]
    slices = [Slice(label="0", correct=0, total=0), Slice(label="1", correct=sum(correct), total=240)]
    test = records.TestScore(
        accuracy=sum(correct) / 240,
        loss=0.1,
        slices={"times_shown": slices, "query_step": slices},
        machine_correct=correct,
        machine_total=[12] * 20,
        machine_class=CLASSES,
    )
    return record.model_copy(update={"end": record.end.model_copy(update={"test": test})})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole sweep, logged offline."""
    folder = tmp_path_factory.mktemp("results") / "spectrum-laptop"
    sweep = simulate.loaded("search.num_trials=3", "measure.num_seeds=2")
    found = folders.write(folder, sweep, learner=learner)
    planner = Planner(sweep.spec, simulate.cells(sweep), found)
    tracker = Tracker(TrialRuns(folder, sweep.name, (folder / "id").read_text(), sweep.scale, "offline"))
    tracker.catch_up((p.tracked, found[p.hash]) for plan in planner.plans for p in plan.wanted())
    tracker.close()
    assert tracker.problem is None
    log_sweep(folder, {name: (folder / name).read_bytes() for name in ("manifest.json", "sweep.yaml")})
    return folder


@pytest.fixture(scope="module")
def double(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    """A server that a copy of the sweep was synced to."""
    copy = shutil.copytree(folder, tmp_path_factory.mktemp("copy") / folder.name, symlinks=True)
    with serving() as double:
        command = [sys.executable, "-m", "fsm_icl.cli", "sync", str(copy)]
        environment = wandb_account.environment(copy.parent / "home", double)
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=100)
        yield double


def same(one: Sweep, other: Sweep) -> None:
    pd.testing.assert_frame_equal(one.table, other.table)
    assert one.counts == other.counts
    assert one.manifest.declarations == other.manifest.declarations != []
    assert one.manifest == other.manifest
    for trial, record in one.records.items():
        at_home = record.end.model_copy(update={"node": ""})
        assert other.records[trial] == record.model_copy(update={"end": at_home})


def test_the_logs_say_what_the_folder_says(folder: Path) -> None:
    same(load_sweep(folder), checked(wandb_runs.read_logs(str(folder))))
    same(load_sweep(folder), find.find_sweep("spectrum", "laptop", f"wandb-offline:{folder / 'wandb'}"))


READ = """
import sys
from pathlib import Path
from analysis.sources import find
from analysis.sources.packing import unpacked
sweep = find.find_sweep(None, None, sys.argv[1])
sweep.table.to_pickle("table")
Path("manifest").write_text(sweep.manifest.model_dump_json())
for record in sweep.records.values():
    Path(record.hash).write_text(unpacked(record).model_dump_json())
"""


@pytest.mark.slow
def test_the_server_says_what_the_folder_says_and_is_asked_for_curves_once(
    folder: Path, double: Double, tmp_path: Path
) -> None:
    sweep_id = (folder / "id").read_text()
    command = [sys.executable, "-c", READ, f"wandb:{ENTITY}/fsm_icl/spectrum-{sweep_id}"]
    environment = wandb_account.environment(tmp_path / "home", double) | {"PYTHONPATH": os.getcwd()}
    asked = []
    for _ in range(2):
        double.operations.clear()
        subprocess.run(command, env=environment, cwd=tmp_path, check=True, timeout=100)
        asked.append(Counter(double.operations))
    here = load_sweep(folder)
    pd.testing.assert_frame_equal(pd.read_pickle(tmp_path / "table"), here.table)
    assert (tmp_path / "manifest").read_text() == here.manifest.model_dump_json()
    for trial, record in here.records.items():
        there = TrialRecord.model_validate_json((tmp_path / trial).read_text())
        kept = unpacked(record)
        assert there == kept.model_copy(update={"end": kept.end.model_copy(update={"node": ""})})
    assert asked[0]["Runs"] == asked[1]["Runs"] == 1
    assert asked[0]["HistoryPage"] == len(here.records)
    assert asked[1]["HistoryPage"] == 0
    assert not double.unknown


LIST = """
import sys
from analysis.sources import wandb_runs
runs = list(wandb_runs._listed(sys.argv[1], "big"))
assert len(runs) == 1000 and all(run.config["hash"] and run.summary["outcome"] for run in runs), len(runs)
"""


@pytest.mark.slow
def test_a_thousand_runs_are_a_handful_of_requests(double: Double, tmp_path: Path) -> None:
    some = next(run for run in double.runs.values() if "outcome" in run.summary)
    for number in range(1000):
        upserts = some.upserts | {"groupName": "big"}
        name = f"big{number}"
        double.runs[name] = StoredRun("fsm_icl", name, len(double.runs), upserts, some.history, some.summary, 0)
    double.operations.clear()
    command = [sys.executable, "-c", LIST, f"{ENTITY}/fsm_icl"]
    environment = wandb_account.environment(tmp_path / "home", double) | {"PYTHONPATH": os.getcwd()}
    subprocess.run(command, env=environment, cwd=tmp_path, check=True, timeout=100)
    assert Counter(double.operations)["Runs"] == 2
    assert len(double.operations) <= 6


def test_a_log_that_was_cut_off_reads_as_far_as_it_goes(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy", symlinks=True))
    measured = next(r.hash for r in load_sweep(folder).records.values() if r.phase == "measure")
    (log,) = copy.glob(f"wandb/offline-run-*/*{measured}.wandb")
    log.write_bytes(log.read_bytes()[:2000])
    cut = checked(wandb_runs.read_logs(str(copy)))
    assert cut.counts.missing == 1
    assert cut.table.set_index("hash").loc[measured, "outcome"] == "missing"


def test_a_trial_that_was_logged_twice_counts_by_its_last_end(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy", symlinks=True))
    (log, *_) = sorted(copy.glob("wandb/offline-run-*/run-*[0-9a-f].wandb"))
    shutil.copytree(log.parent, copy / "wandb" / "offline-run-19990101_000000-again")
    same(load_sweep(folder), checked(wandb_runs.read_logs(str(copy))))


def _error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_sources_that_are_none(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "expected wandb:ENTITY/PROJECT/GROUP" in _error(capsys, "--results", "wandb:me/fsm_icl")
    assert "no W&B runs" in _error(capsys, "--results", f"wandb-offline:{tmp_path}")
    assert "name a sweep" in _error(capsys, "--results", str(tmp_path))
    offline = f"wandb-offline:{folder}"
    assert "is spectrum laptop, not depth laptop" in _error(capsys, "depth", "--results", offline)
    trials = tmp_path / "trials"
    for log in folder.glob("wandb/offline-run-*[0-9a-f]/"):
        if not log.name.endswith("sweep"):
            shutil.copytree(log, trials / log.name)
            break
    assert "the sweep's own run is not among them" in _error(capsys, "--results", f"wandb-offline:{trials}")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("wandb:team/fsm_icl/nothing-0", "no runs of that group in team/fsm_icl"),
        ("wandb:team/elsewhere/spectrum-0", "no project team/elsewhere"),
    ],
)
@pytest.mark.slow
def test_groups_that_are_not_there(source: str, message: str, double: Double, tmp_path: Path) -> None:
    assert message in online(source, tmp_path, double)


@pytest.mark.slow
def test_what_the_server_refuses_is_said(double: Double, folder: Path, tmp_path: Path) -> None:
    group = f"wandb:team/fsm_icl/spectrum-{(folder / 'id').read_text()}"
    for operation in ("Runs", "RunHistoryKeys"):
        double.denied = {operation}
        assert f"no such operation: {operation}" in online(group, tmp_path, double)
    double.denied = set()


def test_without_an_account_it_says_what_works(tmp_path: Path) -> None:
    said = online("wandb:team/fsm_icl/spectrum-0", tmp_path, None)
    for words in ("no API key for", "run `wandb login`", "wandb-offline:FOLDER", "wandb leet"):
        assert words in said


def test_a_server_that_is_down(tmp_path: Path) -> None:
    with serving() as double:
        double.down()
        assert "does not answer" in online("wandb:team/fsm_icl/spectrum-0", tmp_path, double)


def online(source: str, tmp_path: Path, double: Double | None) -> str:
    """What the command says of a source that it refuses."""
    command = [sys.executable, "-m", "analysis", "--results", source]
    environment = wandb_account.environment(tmp_path / "home", double) | {"PYTHONPATH": os.getcwd()}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("figures"))
    return done.stderr
