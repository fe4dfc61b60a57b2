"""A local run in a hostile setting: misleading variables, secrets to keep, signals, and a Ray that dies."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tune.leaks import ONE_TRIAL, SECRETS, Leaks
from tests.tune.smoke import QUIET, command, records

pytestmark = [pytest.mark.ray, pytest.mark.timeout(3600)]

FEW_TRIALS = [
    *QUIET,
    *("--set", "grid={arch: gru, d_model: 8}", "--set", "hypotheses=[]", "--set", "budget.steps=600"),
    *("--set", "search.num_trials=4", "--set", "measure.num_seeds=2", "--max-concurrent", "1"),
]
GO_ON = "what has ended is kept, the same command goes on from there"
MISLEADING = {
    "RAY_ADDRESS": "10.255.255.1:6379",
    "RAY_NAMESPACE": "elsewhere",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN_PATH": "/nowhere/token",
    "RAY_TMPDIR": "/nowhere",
    "RAY_JOB_CONFIG_JSON_ENV_VAR": "{}",
    "RAY_RUNTIME_ENV_HOOK": "no.such.hook",
    "TUNE_MAX_PENDING_TRIALS_PG": "0",
    "CUDA_VISIBLE_DEVICES": "",
    "OMP_NUM_THREADS": "64",
    "http_proxy": "http://10.255.255.1:3128",
    "https_proxy": "http://10.255.255.1:3128",
    "grpc_proxy": "http://10.255.255.1:3128",
}


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Where the driver's Ray works: short enough for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def started(arguments: list[str], scratch: Path, cwd: Path | None = None, **variables: str) -> subprocess.Popen[str]:
    """A driver that works in `scratch`, and runs this code wherever it is started."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **variables, "TMPDIR": str(scratch)}
    pipe = subprocess.PIPE
    return subprocess.Popen(arguments, stdout=pipe, stderr=pipe, text=True, env=environment, cwd=cwd)


def part_of_ray(name: str, scratch: Path) -> int | None:
    """Process id of the run's GCS or raylet, None before it starts."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if words[0].endswith(f"/{name}") and str(scratch) in " ".join(words):
            return int(process.name)
    return None


def test_a_local_run_is_local_and_secret_whatever_the_environment_says(scratch: Path, tmp_path: Path) -> None:
    leaks = Leaks(scratch, tmp_path)
    with started(command(tmp_path, *ONE_TRIAL), scratch, **MISLEADING, **SECRETS) as driver:
        leaks.look_until_it_ends(driver)
        said = "".join(driver.communicate())
    assert driver.returncode == 0, said
    assert leaks.found == set()
    assert "marker-" not in said
    assert any(name.startswith("runtime_env_agent") for name in leaks.looked_at)
    assert len(records(tmp_path)) == 2
    assert list(scratch.glob("fsm-*")) == []


@pytest.mark.parametrize("part", ["raylet", "gcs_server"])
def test_a_driver_whose_ray_dies_ends_and_the_next_one_goes_on(part: str, scratch: Path, tmp_path: Path) -> None:
    with started(command(tmp_path, *FEW_TRIALS), scratch) as driver:
        while not records(tmp_path):
            assert driver.poll() is None, driver.communicate()
            time.sleep(0.1)
        os.kill(part_of_ray(part, scratch) or 0, signal.SIGKILL)
        _, problem = driver.communicate(timeout=900)
    assert driver.returncode == 1, problem
    assert re.search(rf"parts of Ray have died \(.*{part}, exit code -9.*\).*; {GO_ON}", problem)
    assert part_of_ray("raylet", scratch) is None
    assert (tmp_path / "spectrum-smoke" / "manifest.json").exists()
    kept = records(tmp_path)
    again = subprocess.run(command(tmp_path, *FEW_TRIALS), capture_output=True, text=True, timeout=900)
    assert again.returncode == 0, again.stderr
    assert kept.items() <= records(tmp_path).items()


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("when", ["before", "during"])
def test_a_signal_while_ray_starts_is_told(number: signal.Signals, when: str, scratch: Path, tmp_path: Path) -> None:
    with started(command(tmp_path, *QUIET), scratch) as driver:
        assert driver.stdout is not None
        driver.stdout.readline()
        while when == "during" and part_of_ray("gcs_server", scratch) is None:
            time.sleep(0.02)
        driver.send_signal(number)
        _, problem = driver.communicate(timeout=900)
    assert driver.returncode == 143, problem
    assert problem.strip() == f"terminated; {GO_ON}"
    assert part_of_ray("gcs_server", scratch) is None
    assert list(scratch.glob("fsm-*")) == []


def test_whoever_stops_reading_ends_the_run_in_a_line(scratch: Path, tmp_path: Path) -> None:
    with started(command(tmp_path, *ONE_TRIAL), scratch) as driver:
        assert driver.stdout is not None
        assert driver.stderr is not None
        driver.stdout.readline()
        driver.stdout.close()
        problem = driver.stderr.read()
    assert driver.returncode == 2, problem
    assert problem.startswith("error: whoever read standard output has closed it; what has ended is kept")
    assert problem.count("\n") == 1


def test_a_closed_standard_output_is_refused(tmp_path: Path) -> None:
    arguments = " ".join(["exec", *command(tmp_path, *QUIET), ">&-"]).replace("{", "'{").replace("}", "}'")
    refused = subprocess.run(["sh", "-c", arguments], capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2
    assert refused.stderr == "error: standard output is closed; send it to a file, as in `> log.txt`\n"
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_for_temporary_files_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with started([*command(tmp_path / "results", *QUIET)], tmp_path / "gone") as driver:
        _, problem = driver.communicate(timeout=900)
    assert driver.returncode == 2
    assert problem.strip() == (
        f"error: Ray needs a folder for temporary files: {tmp_path}/gone: TMPDIR is no folder; name one that is, or "
        "unset it"
    )
    assert list(tmp_path.iterdir()) == []
