"""One real sweep with Ray, online against a server on loopback: what arrives, and what is found nowhere."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from analysis.sources.sweep import load_sweep
from tests import wandb_account
from tests.progress import HOWEVER_LONG
from tests.wandb_double import KEY, Double, serving

pytestmark = [pytest.mark.ray, pytest.mark.timeout(HOWEVER_LONG)]
USER = "marker-user"


@dataclass
class Swept:
    folder: Path
    home: Path
    double: Double
    scratch: set[Path]
    """Files that Ray had on the disk while the sweep ran."""
    leaks: set[Path]
    """Those of them that held the key."""


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swept]:
    """The key is in the environment of everything; Ray's files go with it, so they are read while it runs."""
    base = tmp_path_factory.mktemp(USER)
    # Its path is short enough for Ray's sockets.
    with serving() as double, tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as temporary:
        who = {"USER": USER, "LOGNAME": USER, "TMPDIR": temporary}
        environment = wandb_account.environment(base / "home", double) | who
        arguments = ["spectrum", "--scale", "smoke", "--results", str(base / "results"), "--wandb", "auto"]
        command = [sys.executable, "-m", "fsm_icl.tune", *arguments, "--max-concurrent", "2"]
        scratch: set[Path] = set()
        leaks: set[Path] = set()
        with (
            (base / "said").open("w") as said,
            subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT) as driver,
        ):
            while driver.poll() is None:
                scratch |= (found := files(Path(temporary)))
                leaks |= holding(found, KEY)
                time.sleep(0.5)
        assert driver.returncode == 0, (base / "said").read_text()
        yield Swept(base / "results" / "spectrum-smoke", base / "home", double, scratch, leaks)


def files(folder: Path) -> set[Path]:
    """Those there are now; os.walk takes it calmly when folders go away meanwhile."""
    paths = {Path(root, name) for root, _, names in os.walk(folder) for name in names}
    return {path for path in paths if path.is_file() and not path.is_symlink()}


def holding(paths: set[Path], text: str) -> set[Path]:
    found = set()
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError:
            continue  # gone, or a socket
        if text.encode() in content:
            found.add(path)
    return found


def test_the_key_is_in_no_file(swept: Swept) -> None:
    left = files(swept.folder.parents[1])
    assert {".wandb", ".json", ".log"} <= {path.suffix for path in left}
    assert any("session_" in str(path) and path.suffix in (".log", ".out", ".err") for path in swept.scratch)
    encoded = base64.b64encode(f"api:{KEY}".encode())
    assert any(encoded in request for request in swept.double.traffic)  # it was in use
    assert holding(left, KEY) == set()
    assert holding(left, encoded.decode()) == set()
    assert swept.leaks == set()


def test_nothing_that_arrives_says_who_or_where(swept: Swept) -> None:
    words = [USER, f'"{socket.gethostname()}"', str(Path(__file__).parents[2]), sys.prefix, "/tmp/"]
    assert not [name for name in swept.double.files if name.endswith(("metadata.json", "requirements.txt", ".log"))]
    words.append("wandb-events.jsonl")  # statistics of the machine
    for word in words:
        assert not [request[:500] for request in swept.double.traffic if word.encode() in request], word


def test_every_trial_is_a_run_with_each_row_once(swept: Swept) -> None:
    sweep = load_sweep(swept.folder)
    runs = {run.config["hash"]: run for run in swept.double.runs.values() if "hash" in run.config}
    assert set(runs) == set(sweep.records)
    for trial, record in sweep.records.items():
        run = runs[trial]
        assert [row["step"] for row in run.rows()] == [report.step for report in record.reports]
        assert {record.end.outcome, record.phase, "smoke"} <= set(run.upserts["tags"])
        assert run.upserts["jobType"] == record.phase
        assert run.upserts["groupName"] == f"spectrum-{sweep.manifest.id}"
        assert run.exit_code == 0
    assert not swept.double.unknown


def test_the_sweep_has_a_run_of_its_own_with_its_figure(swept: Swept) -> None:
    run = swept.double.runs[f"{load_sweep(swept.folder).manifest.id}-sweep"]
    row = run.rows()[-1]
    assert {"figures/spectrum", "tables/cells", "tables/trials", "tables/verdicts"} <= set(row)
    assert run.upserts["notes"].startswith("# ")
    held = {path.rpartition("/")[2] for path in swept.double.files}
    assert {"manifest.json", "sweep.yaml", "spectrum.png", "cells.csv", "report.md"} <= held


def test_auto_says_why_in_one_line(swept: Swept) -> None:
    said = (swept.home.parent / "said").read_text()
    assert f"W&B: online, because there is a key for {swept.double.url} and it answers" in " ".join(said.split())
    assert "wandb:" not in said
