"""What is said when no machine comes."""

from __future__ import annotations

import io
import json
import time
from types import SimpleNamespace

import pytest
import ray
from rich.console import Console

from fsm_icl.tune import waiting
from fsm_icl.tune.driver import Driver
from fsm_icl.tune.live_table import Progress
from fsm_icl.tune.resources.packing import Capacity
from fsm_icl.tune.waiting import Patience, why
from tests.tune.test_live_table import driver  # noqa: F401  (a fixture)

STATUS = """======== Autoscaler status: 2026-11-26 10:00:00 ========
Node status
---------------------------------------------------------------
Active:
 1 head
Pending:
 gpu, 2 launching
Recent failures:
 gpu: InsufficientInstanceCapacity (latest_attempt: 09:59:00) - no g6.xlarge on spot

Resources
---------------------------------------------------------------
Total Usage:
 0.0/0.0 CPU
Pending Demands:
 {'GPU': 1.0}: 3+ pending tasks/actors
"""
NOTHING = STATUS.replace(" gpu, 2 launching", " (no pending nodes)").replace(" gpu: Insuff", " (no failures) ")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds, to be set by hand; and a cluster with a head alone."""
    now = [1000.0]
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    monkeypatch.setattr(waiting, "_status", lambda: STATUS)
    return now


WHY = "gpu, 2 launching; gpu: InsufficientInstanceCapacity (latest_attempt: 09:59:00) - no g6.xlarge on spot"


def test_it_is_said_after_two_minutes_and_again_with_rays_own_reason(clock: list[float]) -> None:
    said: list[str] = []
    patience = Patience(said.append)
    for _ in range(119):
        clock[0] += 1
        patience.look(3, 0, {"GPU": 8})
    assert said == []
    for _ in range(130):
        clock[0] += 1
        patience.look(3, 0, {"GPU": 8})
    assert said == 2 * [f"waiting for a machine (asked for 8 GPUs, there: 0; why: {WHY})"]


def test_nothing_is_said_where_nothing_waits_or_all_machines_have_come(clock: list[float]) -> None:
    said: list[str] = []
    patience = Patience(said.append)
    for waits, runs, wanted in ((0, 2, 8), (1, 2, 2)):  # the second: more trials than fit, on what was asked for
        clock[0] += 500
        patience.look(waits, runs, {"CPU": wanted})
    assert said == []
    clock[0] += 500
    patience.look(1, 0, {"CPU": 2})  # all is there and nothing runs
    assert said == ["no trial has begun yet: 2 CPUs are there, but others have them, or processes start slowly"]


BROKEN = """
The autoscaler failed with the following error:
Traceback (most recent call last):
  File "x.py", line 1, in <module>
botocore.exceptions.NoCredentialsError: Unable to locate credentials
"""


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (STATUS, WHY),
        (NOTHING, "Ray has asked nobody for one"),
        (NOTHING + BROKEN, "botocore.exceptions.NoCredentialsError: Unable to locate credentials"),
    ],
)
def test_the_reason_is_rays(monkeypatch: pytest.MonkeyPatch, status: str, reason: str) -> None:
    monkeypatch.setattr(waiting, "_status", lambda: status)
    assert why().startswith(reason)


def test_a_question_that_ray_does_not_answer_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_status", lambda: json.loads("{"))
    assert why().startswith("Ray does not say (Expecting property name")


def test_a_cluster_that_does_not_answer_ends_nothing(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: json.loads("{"))
    patience = Patience(pytest.fail)
    clock[0] += 500
    patience.look(1, 0, {"CPU": 2})


def test_a_trial_without_a_machine_is_not_shown_as_running(
    driver: Driver,  # noqa: F811
    clock: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(driver.packing, "capacity", Capacity(32, 8))
    stream = io.StringIO()
    progress = Progress(driver, Console(file=stream, width=200), 2)
    assert driver.next("b")
    for flight in driver.in_flight.values():
        flight.last_sign = flight.last_look = time.time() - 71
    trials = [SimpleNamespace(trial_id="b", status="PENDING"), SimpleNamespace(trial_id="a", status="RUNNING")]
    progress.on_step_begin(trials=trials)
    line = progress.line()
    assert "90/750 (alive 71 s ago)" in line
    assert line.count("alive") == 1
    assert line.endswith("waiting: 1")
    clock[0] += 200
    progress.last_looked = 0
    trials[1].status = "PENDING"
    progress.on_step_begin(trials=trials)
    assert "no trial runs yet" in progress.line()
    assert "to go" not in progress.line()
    assert "alive" not in progress.line()
    assert "running: -  waiting: 2" in progress.line()
    assert "waiting for a machine (asked for 8 GPUs, there: 0; why: gpu, 2 launching" in stream.getvalue()
