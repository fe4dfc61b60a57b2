"""Folders as people name them: ~, file: URIs, links, names from a Mac, and a sweep's folder for the one around it."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fsm_icl.cli import app
from fsm_icl.results.files import as_folder
from tests.sweep import folders, simulate

NFC, NFD = (unicodedata.normalize(form, "größe") for form in ("NFC", "NFD"))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    return tmp_path


def fsm(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("~/x", "HOME/x"),
        ("~", "HOME"),
        ("./~", "~"),
        ("a b#c?d%20", "a b#c?d%20"),
        ("file:///a%20b", "/a b"),
        ("file:///a#b?c", "/a#b?c"),
        ("file:///a%23b%3Fc", "/a#b?c"),
        ("file://localhost/a", "/a"),
        ("FILE:/a/%C3%A9", "/a/é"),
        ("file:///100%", "/100%"),
    ],
)
def test_a_folder_is_the_one_that_is_named(text: str, path: str, tmp_path: Path) -> None:
    assert as_folder(text) == Path(path.replace("HOME", str(tmp_path / "home")))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("file://host/a", "expected file:///FOLDER"),
        ("file:a", "expected file:///FOLDER"),
        ("file://", "expected file:///FOLDER"),
        ("~nobody-of-that-name/x", "no such user"),
    ],
)
def test_a_folder_that_is_none_is_refused_and_nothing_is_made(text: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=what):
        as_folder(text)
    done = fsm("tune", "spectrum", "--plan", f"--results={text}")
    assert done.exit_code == 2
    assert what in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_control_character_in_a_uri_is_none_in_a_name() -> None:
    assert "no control characters" in fsm("tune", "spectrum", "--plan", "--results=file:///a%0Ab").stderr


@pytest.mark.parametrize("where", ["results/spectrum-laptop", "results/spectrum-laptop/records", "link"])
def test_a_sweeps_own_folder_holds_no_sweeps(where: str, tmp_path: Path) -> None:
    folders.write(tmp_path / "results" / "spectrum-laptop", simulate.loaded(), stop_after=4)
    (tmp_path / "link").symlink_to("results/spectrum-laptop")
    before = sorted(tmp_path.rglob("*"))
    for command in (["tune", "spectrum", "--plan"], ["status", "spectrum"], ["import", "x"], ["doctor"]):
        done = fsm(*command, f"--results={where}")
        assert done.exit_code == 2
        assert "a sweep's folder; name the folder that holds it: --results" in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_a_manifest_that_is_no_sweeps_is_nothing_to_us(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "a web page"}')
    assert fsm("tune", "spectrum", "--plan", "--results=results").exit_code == 0


def test_a_link_to_nowhere_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "disk").symlink_to("/unplugged")
    for name in ("disk", "disk/results"):
        done = fsm("tune", "spectrum", "--plan", f"--results={name}")
        assert done.exit_code == 2
        assert done.stderr == f"error: --results {name}: disk is a link to /unplugged, which is not there\n"


def test_a_sweeps_folder_that_is_a_link_to_nowhere(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "spectrum-laptop").symlink_to("/unplugged")
    for command in (["tune", "spectrum", "--plan"], ["status", "spectrum", "--scale=laptop"]):
        done = fsm(*command)
        assert done.exit_code == 2
        assert done.stderr == "error: results/spectrum-laptop is a link to /unplugged, which is not there\n"


@pytest.mark.parametrize(("made", "asked"), [(NFC, NFD), (NFD, NFC)])
def test_a_folder_that_a_mac_has_spelled_is_the_same_sweep(made: str, asked: str, tmp_path: Path) -> None:
    sweep = "question: q\ngrid: {arch: gru}\nsearch: {num_trials: 2, learning_rate: {log: [1e-3, 0.1]}}\n"
    sweep += "measure: {num_seeds: 2}\n"
    (tmp_path / made).mkdir()
    (tmp_path / made / f"{made}.yaml").write_text(sweep)
    from fsm_icl.sweep.file.load import load_sweep_file

    folders.write(tmp_path / made / f"{made}-default", load_sweep_file(f"{made}/{made}.yaml"))
    done = fsm("tune", f"{asked}/{asked}.yaml", "--plan", f"--results={asked}")
    assert "4 of 4 trials done" in " ".join(done.stdout.split())
    assert "4 of 4 trials ended" in fsm("status", asked, "--scale=default", f"--results={asked}").stdout
    fresh = fsm("tune", f"{asked}/{asked}.yaml", "--plan", "--fresh", f"--results={asked}")
    assert f"{made}/{NFC}-default-2: 0 of 4" in " ".join(fresh.stdout.split())
