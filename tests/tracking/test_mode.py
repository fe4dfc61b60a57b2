"""Where W&B runs go: decided once, without a prompt, with a reason. In processes: wandb remembers host and key."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import wandb_account
from tests.wandb_double import Double, serving

CODE = """
import sys
from fsm_icl.tracking.mode import TrackingError, decide
try:
    print(*decide(sys.argv[1]))
except TrackingError as error:
    print(error)
"""


def decided(choice: str, home: Path, double: Double | None, **variables: str) -> str:
    command = [sys.executable, "-c", CODE, choice]
    environment = wandb_account.environment(home, double) | variables
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=50
    ).stdout.strip()


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("offline", "offline None"),
        ("online", "--wandb online: no API key for https://"),
        ("auto", "offline W&B: offline, because no API key for https://"),
    ],
)
def test_without_a_key(choice: str, said: str, tmp_path: Path) -> None:
    out = decided(choice, tmp_path / "home", None)
    assert out.startswith(said)
    assert choice == "offline" or "run `wandb login`" in out
    assert "\n" not in out


@pytest.mark.parametrize("mode", ["nonsense", "online", "disabled"])
def test_the_option_goes_before_the_variable_and_that_is_said(mode: str, tmp_path: Path) -> None:
    told = f"offline W&B: offline as --wandb offline says; WANDB_MODE={mode!r} is not read"
    assert decided("offline", tmp_path, None, WANDB_MODE=mode) == told
    assert decided("auto", tmp_path, None, WANDB_MODE=mode).startswith("offline W&B: offline, because no API key for")
    assert decided("offline", tmp_path, None, WANDB_MODE="offline") == "offline None"


@pytest.mark.slow
def test_with_a_key_the_server_decides(tmp_path: Path) -> None:
    with serving() as double:
        url = double.url
        told = f"online W&B: online, because there is a key for {url} and it answers"
        assert decided("auto", tmp_path, double) == told
        assert decided("online", tmp_path, double) == "online None"
        double.delay = 4.0
        assert decided("online", tmp_path, double) == "online None"  # asked for, so it is waited for
        assert "does not answer in 3 s" in decided("auto", tmp_path, double)
        double.delay, double.fault = 0.0, "error"
        assert f"{url} is in trouble (HTTP Error 500" in decided("auto", tmp_path, double)
        double.down()
        told = f"offline W&B: offline, because {url} does not answer in 3 s"
        assert decided("auto", tmp_path, double).startswith(told)
        refused = decided("online", tmp_path, double)
        assert refused.startswith(f"--wandb online: {url} does not answer")
        assert refused.endswith("or use --wandb offline")
