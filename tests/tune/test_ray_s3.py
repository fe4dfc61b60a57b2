"""A sweep whose results lie in an object store: killed, taken over, finished, read by every command."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fsm_icl
from fsm_icl.results.files import as_folder
from fsm_icl.results.reading import read_records
from tests import s3
from tests.progress import HOWEVER_LONG
from tests.tune.smoke import TRIALS, command, records

pytestmark = [pytest.mark.ray, pytest.mark.timeout(HOWEVER_LONG)]


@pytest.fixture(scope="module")
def uri() -> Iterator[str]:
    with s3.served() as uri:
        yield uri


def found(uri: str) -> dict[str, Any]:
    """As `records`, from the object store."""
    kept = read_records(as_folder(uri) / "spectrum-smoke")
    plain = {h: r.model_dump(mode="json") for h, r in kept.items()}
    return {h: (r["reports"], r["end"]["outcome"], r["end"]["test"], r["end"]["steps"]) for h, r in plain.items()}


@pytest.mark.parametrize("command", [["fsm_icl.cli", "status"], ["analysis"]])
def test_a_store_out_of_reach_is_told_in_a_line(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for where in (["s3://bucket/sweep"], ["spectrum", "--results", "s3://bucket/results"]):
        message = said(*command, *where, code=2)
        assert re.fullmatch(r"error: .*s3://bucket/\S+: EndpointConnectionError: Could not connect.*", message)


def said(*arguments: str, code: int = 0) -> str:
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, timeout=HOWEVER_LONG)
    assert done.returncode == code, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def test_a_sweep_at_a_uri_survives_its_driver(
    uri: str, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tune = command(Path("unused"))[1:4]
    sweep = [*tune, "--scale", "smoke", "--results", uri]
    with subprocess.Popen([sys.executable, *sweep], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as driver:
        while len(found(uri)) < 5:
            assert driver.poll() is None, driver.stderr.read() if driver.stderr else ""
            time.sleep(0.1)
        refused = said(*sweep[1:], code=2)
        assert re.search(rf"in use by pid {driver.pid} on .*one driver at a time", refused)
        assert f"driver: pid {driver.pid} on" in said("fsm_icl.cli", "status", f"{uri}/spectrum-smoke")
        driver.send_signal(signal.SIGKILL)
    kept = found(uri)
    taken_over = said(*sweep[1:])
    assert "waiting up to 20 s for a sign of life" in taken_over
    assert "W&B: " not in taken_over, taken_over
    assert found(uri) == records(undisturbed)
    assert kept.items() <= found(uri).items()

    (local,) = (tmp_path / "results").glob("spectrum-smoke-*")
    markers = as_folder(f"{uri}/spectrum-smoke").glob("wandb/*.done")
    assert {path.name.removesuffix(".done") for path in markers} == set(kept | found(uri))
    assert f"next: python -m analysis {uri}/spectrum-smoke" in taken_over
    analysed = said("analysis", "spectrum", "--scale", "smoke", "--results", uri)
    assert str(local.relative_to(tmp_path) / "figures" / "report.html") in analysed
    assert f"{TRIALS} of {TRIALS} trials done" in said(*sweep[1:], "--plan")
    trial = next(iter(kept))
    assert f"trial {trial}" in said("fsm_icl.cli", "logs", f"{uri}/spectrum-smoke", trial[:12])
    assert "same, bit for bit" in said("fsm_icl.cli", "verify", f"{uri}/spectrum-smoke", "--sample", "1")
    model, config = fsm_icl.load(f"{uri}/spectrum-smoke", "gru-d16-L1", seed=1)
    assert config.model.arch == "gru"
    assert not model.training
    checkpoints = list(as_folder(f"{uri}/spectrum-smoke").glob("trials/*/checkpoint.pt"))
    assert checkpoints == []
    assert os.listdir(tmp_path) == ["results"]
