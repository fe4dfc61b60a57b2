"""What is sent to a cluster and what comes home, without a cluster."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from click.testing import Result
from typer.testing import CliRunner

from fsm_icl import cli
from fsm_icl.cluster import cluster_file
from fsm_icl.cluster.cluster_file import ROOT
from fsm_icl.cluster.jobs import entrypoint, runtime_env
from fsm_icl.cluster.parcel import Parcel, packed
from fsm_icl.cluster.token import ensure_token


def fsm(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["cluster", *arguments])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cluster.yaml"
    path.write_text("provider: {type: local}\nmetadata: {results: memory://bucket/results}\n")
    return path


@pytest.fixture
def bucket() -> Iterator[fsspec.AbstractFileSystem]:
    """One sweep in a bucket of this process."""
    files = fsspec.filesystem("memory")
    names = ("id", "manifest.json", "records/a.json", "trials/a/checkpoint", "wandb/a.done")
    files.pipe({f"/bucket/results/spectrum-paper/{name}": name.encode() for name in names})
    yield files
    files.rm("/bucket", recursive=True)


def test_the_head_runs_what_was_asked_for_on_the_whole_cluster(file: Path) -> None:
    command = entrypoint(file, "spectrum", ["--set", "grid={arch: [gru, rnn]}"])
    assert command == (
        "python -m fsm_icl.tune spectrum --set 'grid={arch: [gru, rnn]}' "
        "--address auto --results memory://bucket/results"
    )
    assert " tune_configs/depth.yaml " in entrypoint(file, str(ROOT / "tune_configs" / "depth.yaml"), [])


def test_a_job_is_told_the_commit_that_its_copy_of_the_code_lacks() -> None:
    head = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    (told,) = runtime_env()["env_vars"].values()
    assert told.removesuffix("+") == head.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository as a user has it, with what must not leave it."""
    root = tmp_path / "checkout"
    known = {
        "fsm_icl/__init__.py": "",
        "fsm_icl/models/gru.py": "",
        "analysis/templates/report.md.j2": "",
        "tune_configs/spectrum.yaml": "",
        "constraints.txt": "ray==2.60.0\n",
        "tests/test_x.py": "",
        "secrets.env": "KNOWN=1",
        ".gitignore": "results/\n__pycache__/\n",
    }
    new = {
        ".env": "WANDB_API_KEY=1",
        "fsm_icl/.env": "WANDB_API_KEY=1",
        "fsm_icl/notes.txt": "",
        "fsm_icl/models/mine.py": "",
        "fsm_icl/__pycache__/x.pyc": "",
        "results-seed-1/spectrum-laptop/records/a.json": "{}",
        "results/a.json": "{}",
        "mine.yaml": "",
        "other.yaml": "",
    }
    for files_, added in ((known, True), (new, False)):
        for name, text in files_.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        if added:
            for command in (["init", "--quiet"], ["add", "."]):
                subprocess.run(["git", "-C", root, *command], check=True)
    (root / "fsm_icl" / "gone.py").touch()
    subprocess.run(["git", "-C", root, "add", "fsm_icl/gone.py"], check=True)
    (root / "fsm_icl" / "gone.py").unlink()
    monkeypatch.setattr(cluster_file, "ROOT", root)
    return root


CODE = {
    "analysis/templates/report.md.j2",
    "constraints.txt",
    "fsm_icl/__init__.py",
    "fsm_icl/models/gru.py",
    "fsm_icl/models/mine.py",
    "tune_configs/spectrum.yaml",
}


def sent(parcel: Parcel) -> set[str]:
    return {str(path.relative_to(parcel.folder)) for path in parcel.folder.rglob("*") if path.is_file()}


def test_what_travels_is_code_and_the_sweep_file_and_no_more(checkout: Path) -> None:
    assert sent(packed("spectrum")) == CODE
    mine = packed(str(checkout / "mine.yaml"))
    assert sent(mine) == CODE | {"mine.yaml"}
    assert mine.told == "7 files, 0.0 MB, 1 of them in no commit: fsm_icl/models/mine.py"
    assert mine.runtime_env["env_vars"]["FSM_ICL_COMMIT"].endswith("+")  # it says so in each record


def test_without_git_the_same_folders_travel(checkout: Path) -> None:
    shutil.rmtree(checkout / ".git")
    assert sent(packed("spectrum")) == CODE | {"fsm_icl/notes.txt"}


