"""The live table and its plain lines, over trials that only seem to run."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from fsm_icl.sweep.protocol.planner import Planner
from fsm_icl.sweep.store.store import Store
from fsm_icl.tracking.tracker import Tracker
from fsm_icl.tracking.trial_runs import TrialRuns
from fsm_icl.tune import live_table as progress_module
from fsm_icl.tune.driver import Driver
from fsm_icl.tune.live_table import Progress
from tests.sweep import simulate
from tests.tune.test_driver import PACKING, row


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    sweep = simulate.loaded()
    records = simulate.run(sweep, stop_after=20)
    with Store(tmp_path) as store:
        store.records.update(records)
        planner = Planner(sweep.spec, simulate.cells(sweep), store.records)
        tracker = Tracker(TrialRuns(tmp_path, "spectrum", store.id, "laptop", "disabled"))
        driver = Driver(planner, store, tracker, lambda: pytest.fail("no cell is decided here"), PACKING, 60)
        assert driver.next("a")
        driver.heard("a", row(90))
        yield driver


def test_a_terminal_gets_a_table_with_a_row_a_cell(driver: Driver) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120)
    progress = Progress(driver, console, 2)
    progress.setup()
    progress.close()
    shown = stream.getvalue()
    for plan in driver.planner.plans:
        assert plan.cell.label in shown
    assert "90/750" in shown
    assert "to go" in shown


def test_a_slow_trial_is_seen_to_be_alive(driver: Driver) -> None:
    progress = Progress(driver, Console(file=io.StringIO()), 2)
    (flight,) = driver.in_flight.values()
    flight.last_sign = flight.last_look = time.time() - 300
    assert "90/750 (alive 300 s ago)" in progress.line()
    checkpoint = driver.store.trial_folder(flight.planned.hash).checkpoint
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    assert "(alive 3" in progress.line()  # asked a moment ago
    flight.last_look -= 60
    assert "alive" not in progress.line()


def test_elsewhere_a_line_comes_when_it_is_time(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    progress = Progress(driver, Console(file=stream, width=110), 2)
    progress.setup()
    progress.on_step_begin()
    assert stream.getvalue() == ""
    monkeypatch.setattr(progress_module, "SECONDS_BETWEEN_LINES", 0.0)
    progress.on_step_begin()
    assert "20/70 trials done" in stream.getvalue()
    assert "90/750" in stream.getvalue()
