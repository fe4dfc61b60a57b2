"""Files on a disk and in an object store behave alike, and errors of any library are OSErrors."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from fsm_icl.results import files
from fsm_icl.results.files import (
    append,
    as_folder,
    found,
    is_local,
    modified,
    read_all,
    read_bytes,
    remove,
    rename,
    write_atomically,
)


@pytest.fixture(params=["disk", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return tmp_path if request.param == "disk" else as_folder(f"memory://{uuid.uuid4().hex}")


def test_what_is_written_is_read(folder: Any) -> None:
    write_atomically(folder / "a.json", "one")
    write_atomically(folder / "a.json", b"two")
    append(folder / "log", "x")
    append(folder / "log", "y")
    assert read_bytes(folder / "a.json") == b"two"
    assert read_bytes(folder / "log") == b"xy"


def test_many_are_read_at_once_by_name(folder: Any) -> None:
    for name in ("b.json", "a.json", ".half.json"):
        write_atomically(folder / name, name)
    found = read_all(folder, "[!.]*.json")
    assert [(path.name, content) for path, content in found.items()] == [("a.json", b"a.json"), ("b.json", b"b.json")]
    assert set(modified(folder, "[!.]*.json")) == set(found)
    assert read_all(folder / "none", "*") == {}
    assert files.children(folder / "none") == []


def test_renamed_and_removed(folder: Any) -> None:
    write_atomically(folder / "a", "x")
    rename(folder / "a", "b")
    assert [path.name for path in files.children(folder)] == ["b"]
    remove(folder / "b")
    remove(folder / "b")
    assert files.children(folder) == []


def test_a_file_that_is_not_there(folder: Any) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        read_bytes(folder / "none")
    assert str(caught.value.filename).endswith("none")
    assert caught.value.strerror


def test_a_librarys_own_error_becomes_one_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = as_folder("memory://broken")

    def down(*_: Any, **__: Any) -> None:
        raise RuntimeError("no route to the store")

    monkeypatch.setattr(type(folder), "write_bytes", down)
    with pytest.raises(OSError, match="RuntimeError: no route to the store") as caught:
        write_atomically(folder / "a", "x")
    assert caught.value.filename == "memory://broken/a"


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "manifest.json"
    write_atomically(path, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize(
    ("text", "path"), [("results", "results"), ("/nfs/results", "/nfs/results"), ("file:///nfs/x", "/nfs/x")]
)
def test_paths_are_local(text: str, path: str) -> None:
    assert as_folder(text) == Path(path)
    assert is_local(as_folder(text))


def test_a_protocol_that_is_unknown_or_not_installed() -> None:
    with pytest.raises(ValueError, match=r"s4://x: .*'s4'"):
        as_folder("s4://x")
    assert not is_local(as_folder("s3://bucket/results"))


def test_a_folder_with_brackets_in_its_name_is_searched_like_any_other() -> None:
    folder = as_folder("memory://bucket/sweep [lstm]*")
    write_atomically(folder / "records" / "a.json", "1")
    assert [path.name for path in found(folder / "records", "*.json")] == ["a.json"]
    assert list(modified(folder, "records/*.json")) == [folder / "records" / "a.json"]
    assert list(read_all(folder / "records", "*.json").values()) == [b"1"]


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name in ("pipe", "link"):
        with pytest.raises(OSError, match=rf"is a pipe or a device; expected a file: '.*{name}'"):
            read_bytes(tmp_path / name)
    with pytest.raises(IsADirectoryError):
        read_bytes(tmp_path)


def test_writers_never_share_a_temporary_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with one process id, as in two containers that share a folder."""
    names = []
    replace = Path.replace

    def noted(path: Path, target: Path) -> Path:
        names.append(path.name)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", noted)
    for _ in range(2):
        write_atomically(tmp_path / "a", "1")
    assert len(set(names)) == 2
    assert all(name.startswith(".a.") and name.endswith(".tmp") for name in names)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"AWS_PROFILE": "nobody"}, "ProfileNotFound: .* set AWS_PROFILE to one"),
        ({"AWS_EC2_METADATA_DISABLED": "true"}, "NoCredentialsError: .*: run `aws configure` or `aws sso login`"),
    ],
)
def test_what_aws_refuses_is_told_with_the_next_step(
    variables: dict[str, str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3fs = pytest.importorskip("s3fs")
    s3fs.S3FileSystem.clear_instance_cache()  # another test's connections
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {"HOME": str(tmp_path), **variables}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OSError, match=message):
        read_bytes(as_folder(f"s3://bucket-{uuid.uuid4().hex}/file"))
    s3fs.S3FileSystem.clear_instance_cache()
