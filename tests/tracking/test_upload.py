"""fsm-icl sync and the sweep's own run, against a server on loopback; in processes, as a user runs them."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from fsm_icl.results.files import as_folder, write_atomically
from fsm_icl.results.reading import read_manifest, read_records
from fsm_icl.sweep.examine.backlog import send
from fsm_icl.sweep.file.load import load_sweep_file
from fsm_icl.sweep.protocol.planner import Planner
from fsm_icl.tracking.account import Destination
from fsm_icl.tracking.sweep_run import log_sweep
from fsm_icl.tracking.tracker import Tracker
from fsm_icl.tracking.trial_runs import TrialRuns
from fsm_icl.tracking.upload import upload_logs as upload
from tests import wandb_account
from tests.sweep import folders, simulate
from tests.wandb_double import Double, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def png() -> bytes:
    stream = io.BytesIO()
    Image.new("L", (2, 2)).save(stream, format="PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep's folder with six trials logged offline, one of them interrupted, and the sweep's own run."""
    folder = tmp_path_factory.mktemp("results") / "spectrum-laptop"
    sweep = simulate.loaded()
    records = dict(folders.write(folder, sweep, stop_after=5))
    planner = Planner(sweep.spec, simulate.cells(sweep), records)
    tracker = Tracker(TrialRuns(folder, "spectrum", (folder / "id").read_text(), "laptop", "offline"))
    tracker.catch_up((p.tracked, records[p.hash]) for plan in planner.plans for p in plan.wanted() if p.hash in records)
    planned = planner.next(set())
    assert planned is not None
    tracker.report(planned.tracked, simulate.train(planned).reports[0])
    tracker.close()
    assert tracker.problem is None
    files = {name: (folder / name).read_bytes() for name in ("manifest.json", "sweep.yaml")}
    log_sweep(folder, files | {"spectrum.png": png(), "trials.csv": b"cell,n\na,1\nb,\n", "report.md": b"# Well\n"})
    return folder


@pytest.fixture
def folder(logged: Path, tmp_path: Path) -> Path:
    """Its copy."""
    return Path(shutil.copytree(logged, tmp_path / "spectrum-laptop", symlinks=True))


def sync(
    folder: Path, double: Double | None, *options: str, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fsm_icl.cli", "sync", str(folder), *options]
    environment = wandb_account.environment(folder.parent / "home", double) | dict(variables or {})
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)


def test_everything_arrives_once_and_nothing_says_where_it_came_from(logged: Path, folder: Path) -> None:
    with serving() as double:
        first = sync(folder, double)
        assert first.returncode == 0, first.stdout + first.stderr
        rest = "1 of trials that have not ended (the sweep's next run logs them)"
        assert first.stdout == f"6 runs sent, 0 were there, 0 left, {rest}\n"
        before = {name: (run.history, run.summary) for name, run in double.runs.items()}
        assert sync(folder, double).stdout == f"0 runs sent, 6 were there, 0 left, {rest}\n"
        assert {name: (run.history, run.summary) for name, run in double.runs.items()} == before
        sweep_id = (folder / "id").read_text()
        for trial, record in read_records(folder).items():
            run = double.runs[f"{sweep_id}-{trial}"]
            assert [row["step"] for row in run.rows()] == [report.step for report in record.reports]
            assert json.loads(run.summary)["outcome"] == record.end.outcome
        assert not double.unknown
    for place in (str(logged), str(folder), str(Path(__file__).parents[2]), sys.prefix):
        assert not [request[:2000] for request in double.traffic if place.encode() in request]


def test_the_sweeps_own_run_carries_files_tables_and_images(folder: Path) -> None:
    with serving() as double:
        assert sync(folder, double).returncode == 0
        sweep_id = (folder / "id").read_text()
        run = double.runs[f"{sweep_id}-sweep"]
        assert run.upserts["jobType"] == "sweep"
        assert run.upserts["notes"] == "# Well\n"
        assert json.loads(run.config["manifest"])["id"] == sweep_id
        row = run.rows()[-1]
        assert row["figures/spectrum"]["_type"] == "image-file"
        assert row["tables/trials"]["nrows"] == 2
        (artifact,) = (key for key, a in double.artifacts.items() if a["artifactTypeName"] == "sweep")
        assert double.artifacts[artifact]["state"] == "COMMITTED"
        held = {path.split("/")[1] for path in double.files if path.startswith(f"{artifact}/")}
        assert held >= {"manifest.json", "sweep.yaml", "spectrum.png", "trials.csv", "report.md"}
        assert double.files[f"{artifact}/trials.csv"] == b"cell,n\na,1\nb,\n"