def test_this_checkout_can_be_imported_from_what_travels() -> None:
    parcel = packed()
    assert len(parcel.names) > 50
    assert sum((parcel.folder / name).stat().st_size for name in parcel.names) < 5e6
    code = "import fsm_icl.tune.command, analysis.sources.sweep, fsm_icl; print(fsm_icl.__file__)"
    alone = os.environ | {"PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=parcel.folder, env=alone, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(str(parcel.folder))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scale", "papr"], "did you mean 'paper'"),
        (["--scael", "paper"], "No such option: --scael"),
        (["--set", "serch.num_trials=3"], "did you mean 'search'?"),
        (["--seed", "-1"], "greater than or equal to 0"),
        (["--time-limit", "soon"], "expected a duration such as 90s"),
        (["--capacity", "many"], "expected CPUS,GPUS"),
        (["--results", "elsewhere"], "--results can't be given: metadata.results of the cluster file"),
        (["--address", "auto"], "--address can't be given"),
        (["--gpus", "1"], "--gpus can't be given: for a cluster give --capacity"),
        (["extra"], "unexpected extra argument"),
    ],
)
def test_options_are_checked_before_anything_is_sent(
    file: Path, options: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fsm_icl.cluster.jobs.submit_job", lambda *_: pytest.fail("it was sent"))
    done = fsm("submit", str(file), "spectrum", *options)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert message in done.stderr


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What is done to a cluster that is not there."""
    done: list[str] = []
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    ensure_token()
    monkeypatch.setattr("fsm_icl.cluster.jobs.submit_job", lambda *_: done.append("sent") or "job-1")
    monkeypatch.setattr("fsm_icl.cluster.jobs.follow", lambda *_: done.append("followed") or True)
    monkeypatch.setattr("fsm_icl.cluster.teardown.ray_down", lambda *_: done.append("ended") or True)
    monkeypatch.setattr("fsm_icl.cluster.teardown.stop_each", lambda _: iter(()))
    return done


def test_with_down_the_cluster_ends_when_the_sweep_has(file: Path, job: list[str]) -> None:
    said = fsm("submit", str(file), "spectrum", "--scale", "smoke", "--down")
    assert (said.exit_code, job) == (0, ["sent", "followed", "ended"]), said.output
    assert re.fullmatch(r"sent \d+ files, \d\.\d MB.*", said.stdout.splitlines()[1])
    assert "--down" not in said.stdout
    job.clear()
    fsm("submit", str(file), "spectrum", "--scale", "smoke")
    assert job == ["sent", "followed"]


def test_a_sweep_that_is_left_early_leaves_the_cluster_and_says_so(
    file: Path, job: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> bool:
        raise ConnectionError("no connection for 120 s; job x goes on")

    monkeypatch.setattr("fsm_icl.cluster.jobs.follow", lost)
    said = fsm("submit", str(file), "spectrum", "--scale", "smoke", "--down")
    assert said.exit_code == 2
    assert f"the cluster is still up: `fsm-icl cluster down {file}` ends it" in said.stderr
    assert job == ["sent"]


def test_ray_is_found_beside_the_interpreter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cluster_file.ray_program() == str(Path(sys.executable).parent / "ray")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(ValueError, match="no `ray` command, neither on the path nor in"):
        cluster_file.ray_program()


def test_what_cannot_work_is_one_clear_error(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    (tmp_path / "silent.yaml").write_text("provider: {type: local}\n")
    (tmp_path / "folder.yaml").write_text("provider: {type: aws}\nmetadata: {results: /shared}\n")
    for arguments, message in (
        (("submit", str(file), "spectrum"), "there is no token"),
        (("submit", str(file), str(tmp_path / "mine.yaml")), "travels to the cluster"),
        (("submit", str(tmp_path / "silent.yaml"), "spectrum"), "metadata.results is missing"),
        (("fetch", str(tmp_path / "silent.yaml")), "metadata.results is missing"),
        (("fetch", str(tmp_path / "folder.yaml")), "provider.head_ip does not say whose"),
        (("fetch", str(tmp_path / "nothing.yaml")), "No such file"),
    ):
        done = fsm(*arguments)
        assert done.exit_code == 2, arguments
        assert message in done.stderr


def test_what_is_new_comes_home_from_a_bucket_and_checkpoints_when_asked(
    file: Path, tmp_path: Path, bucket: fsspec.AbstractFileSystem
) -> None:
    folder = tmp_path / "home" / "spectrum-paper"
    fetch = ("fetch", str(file), "--results", str(folder.parent))
    assert f"next: python -m analysis {folder}" in fsm(*fetch).stdout
    assert (folder / "records" / "a.json").read_text() == "records/a.json"
    assert not (folder / "trials").exists()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    bucket.pipe("/bucket/results/spectrum-paper/records/b.json", b"b")
    assert fsm(*fetch, "--trials").exit_code == 0
    assert (folder / "records" / "b.json").read_text() == "b"
    assert (folder / "trials" / "a" / "checkpoint").is_file()
    assert before.items() <= {path: path.stat().st_mtime_ns for path in folder.rglob("*")}.items()
    bucket.pipe("/bucket/results/spectrum-paper/manifest.json", b"manifest.jsoN")
    assert fsm(*fetch).exit_code == 0
    assert (folder / "manifest.json").read_text() == "manifest.jsoN"


def test_a_bucket_without_results_is_told(file: Path) -> None:
    done = fsm("fetch", str(file))
    assert done.exit_code == 2
    assert "memory://bucket/results: no results yet; a slip in the bucket's name" in done.stderr


@pytest.mark.usefixtures("bucket")
def test_another_sweep_of_the_same_name_is_not_overwritten(file: Path, tmp_path: Path) -> None:
    mine = tmp_path / "home" / "spectrum-paper" / "id"
    mine.parent.mkdir(parents=True)
    mine.write_text("other")
    done = fsm("fetch", str(file), "--results", str(tmp_path / "home"))
    assert done.exit_code == 2
    assert "holds another sweep of this name" in done.stderr
    assert [path.name for path in mine.parent.iterdir()] == ["id"]
