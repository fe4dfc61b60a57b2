"""The watch: a run of which nobody is heard ends by itself, with a line that says how to go on."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fsm_icl.tune.driver import Driver
from fsm_icl.tune.interruptions import RayIsGone, interruptions, say_why
from fsm_icl.tune.watch import GRACE_SECONDS, Watch
from tests.tune.test_driver import driver, row  # noqa: F401  (a fixture)

GO_ON = "what has ended is kept, the same command goes on from there"
LIMIT = 60.0
LOOKS = 1.5
"""Seconds in which the watch looks at least once."""


def test_a_run_of_which_nobody_is_heard_ends_with_exit_code_1_and_says_how_to_go_on(
    driver: Driver,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert driver.next("a")
    driver.started("a")
    driver.heard("a", row(30))
    with pytest.raises(RayIsGone) as caught, interruptions(None), watching(driver) as watch, watch.looking():
        silent_for(driver, "a", LIMIT + GRACE_SECONDS + 1)
        time.sleep(30)
    assert say_why(caught.value) == 1
    line = rf"\nno trial has given a sign of life for 1[89]\d s \(--stall-limit 60s\); {GO_ON}\n"
    assert re.fullmatch(line, capsys.readouterr().err)


def test_a_worker_that_is_given_up_for_silence_has_time_to_start_again(driver: Driver) -> None:  # noqa: F811
    assert driver.next("a")
    driver.started("a")
    silent_for(driver, "a", LIMIT + GRACE_SECONDS - 10)
    goes_on(driver)


def test_one_trial_that_is_heard_is_enough(driver: Driver) -> None:  # noqa: F811
    for trial in ("a", "b"):
        assert driver.next(trial)
        driver.started(trial)
        silent_for(driver, trial, 10_000)
    driver.heard("b", row(30))
    assert driver.silence() < LIMIT
    goes_on(driver)


def test_a_checkpoint_is_a_sign_of_life(driver: Driver) -> None:  # noqa: F811
    assert driver.next("a")
    driver.started("a")
    silent_for(driver, "a", 10_000)
    flight = driver.in_flight["a"]
    checkpoint = driver.store.trial_folder(flight.planned.hash).checkpoint
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    flight.last_look = 0.0  # it is time to ask
    goes_on(driver)


def test_trials_that_wait_for_a_machine_may_wait_for_as_long_as_it_takes(driver: Driver) -> None:  # noqa: F811
    for trial in ("a", "b"):
        assert driver.next(trial)
        silent_for(driver, trial, 10_000)
    driver.started("b")
    driver.waits("b")  # its worker was lost
    silent_for(driver, "b", 10_000)
    assert driver.silence() == 0
    goes_on(driver)


def test_nobody_is_looked_at_while_ray_starts_or_ends(driver: Driver) -> None:  # noqa: F811
    assert driver.next("a")
    driver.started("a")
    silent_for(driver, "a", 10_000)
    with interruptions(None), watching(driver) as watch:
        time.sleep(LOOKS)
        with watch.looking():
            driver.heard("a", row(30))
        silent_for(driver, "a", 10_000)
        time.sleep(LOOKS)


DEAF = """
import pathlib, signal, sys, time
from fsm_icl.tune.watch import Watch

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])  # as inside a call that never returns
words = pathlib.Path(sys.argv[1])
with Watch(lambda: 1000.0, 60.0, lambda: words.write_text("said"), leave=0.1) as watch, watch.looking():
    time.sleep(60)
"""


def test_a_driver_whose_main_thread_is_stuck_is_ended_by_force(tmp_path: Path) -> None:
    words = tmp_path / "words"
    ended = subprocess.run([sys.executable, "-c", DEAF, str(words)], capture_output=True, text=True, timeout=50)
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.strip() == f"no trial has given a sign of life for 1000 s (--stall-limit 60s); {GO_ON}"
    assert words.read_text() == "said"


def watching(driver: Driver) -> Watch:  # noqa: F811
    return Watch(driver.silence, LIMIT, driver.last_words)


def goes_on(driver: Driver) -> None:  # noqa: F811
    """Nothing ends the run though the watch looks."""
    with interruptions(None), watching(driver) as watch, watch.looking():
        time.sleep(LOOKS)


def silent_for(driver: Driver, trial: str, seconds: float) -> None:  # noqa: F811
    """Let the trial's last sign of life be so old, and its checkpoint just asked for."""
    flight = driver.in_flight[trial]
    flight.last_sign, flight.last_look = time.time() - seconds, time.time()