LONG = """
question: long labels
task: {num_states: 3, num_actions: 3, demo_length: 4, query_length: 4, length_jitter: 0, val_machines: 8,
  test_machines: 8, num_demos: 1}
grid: {arch: rnn, nonlinearity: tanh, d_model: [4, 8], optimizer.weight_decay: 0.0123, optimizer.clip_norm: 1.25,
  optimizer.beta2: 0.98, budget.batch_size: 4}
budget: {steps: 10, batch_size: 4, report_every: 1}
optimizer: {warmup: 0}
search: {num_trials: 1, learning_rate: {log: [1e-3, 6e-2]}}
measure: {num_seeds: 1}
"""


@pytest.mark.parametrize("name", ["two words, and (more)", "x" * 140])
def test_names_that_are_long_or_strange_are_made_to_fit(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.yaml").write_text(LONG)
    sweep = load_sweep_file(str(tmp_path / f"{name}.yaml"), None, [])
    folder = tmp_path / "sweep"
    records = folders.write(folder, sweep)
    planner = Planner(sweep.spec, simulate.cells(sweep), records)
    labels = {plan.cell.label for plan in planner.plans}
    assert all(len(label) > 64 for label in labels)
    tracker = Tracker(TrialRuns(folder, sweep.name, (folder / "id").read_text(), sweep.scale, "offline"))
    tracker.catch_up((p.tracked, records[p.hash]) for plan in planner.plans for p in plan.wanted())
    tracker.close()
    assert tracker.problem is None
    log_sweep(folder, {name: (folder / name).read_bytes() for name in ("manifest.json", "sweep.yaml")})
    with serving() as double:
        done = sync(folder, double)
        assert done.stdout == f"{len(records) + 1} runs sent, 0 were there, 0 left\n"
        assert not double.refused
        runs = [run for run in double.runs.values() if "hash" in run.config]
        assert {run.config["cell"] for run in runs} == labels
        assert len({run.upserts["tags"][0] for run in runs}) == 2
        (artifact,) = (a for a in double.artifacts.values() if a["artifactTypeName"] == "sweep")
        assert artifact["state"] == "COMMITTED"


def test_what_fails_is_left_and_goes_with_the_next_call(folder: Path) -> None:
    with serving() as double:
        double.down()
        down = sync(folder, double)
        assert down.returncode == 1
        assert "0 runs sent, 0 were there, 6 left, 1 of trials" in down.stdout
        assert f"{double.url} does not answer in 3 s" in down.stdout
        double.up()
        assert sync(folder, double).returncode == 0


def test_without_a_key_it_says_what_to_do(folder: Path) -> None:
    done = sync(folder, None)
    assert done.returncode == 1
    assert "no API key" in done.stdout
    assert "run `wandb login`" in done.stdout


def test_a_sweep_without_logs_is_refused(tmp_path: Path) -> None:
    folders.write(tmp_path / "s", simulate.loaded(), stop_after=1)
    done = sync(tmp_path / "s", None)
    assert done.returncode == 2
    assert "no W&B logs; run the sweep with --wandb offline" in done.stderr


def test_the_sweeps_own_run_is_replaced_only_where_it_has_changed(folder: Path) -> None:
    content = folder / "wandb" / "sweep"
    files = {path.name: path.read_bytes() for path in content.iterdir()}
    (before,) = folder.glob("wandb/offline-run-*-sweep")
    assert log_sweep(folder, files) == [before]
    (after,) = log_sweep(folder, files | {"trials.csv": b"cell\nc\n"})
    assert after != before
    assert not before.exists()
    assert (content / "trials.csv").read_bytes() == b"cell\nc\n"


def unmarked(folder: Path) -> None:
    """Leave the logs alone, as somebody copies them."""
    for path in (*folder.glob("wandb/*.done"), folder / "wandb" / "sweep.complete"):
        path.unlink()


def test_logs_that_were_copied_without_markers_are_sent(folder: Path) -> None:
    unmarked(folder)
    with serving() as double:
        assert sync(folder, double).stdout.startswith("6 runs sent, 0 were there, 0 left, 1 of trials that have not")
        assert sync(folder, double).stdout.startswith("0 runs sent, 6 were there, 0 left")
        assert len(double.runs) == 6


def test_what_has_no_log_is_made_from_its_record(folder: Path) -> None:
    """As `fetch` brings a sweep home: its records, and no `wandb/` of the machine that it ran on."""
    shutil.rmtree(folder / "wandb")
    with serving() as double:
        assert sync(folder, double).stdout == "6 runs sent, 0 were there, 0 left\n"
        assert sync(folder, double).stdout == "0 runs sent, 6 were there, 0 left\n"
        sweep_id = (folder / "id").read_text()
        for trial, record in read_records(folder).items():
            rows = double.runs[f"{sweep_id}-{trial}"].rows()
            assert [row["step"] for row in rows] == [report.step for report in record.reports]
        assert f"{sweep_id}-sweep" in double.runs


def test_what_cannot_be_made_now_is_left(folder: Path) -> None:
    """Where all is there, nobody asks for a server or a key."""
    with serving() as double:
        assert sync(folder, double).returncode == 0
    done = sync(folder, None)
    assert (done.returncode, done.stdout[:47]) == (0, "0 runs sent, 6 were there, 0 left, 1 of trials ")
    lost = next(path for path in folder.glob("wandb/*.done"))
    for log in folder.glob(f"wandb/*run-*-{lost.stem}"):
        shutil.rmtree(log)
    lost.unlink()
    done = sync(folder, None)
    assert done.returncode == 1
    assert done.stdout.startswith("0 runs sent, 5 were there, 1 left")
    assert "no API key" in done.stdout


def test_what_another_machine_has_sent_is_not_sent_again(folder: Path, tmp_path: Path) -> None:
    """Markers go with the results, logs do not."""
    with serving() as double:
        assert sync(folder, double).returncode == 0
        before = {name: list(run.history) for name, run in double.runs.items()}
        for log in folder.glob("wandb/*run-*"):
            shutil.rmtree(log) if not log.is_symlink() else log.unlink()
        assert sync(folder, double).stdout == "0 runs sent, 6 were there, 0 left\n"
        assert {name: list(run.history) for name, run in double.runs.items()} == before


def test_markers_of_another_sweep_hide_no_trial(folder: Path, tmp_path: Path) -> None:
    (folder / "id").write_text("fedcba98")
    manifest = read_manifest(folder).model_copy(update={"id": "fedcba98"})
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    with serving() as double:
        assert sync(folder, double).returncode == 0
        ours = {name for name in double.runs if name.startswith("fedcba98-")}
        assert ours == {f"fedcba98-{trial}" for trial in (*read_records(folder), "sweep")}


@pytest.mark.parametrize("refuses", ["CreateArtifact", "CommitArtifact", "storage", "file_stream"])
def test_what_is_refused_is_told_and_sent_by_the_next_call(folder: Path, refuses: str) -> None:
    with serving() as double:
        if refuses == "storage":
            double.storage_refuses = True
        else:
            double.refusals[refuses] = "storage quota exceeded"
        done = sync(folder, double)
        assert done.returncode == 1
        why = "the storage is full" if refuses == "storage" else "storage quota exceeded"
        left = 6 if refuses in ("storage", "file_stream") else 1
        assert f"{6 - left} runs sent, 0 were there, {left} left" in done.stdout
        assert f"W&B did not take all of it: {why}; the same command goes on from there" in done.stdout
        double.storage_refuses = False
        double.refusals.clear()
        done = sync(folder, double)
        assert done.returncode == 0, done.stdout
        there = {a["artifactCollectionName"] for a in double.artifacts.values() if a["state"] == "COMMITTED"}
        assert there == {artifact["artifactCollectionName"] for artifact in double.artifacts.values()}


def test_a_revoked_key_is_told(folder: Path) -> None:
    with serving() as double:
        double.revoked = True
        done = sync(folder, double)
        assert done.returncode == 1
        assert "6 left" in done.stdout
        assert "user is not logged in; see to the API key with `wandb login`" in done.stdout
        assert "Traceback" not in done.stderr


def test_a_slow_server_that_makes_progress_is_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs longer for any one run than anybody waits for a server that does nothing."""
    with serving() as double:
        for name, value in wandb_account.environment(folder.parent / "home", double).items():
            monkeypatch.setenv(name, value)
        double.delay = 3.5
        began = time.monotonic()
        done = upload(folder, lambda *_: None, patience=12)
        assert time.monotonic() - began > 12
        assert (done.sent, done.left, done.problem) == (6, 0, None)


@pytest.mark.parametrize(
    ("options", "variables", "place"),
    [
        ((), {"WANDB_MODE": "disabled", "WANDB_SWEEP_ID": "s1", "WANDB_DIR": "/nowhere"}, ("fsm_icl", "team")),
        ((), {"WANDB_ENTITY": "us", "WANDB_PROJECT": "ours"}, ("ours", "us")),
        (("--wandb-entity", "me", "--wandb-project", "mine"), {"WANDB_ENTITY": "us"}, ("mine", "me")),
    ],
)
def test_runs_go_where_options_or_variables_say(
    folder: Path, options: tuple[str, ...], variables: dict[str, str], place: tuple[str, str]
) -> None:
    with serving() as double:
        done = sync(folder, double, *options, variables=variables)
        assert done.returncode == 0, done.stdout + done.stderr
        assert {(run.project, run.upserts.get("entity") or "team") for run in double.runs.values()} == {place}


def test_half_of_a_run_is_logged_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a crash in the middle of the sweep's own run, the files are there and its log is not whole."""
    content = folder / "wandb" / "sweep"
    files = {path.name: path.read_bytes() for path in content.iterdir()}
    broken = files | {"trials.csv": b"\x00\xff,"}
    with pytest.raises(OSError, match=r"\w"):
        log_sweep(folder, broken)
    assert not list(folder.glob("wandb/*run-*-sweep"))
    (log,) = log_sweep(folder, files)
    (folder / "wandb" / "sweep.complete").unlink()
    (again,) = log_sweep(folder, files)
    assert again != log


def test_a_sweep_that_was_told_where_to_log_goes_there(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    sweep = simulate.loaded()
    records = folders.write(folder, sweep, stop_after=2)
    planner = Planner(sweep.spec, simulate.cells(sweep), records)
    there = Destination("us", "ours")
    tracker = Tracker(TrialRuns(folder, "spectrum", (folder / "id").read_text(), "laptop", "offline", to=there))
    tracker.catch_up((p.tracked, records[p.hash]) for plan in planner.plans for p in plan.wanted() if p.hash in records)
    tracker.close()
    assert tracker.problem is None
    log_sweep(folder, {name: (folder / name).read_bytes() for name in ("manifest.json", "sweep.yaml")}, there)
    with serving() as double:
        done = sync(folder, double, variables={"WANDB_ENTITY": "them", "WANDB_PROJECT": "theirs"})
        assert done.stdout == "3 runs sent, 0 were there, 0 left\n"
        assert {(run.project, run.upserts["entity"]) for run in double.runs.values()} == {("ours", "us")}


def test_results_in_a_bucket_are_sent_from_any_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = as_folder("memory://bucket/results/spectrum-laptop")
    for path in (*folder.glob("*.*"), folder / "id", *folder.glob("records/*")):
        write_atomically(bucket / str(path.relative_to(folder)), path.read_bytes())
    manifest = read_manifest(bucket)
    files = {name: (folder / name).read_bytes() for name in ("manifest.json", "sweep.yaml")}
    with serving() as double:
        for name, value in wandb_account.environment(tmp_path / "home", double).items():
            monkeypatch.setenv(name, value)
        for working in ("head", "laptop"):
            (tmp_path / working).mkdir()
            monkeypatch.chdir(tmp_path / working)
            done = send(bucket, manifest, lambda: files, lambda *_: None, None, None)
            assert (done.sent, done.before) == ((6, 0) if working == "head" else (0, 6))
            assert (done.left, done.problem) == (0, None)
        assert sum(len(run.history) for run in double.runs.values()) == 1 + sum(
            len(record.reports) for record in read_records(folder).values()
        )
