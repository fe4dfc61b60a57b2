"""What is sent to a cluster and what comes home, without a cluster."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from click.testing import Result
from typer.testing import CliRunner

from fsm_icl import cli
from fsm_icl.cluster.files import ROOT
from fsm_icl.cluster.remote import entrypoint, runtime_env


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


@pytest.mark.usefixtures("bucket")
def test_another_sweep_of_the_same_name_is_not_overwritten(file: Path, tmp_path: Path) -> None:
    mine = tmp_path / "home" / "spectrum-paper" / "id"
    mine.parent.mkdir(parents=True)
    mine.write_text("other")
    done = fsm("fetch", str(file), "--results", str(tmp_path / "home"))
    assert done.exit_code == 2
    assert "holds another sweep of this name" in done.stderr
    assert [path.name for path in mine.parent.iterdir()] == ["id"]
