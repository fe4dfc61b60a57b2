"""What a user types and sees, without training."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fsm_icl.cli import app
from fsm_icl.results.reading import read_records
from fsm_icl.sweep.store.store import Store, failed_in
from fsm_icl.tune.request import RunOptions
from tests.sweep import folders, simulate

HEAVY = ("torch", "ray", "wandb", "optuna", "pandas", "matplotlib")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def fsm(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["tune", *arguments])


def test_plan_shows_cells_and_writes_nothing(tmp_path: Path) -> None:
    done = fsm("capacity", "--scale", "laptop", "--plan")
    assert done.exit_code == 0, done.stderr
    assert "rnn-d128-L1" in done.stdout
    assert "34,563" in done.stdout
    assert "0 of 8" in done.stdout
    assert "rough figure" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_default_scale_is_laptop_without_a_gpu_and_says_so() -> None:
    first = fsm("spectrum", "--plan").stdout.splitlines()[0]
    assert "scale laptop" in first
    assert "no GPU was found" in first


def test_what_is_said_of_this_machine_decides_scale_and_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr("fsm_icl.tune.resources.capacity.memory_bytes", lambda: 64 * 10**9)
    said = " ".join(fsm("spectrum", "--plan", "--gpus", "4", "--cpus", "16").stdout.split())
    assert "scale paper" in said
    assert "4 or more fit (4 GPUs" in said
    assert "8 fit (8 CPUs, 1 a trial)" in " ".join(
        fsm("spectrum", "--plan", "--gpus", "0", "--cpus", "8").stdout.split()
    )
    monkeypatch.setattr("fsm_icl.tune.resources.capacity.memory_bytes", lambda: 3 * 10**9)
    little = fsm("spectrum", "--plan", "--gpus", "0", "--cpus", "8").stdout
    assert "4 fit (8 CPUs, 1 a trial; memory holds no more)" in " ".join(little.split())


def test_the_default_scale_of_a_cluster_is_that_of_its_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fsm_icl.tune.session.nodes", lambda _: [{"CPU": 0.0}])
    said = " ".join(fsm("spectrum", "--plan", "--address", "auto", "--capacity", "32,8").stdout.split())
    assert "scale paper (a GPU was found" in said
    monkeypatch.setattr("fsm_icl.tune.session.nodes", lambda _: [{"CPU": 8.0}])
    said = " ".join(fsm("spectrum", "--plan", "--address", "auto").stdout.split())
    assert "scale laptop" in said
    assert "beware: no GPU on the cluster at 'auto': trials run on its CPUs" in said


def test_a_gpu_that_is_not_counted_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr("fsm_icl.hardware.platform.system", lambda: "Darwin")
    monkeypatch.setattr("fsm_icl.hardware.ROOT", tmp_path)
    assert "Apple's GPU is not used: trials run on the CPU" in fsm("spectrum", "--plan").stdout
    assert "Apple" not in fsm("spectrum", "--plan", "--gpus", "0").stdout


def test_set_reaches_the_plan() -> None:
    done = fsm("spectrum", "--plan", "--set", "search.num_trials=3", "--set", "measure.num_seeds=7")
    assert "3 proposals and 7 seeds each" in done.stdout


def test_the_first_lines_say_what_runs_at_once_as_long_as_something_is_to_run(tmp_path: Path) -> None:
    asked = ("spectrum", "--scale", "laptop", "--plan", "--max-concurrent", "3")
    said = "at once: up to 10 search trials (5 cells x search.window 2), later 30 measure trials; --max-concurrent "
    said += "allows 3"
    assert said in " ".join(fsm(*asked).stdout.split())
    folders.write(tmp_path / "results" / "spectrum-laptop", simulate.loaded())
    assert "70 of 70 trials done" in fsm(*asked).stdout
    assert "at once" not in fsm(*asked).stdout


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A sweep with 40 records, some of them failed."""
    folders.write(tmp_path / "results" / "spectrum-laptop", simulate.loaded(), stop_after=40)
    return tmp_path / "results" / "spectrum-laptop"


def test_plan_says_what_a_changed_file_adds_and_drops(begun: Path) -> None:
    same = fsm("spectrum", "--scale", "laptop", "--plan").stdout
    assert "40 of 70 trials done" in same
    assert "has changed" not in same
    changed = fsm("spectrum", "--scale", "laptop", "--plan", "--set", "measure.num_seeds=9", "--set", "search.eta=2")
    assert (
        "the sweep file has changed: 15 trials are new, 0 records are of trials that the sweep file no longer asks for"
        in changed.stdout
    )
    other = fsm("spectrum", "--scale", "laptop", "--plan", "--seed", "1").stdout
    assert (
        "the sweep file has changed: 70 trials are new, 40 records are of trials that the sweep file no longer asks for"
        in other
    )
    assert " ".join(other.split("core-min")[1].split()).count("all 0 0 70 0 40") == 1


