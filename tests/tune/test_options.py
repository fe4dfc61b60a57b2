"""Durations, and how a run is ended early."""

from __future__ import annotations

import os
import signal
import time

import pytest

from fsm_icl.tune.options import Terminated, TimeLimitReached, duration, interruptions


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("45m", 2700), ("2h", 7200), ("1h30m", 5400), ("1h2m3s", 3723), ("7", 7)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "h", "2 hours", "-5m", "1.5h", "5m1h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="such as 90s, 45m, 2h or 1h30m"):
        duration(text)


def test_the_time_limit_interrupts_and_leaves_no_alarm() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TimeLimitReached), interruptions(0.05):
        time.sleep(5)
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_sigterm_interrupts() -> None:
    with pytest.raises(Terminated), interruptions(None):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)


def test_without_a_limit_nothing_happens() -> None:
    with interruptions(None):
        time.sleep(0.01)
