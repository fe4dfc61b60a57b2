"""The tracker against a server that comes and goes. In processes: wandb remembers host and key."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analysis.sources.wandb_runs import _read_log
from tests import wandb_account
from tests.tracking.test_tracker import trials
from tests.wandb_double import Double, Fault, serving

Drive = Callable[..., str]
"""Folder, mode and number of trials -> what the tracker says went wrong."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
CODE = """
import sys, time
from pathlib import Path
from fsm_icl.tracking.tracker import Tracker
from tests.tracking.test_tracker import trials
from fsm_icl.tracking.trial_runs import TrialRuns
ended = trials(6)
logged = Tracker(TrialRuns(Path(sys.argv[1]), "spectrum", "0123abcd", "laptop", "online"))
def rows(first, last):
    began = time.monotonic()
    for planned, record in ended:
        for report in record.reports[first:last]:
            logged.report(planned, report)
    assert time.monotonic() - began < 0.5, "a trial would have waited"
rows(0, 5)
print("half", flush=True)
sys.stdin.readline()
rows(5, 10)
for planned, record in ended[:4]:
    logged.record(planned, record)
began, cpu = time.monotonic(), time.process_time()
logged.close()
print(f"{time.monotonic() - began:.1f}")
print(logged.problem)
"""


class Driver:
    """Six trials, the last two of which do not end, logged online."""

    def __init__(self, folder: Path, double: Double) -> None:
        environment = wandb_account.environment(folder.parent / "home", double)
        command = [sys.executable, "-c", CODE, str(folder)]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.process = subprocess.Popen(command, env=environment, text=True, **pipes)  # type: ignore[call-overload]

    def half_way(self, double: Double) -> None:
        """Wait until all runs are open; their rows wait on the client's side, it sends every 15 s."""
        assert self.process.stdout.readline() == "half\n", self.process.stderr.read()
        deadline = time.monotonic() + 30
        while len(double.runs) < 6:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def go_on(self) -> None:
        """Let it log the second half and close."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> tuple[float, str]:
        """Seconds that closing took, and what the tracker says went wrong."""
        out, err = self.process.communicate(timeout=90)
        assert self.process.returncode == 0, err
        seconds, problem = out.splitlines()
        return float(seconds), problem


@pytest.fixture
def double() -> Iterator[Double]:
    with serving() as double:
        yield double


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sweep" / "wandb").mkdir(parents=True)
    return tmp_path / "sweep"


def expected() -> int:
    """Rows of the four trials that end."""
    return sum(len(record.reports) for _, record in trials(4))


def rows(double: Double) -> tuple[int, int]:
    """Rows of ended trials on the server, each step once; and how many rows of any trial came more than once."""
    runs = list(double.runs.values())
    found = sum(len({row["step"] for row in run.rows()}) for run in runs if "outcome" in run.summary)
    return found, sum(len(run.history) - len({row["step"] for row in run.rows()}) for run in runs)


def unsent(folder: Path) -> int:
    logs = [path for path in (folder / "wandb").glob("*run-*/*.wandb") if not path.parent.is_symlink()]
    return sum(not path.with_suffix(".wandb.synced").exists() for path in logs)


def test_a_server_that_stays_has_everything_once(folder: Path, double: Double) -> None:
    driver = Driver(folder, double)
    driver.half_way(double)
    driver.go_on()
    seconds, problem = driver.end()
    assert problem == "None"
    assert seconds < 15
    assert rows(double) == (expected(), 0)
    assert len(double.runs) == 6
    assert unsent(folder) == 2
    assert len(list(folder.glob("wandb/*.done"))) == 4


def test_a_driver_that_is_killed_leaves_its_rows_on_the_disk(folder: Path, double: Double) -> None:
    """They lie there within a second (x_transaction_log_flush_interval)."""
    driver = Driver(folder, double)
    driver.half_way(double)
    time.sleep(2.5)
    driver.process.kill()
    driver.process.communicate()
    logs = [path for path in folder.glob("wandb/run-*/*.wandb") if not path.parent.is_symlink()]
    rows = [len(_read_log(path).rows()) for path in logs]
    assert rows == [5] * 6


@pytest.mark.parametrize("kept", [0, 30])
def test_a_server_that_comes_back_has_everything(folder: Path, double: Double, kept: int) -> None:
    """It goes at once, or keeps some rows without saying so, which then come twice."""
    driver = Driver(folder, double)
    driver.half_way(double)
    if kept:
        double.rows_until_down = kept
    else:
        double.down()
    driver.go_on()
    deadline = time.monotonic() + 30
    while double.fault != "down":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(2)
    double.rows_until_down = None
    double.up()
    assert driver.end()[1] == "None"
    found, doubled = rows(double)
    assert found == expected()
    assert (doubled > 0) == (kept > 0)


@pytest.mark.parametrize("fault", ["down", "error", "slow"])
def test_a_server_that_is_gone_costs_less_than_half_a_minute_and_no_row(
    folder: Path, double: Double, fault: Fault
) -> None:
    driver = Driver(folder, double)
    driver.half_way(double)
    if fault == "down":
        double.down()
    else:
        double.fault = fault
    driver.go_on()
    seconds, problem = driver.end()
    assert seconds < 30
    assert problem.startswith("went offline for the rest of the sweep (TimeoutError")
    assert f"fsm-icl sync {folder} sends it" in problem
    assert unsent(folder) == 6
    assert len(list(folder.glob("wandb/*.done"))) == 4


def test_a_server_that_takes_no_rows_is_told(folder: Path, double: Double) -> None:
    """Out of quota, say: wandb itself ends such a run as if nothing were wrong."""
    driver = Driver(folder, double)
    driver.half_way(double)
    double.refusals["file_stream"] = "storage quota exceeded"
    driver.go_on()
    problem = driver.end()[1]
    assert problem.startswith("W&B did not take all of it (storage quota exceeded); nothing is lost: fsm-icl sync")
    assert unsent(folder) == 6
    assert len(list(folder.glob("wandb/*.done"))) == 4


ELSEWHERE = """
import sys
from pathlib import Path
from fsm_icl.tracking.tracker import Tracker
from tests.tracking.test_tracker import trials
local, results, mode, count = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
from fsm_icl.tracking.trial_runs import TrialRuns
(local / "wandb").mkdir(parents=True, exist_ok=True)
logged = Tracker(TrialRuns(local, "spectrum", "0123abcd", "laptop", mode, results))
logged.catch_up(trials(count))
logged.close()
print(logged.problem)
"""


@pytest.fixture
def drive(tmp_path: Path, double: Double) -> Drive:
    """Each driver has a working folder of its own, the results are in one place: a bucket, say."""
    (tmp_path / "results" / "wandb").mkdir(parents=True)
    environment = wandb_account.environment(tmp_path / "home", double)

    def drive(folder: str, mode: str, count: int = 3) -> str:
        command = [sys.executable, "-c", ELSEWHERE, str(tmp_path / folder), str(tmp_path / "results"), mode, str(count)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90)
        assert done.stderr == ""
        return done.stdout.strip()

    return drive


def test_results_that_lie_elsewhere_are_sent_once(tmp_path: Path, double: Double, drive: Drive) -> None:
    expected = sum(len(record.reports) for _, record in trials(3))
    assert drive("offline", "offline") == "None"
    assert not double.runs
    for folder in ("first", "second", "third"):
        assert drive(folder, "online") == "None"
        assert sum(len(run.history) for run in double.runs.values()) == expected
    assert len(list(tmp_path.glob("results/wandb/*.done"))) == 3
    assert not list(tmp_path.glob("second/wandb/run-*"))


def test_a_server_that_is_slow_and_answers_is_waited_for(double: Double, drive: Drive) -> None:
    """Each answer takes 5.5 s: opening a run takes two of them, and ending it five."""
    double.delay = 5.5
    assert drive("slow", "online", 1) == "None"
    ((_, record),) = trials(1)
    assert rows(double) == (len(record.reports), 0)


@pytest.mark.parametrize(
    ("fault", "why"), [("down", "CommError"), ("error", "CommError"), ("slow", "http://127.0.0.1:{} does not answer")]
)
def test_a_server_that_is_gone_from_the_start_costs_less_than_half_a_minute(
    tmp_path: Path, double: Double, drive: Drive, fault: Fault, why: str
) -> None:
    if fault == "down":
        double.down()
    else:
        double.fault = fault
    began = time.monotonic()
    problem = drive("gone", "online", 2)
    assert time.monotonic() - began < 30
    assert problem.startswith(f"went offline for the rest of the sweep ({why.format(double.port)}")
    assert unsent(tmp_path / "gone") == 2
    assert len(list(tmp_path.glob("results/wandb/*.done"))) == 2
