"""Real sweeps with Ray at smoke scale: the final table does not depend on workers, kills or reruns."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.progress import HOWEVER_LONG, outcome, wait_until
from tests.tune.smoke import QUIET, TRIALS, command, records, sweep, table

pytestmark = [pytest.mark.ray, pytest.mark.timeout(HOWEVER_LONG)]


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
    assert sweep(tmp_path, "--max-concurrent", workers, *QUIET).returncode == 0
    assert records(tmp_path) == records(undisturbed)
    assert table(tmp_path) == table(undisturbed)


MANY = 3
"""Trials that may end while a signal is on its way."""
SAID = {
    signal.SIGINT: (130, "stopped; what has ended is kept, the same command goes on from there"),
    signal.SIGTERM: (143, "terminated; what has ended is kept, the same command goes on from there"),
}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_driver_that_is_killed_loses_nothing(undisturbed: Path, tmp_path: Path, how: signal.Signals) -> None:
    with subprocess.Popen(command(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as driver:
        wait_until(lambda: len(records(tmp_path)) >= 5, driver, tmp_path)
        driver.send_signal(how)
        before = records(tmp_path)
        _, said = outcome(driver, tmp_path)
    kept = records(tmp_path)
    assert 5 <= len(kept) < TRIALS
    assert len(kept) - len(before) <= MANY  # it ends at once, and not with what it had begun
    if how in SAID:
        assert (driver.returncode, said.strip()) == SAID[how]
    assert sweep(tmp_path, *QUIET).returncode == 0
    assert records(tmp_path) == records(undisturbed)
    assert kept.items() <= records(tmp_path).items()
    assert table(tmp_path) == table(undisturbed)


def test_a_time_limit_ends_the_driver_and_the_next_run_goes_on(undisturbed: Path, tmp_path: Path) -> None:
    done = sweep(tmp_path, "--time-limit", "5s", *QUIET)
    assert done.returncode == 124
    assert "the time limit is reached; what has ended is kept" in done.stderr
    assert sweep(tmp_path, *QUIET).returncode == 0
    assert records(tmp_path) == records(undisturbed)


def test_more_seeds_and_proposals_add_only_what_is_missing(tmp_path: Path) -> None:
    grid = ["--set", "grid={arch: gru, d_model: 8}", "--set", "hypotheses=[]", *QUIET]
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
    done = sweep(tmp_path, *wild, "--set", "hypotheses=[]", *QUIET)
    assert done.returncode == 1
    assert "trials that did not end well" in done.stdout
    assert "gru-d8-L1: no proposal finished" in done.stdout
    assert {outcome for _, outcome, *_ in records(tmp_path).values()} == {"diverged"}
