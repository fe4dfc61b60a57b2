"""Real sweeps with Ray at smoke scale: the final table does not depend on workers, kills or reruns."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]
TRIALS = 4 * (4 + 2)


def command(results: Path, *arguments: str) -> list[str]:
    base = [sys.executable, "-m", "fsm_icl.tune", "spectrum", "--scale", "smoke", "--results", str(results)]
    return [*base, *arguments]


def sweep(results: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(results, *arguments), capture_output=True, text=True, timeout=200)


def records(results: Path) -> dict[str, Any]:
    """Hash -> what a trial found, without what the clock said."""
    found = {}
    for path in (results / "spectrum-smoke" / "records").glob("*.json"):
        record = json.loads(path.read_text())
        end = record["end"]
        found[path.stem] = (record["reports"], end["outcome"], end["test"], end["steps"])
    return found


def table(results: Path) -> dict[str, bytes]:
    """What analysis makes of it: every CSV and the verdict, byte for byte."""
    analysis = [sys.executable, "-m", "analysis", "spectrum", "--scale", "smoke", "--results", str(results)]
    subprocess.run(analysis, check=True, capture_output=True, timeout=100)
    figures = results / "spectrum-smoke" / "figures"
    return {p.name: p.read_bytes() for p in figures.iterdir() if p.suffix in (".csv", ".md")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("one")
    done = sweep(results, "--max-concurrent", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    return results


def test_a_sweep_ends_with_a_table_and_the_next_command(undisturbed: Path) -> None:
    assert len(records(undisturbed)) == TRIALS
    again = sweep(undisturbed)
    assert again.returncode == 0
    assert f"{TRIALS} of {TRIALS} trials done" in again.stdout
    assert "rnn-d16-L1" in again.stdout
    assert f"next: python -m analysis {undisturbed / 'spectrum-smoke'}" in again.stdout
    assert again.stderr == ""


def test_every_trial_is_a_wandb_run(undisturbed: Path) -> None:
    folder = undisturbed / "spectrum-smoke" / "wandb"
    assert {p.stem for p in folder.glob("*.done")} == set(records(undisturbed))
    assert len(list(folder.glob("offline-run-*"))) == TRIALS + 1  # and the sweep's own


@pytest.mark.parametrize("workers", ["2", "4"])
def test_workers_change_nothing(undisturbed: Path, tmp_path: Path, workers: str) -> None:
    assert sweep(tmp_path, "--max-concurrent", workers).returncode == 0
    assert records(tmp_path) == records(undisturbed)
    assert table(tmp_path) == table(undisturbed)


SAID = {
    signal.SIGINT: (130, "stopped; what has ended is kept, the same command goes on from there"),
    signal.SIGTERM: (143, "terminated; what has ended is kept, the same command goes on from there"),
}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_driver_that_is_killed_loses_nothing(undisturbed: Path, tmp_path: Path, how: signal.Signals) -> None:
    with subprocess.Popen(command(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as driver:
        while len(records(tmp_path)) < 5:
            assert driver.poll() is None
            time.sleep(0.05)
        driver.send_signal(how)
        started = time.monotonic()
        _, said = driver.communicate(timeout=60)
    kept = records(tmp_path)
    assert 5 <= len(kept) < TRIALS
    if how in SAID:
        assert (driver.returncode, said.strip()) == SAID[how]
        assert time.monotonic() - started < 20
    assert sweep(tmp_path).returncode == 0
    assert records(tmp_path) == records(undisturbed)
    assert kept.items() <= records(tmp_path).items()
    assert table(tmp_path) == table(undisturbed)


def test_a_time_limit_ends_the_driver_and_the_next_run_goes_on(undisturbed: Path, tmp_path: Path) -> None:
    done = sweep(tmp_path, "--time-limit", "5s")
    assert done.returncode == 124
    assert "the time limit is reached; what has ended is kept" in done.stderr
    assert sweep(tmp_path).returncode == 0
    assert records(tmp_path) == records(undisturbed)


def test_more_seeds_and_proposals_add_only_what_is_missing(tmp_path: Path) -> None:
    grid = ["--set", "grid={arch: gru, d_model: 8}", "--set", "hypotheses=[]"]
    assert sweep(tmp_path, *grid).returncode == 0
    before = {p: os.stat(p).st_mtime_ns for p in tmp_path.glob("*/records/*.json")}
    assert sweep(tmp_path, *grid, "--set", "measure.num_seeds=4", "--set", "search.num_trials=5").returncode == 0
    after = {p: os.stat(p).st_mtime_ns for p in tmp_path.glob("*/records/*.json")}
    assert before.items() <= after.items()
    assert 3 <= len(after) - len(before) <= 5  # a proposal, and two seeds, or four where the winner changed
    plan = sweep(tmp_path, *grid, "--set", "measure.num_seeds=4", "--set", "search.num_trials=5", "--plan")
    assert "9 of 9 trials done" in plan.stdout


def test_a_trial_that_fails_is_shown_and_the_sweep_goes_on(tmp_path: Path) -> None:
    """A learning rate beyond all reason: the loss is no number any more, and that is a result."""
    wild = ["--set", "search.learning_rate={log: [1e30, 1e35]}", "--set", "grid={arch: [gru, rnn], d_model: 8}"]
    done = sweep(tmp_path, *wild, "--set", "hypotheses=[]")
    assert done.returncode == 1
    assert "trials that did not end well" in done.stdout
    assert "gru-d8-L1: no proposal finished" in done.stdout
    assert {outcome for _, outcome, *_ in records(tmp_path).values()} == {"diverged"}
