"""How a run is ended early."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time

import pytest

from fsm_icl.tune import interruptions as module
from fsm_icl.tune.interruptions import RayIsGone, Terminated, TimeLimitReached, interrupt, interruptions, say_why


def test_the_time_limit_interrupts_and_leaves_no_alarm() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TimeLimitReached), interruptions(0.05):
        time.sleep(5)
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_the_time_limit_fires_again_where_its_exception_was_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.05)
    with pytest.raises(TimeLimitReached), interruptions(0.05):
        with contextlib.suppress(KeyboardInterrupt):  # as a library may do
            time.sleep(5)
        time.sleep(5)


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts(number: signal.Signals) -> None:
    with pytest.raises(Terminated), interruptions(None):
        os.kill(os.getpid(), number)
        time.sleep(5)


def test_under_nohup_a_closed_terminal_ends_nothing() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptions(None):
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.05)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_a_library_makes_of_an_interruption_does_not_hide_it() -> None:
    with pytest.raises(Terminated), interruptions(None):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except KeyboardInterrupt:
            raise SystemExit(1) from None


def test_a_thread_can_end_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RayIsGone) as caught, interruptions(None):
        threading.Timer(0.05, interrupt, [RayIsGone("parts of Ray have died")]).start()
        time.sleep(5)
    assert say_why(caught.value) == 1
    assert capsys.readouterr().err.strip() == (
        "parts of Ray have died; what has ended is kept, the same command goes on from there"
    )


def test_without_a_limit_nothing_happens() -> None:
    with interruptions(None):
        time.sleep(0.01)