def test_retry_failed_can_be_planned_and_then_forgets_them(begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = set(failed_in(read_records(begun)))
    assert failed
    before = {path: path.stat().st_mtime_ns for path in begun.rglob("*")}
    plan = fsm("spectrum", "--scale", "laptop", "--plan", "--retry-failed").stdout
    assert "40 of 70 trials done" not in plan
    assert {path: path.stat().st_mtime_ns for path in begun.rglob("*")} == before

    def run_sweep(_: object, store: Store, options: RunOptions, *__: object) -> None:
        assert not failed & set(store.records)
        assert options.max_failures == 7
        raise KeyboardInterrupt

    monkeypatch.setattr("fsm_icl.tune.run.run_sweep", run_sweep)
    done = fsm("spectrum", "--scale", "laptop", "--retry-failed", "--max-failures", "7")
    assert done.exit_code == 130, done.output
    assert len(read_records(begun)) == 40 - len(failed)
    assert not failed & set(read_records(begun))


HUGE = ("--set", f"grid={{arch: rnn, d_model: {list(range(1, 1001))}}}", "--set", "hypotheses=[]", "--scale", "laptop")


def test_a_huge_sweep_is_planned_briefly_and_refused_without_yes(tmp_path: Path) -> None:
    planned = fsm("spectrum", *HUGE, "--plan")
    assert planned.exit_code == 0
    assert "0 of 14,000 trials done" in planned.stdout
    assert "and 950 more cells" in planned.stdout
    assert len(planned.stdout.splitlines()) < 80
    refused = fsm("spectrum", *HUGE)
    assert refused.exit_code == 2
    assert "14,000 trials, more than 10,000" in refused.stderr
    assert "--yes" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_fresh_names_a_new_folder_and_without_it_the_newest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "results" / "spectrum-laptop").mkdir(parents=True)
    assert "results/spectrum-laptop-2: 0 of 70" in " ".join(fsm("spectrum", "--plan", "--fresh").stdout.split())
    (tmp_path / "results" / "spectrum-laptop-2").mkdir()
    assert "results/spectrum-laptop-2: 0 of 70" in " ".join(fsm("spectrum", "--plan").stdout.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["spectrm"], "did you mean 'spectrum'?"),
        (["spectrum", "--scale", "laptp"], "did you mean 'laptop'?"),
        (["spectrum", "--set", "serch.num_trials=3"], "serch: unknown key; did you mean 'search'?"),
        (["spectrum", "--wandb", "onlin"], "'onlin' is not one of"),
        (["spectrum", "--wandb-project", "a/b"], "--wandb-project='a/b': the name of a W&B project has 1 to 128"),
        (["spectrum", "--wandb-entity", ""], "--wandb-entity='': the name of a W&B entity has 1 to 128"),
        (["spectrum", "--max-concurrent", "0"], "greater than or equal to 1"),
        (["spectrum", "--capacity", "8"], "--capacity: expected CPUS,GPUS of the whole cluster, such as 32,8"),
        (["spectrum", "--capacity", "32,8"], "--capacity is for a cluster, which --address names"),
        (["spectrum", "--gpus", "1", "--address", "auto"], "--cpus and --gpus are for this machine"),
        (["spectrum", "--gpus", "2"], "--gpus 2: CUDA_VISIBLE_DEVICES='' shows 0"),
        (["spectrum", "--cpus", "0"], "greater than or equal to 1"),
        (["spectrum", "--max-failures", "-1"], "greater than or equal to 0"),
        (["spectrum", "--seed", "-1"], "greater than or equal to 0"),
        (["spectrum", "--results", "/proc/nowhere"], "/proc/nowhere/spectrum-laptop: cannot be written"),
    ],
)
def test_bad_input_is_one_clear_error(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = fsm(*arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["-m", "fsm_icl.tune", "--help"], ["-m", "fsm_icl.cli", "--help"]])
def test_help_needs_nothing_heavy(arguments: list[str]) -> None:
    code = f"""
import runpy, sys
sys.argv = {["x", "--help"]!r}
try:
    runpy.run_module({arguments[1]!r}, run_name="__main__")
except SystemExit:
    pass
found = [name for name in {HEAVY!r} if name in sys.modules]
sys.exit(f"imported {{found}}" if found else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
