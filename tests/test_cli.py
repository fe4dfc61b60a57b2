"""What the commands around a sweep print and return; what they do is tested in tests/sweep."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fsm_icl import cli
from fsm_icl.results.records import TrialEnd
from fsm_icl.sweep.examine import replay, verify
from fsm_icl.sweep.examine.status import read_manifest
from tests.sweep import folders, simulate


def fsm(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, [*arguments])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("results")
    folders.write(results / "spectrum-laptop", simulate.loaded(), stop_after=30)
    return results


@pytest.fixture(autouse=True)
def here(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").symlink_to(results)


@pytest.fixture
def trial(results: Path) -> str:
    wanted = read_manifest(results / "spectrum-laptop").cells[0].wanted
    return next(w.hash for w in wanted if (w.phase, w.index) == ("search", 0))


@pytest.mark.parametrize("sweep", ["spectrum", "results/spectrum-laptop"])
def test_a_sweep_is_a_name_or_a_folder(sweep: str) -> None:
    done = fsm("status", sweep)
    assert done.exit_code == 0, done.output
    assert "30 of 70 trials ended" in done.stdout
    assert ("Reading results/spectrum-laptop" in done.stderr) == (sweep == "spectrum")


def test_logs_lists_trials_and_tells_of_one(trial: str) -> None:
    listed = fsm("logs", "spectrum").stdout.splitlines()
    assert any(line.startswith(f"{trial[:12]}  rnn-d64-L1, search, repeat 0, index 0: ") for line in listed)
    told = fsm("logs", "spectrum", trial[:12])
    assert told.exit_code == 0
    assert told.stdout.startswith(f"trial {trial}\n")


@pytest.mark.parametrize(("outcome", "code"), [("finished", 0), ("pruned", 0), ("failed", 1), ("diverged", 1)])
def test_run_fails_where_the_trial_does(trial: str, outcome: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_again(again: replay.ReplaySpec, say: Callable[[str], None]) -> TrialEnd:
        say(again.trial)
        return simulate.end(outcome, 30)

    monkeypatch.setattr(replay, "print_replay", run_again)
    done = fsm("run", "spectrum", trial[:12])
    assert (done.exit_code, done.stdout) == (code, f"{trial}\n")


@pytest.mark.parametrize(("same", "code"), [(True, 0), (False, 1)])
def test_verify_fails_on_a_difference(same: bool, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "verify_all", lambda trials, _: same if len(trials) == 2 else None)
    assert fsm("verify", "spectrum", "--sample", "2").exit_code == code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["status", "nowhere"], "no sweep at 'nowhere' nor at results/nowhere-"),
        (["logs", "nowhere"], "no sweep at 'nowhere'"),
        (["run", "nowhere", "0"], "no sweep at 'nowhere'"),
        (["verify", "nowhere"], "no sweep at 'nowhere'"),
        (["status", "spectrum", "--scale", "paper"], "(in results: spectrum-laptop)"),
        (["status", "spectrum", "--results", "elsewhere"], "(in elsewhere: none)"),
        (["logs", "spectrum", "xyz"], "no trial begins with 'xyz'"),
        (["run", "spectrum", "xyz"], "no trial begins with 'xyz'"),
        (["verify", "spectrum", "--sample", "0"], "greater than or equal to 1"),
    ],
)
def test_bad_input_is_one_clear_error(arguments: list[str], message: str) -> None:
    done = fsm(*arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.output


@pytest.mark.parametrize("command", ["status", "logs", "run", "verify"])
def test_a_folder_with_broken_files_is_one_clear_error(command: str, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{}")
    done = fsm(command, "broken", *(["0"] if command in ("logs", "run") else []))
    assert done.exit_code == 2
    assert "manifest.json: sweep: Field required" in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize("command", ["status", "logs"])
def test_looking_needs_nothing_heavy(command: str, results: Path) -> None:
    code = f"""
import sys
from fsm_icl.cli import app
try:
    app([{command!r}, {str(results / "spectrum-laptop")!r}])
except SystemExit as end:
    assert end.code == 0
heavy = ("torch", "ray", "wandb", "optuna", "pandas", "scipy", "matplotlib")
found = [name for name in heavy if name in sys.modules]
sys.exit(f"imported {{found}}" if found else 0)
"""
    root = Path(cli.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
