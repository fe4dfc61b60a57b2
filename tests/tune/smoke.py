"""The smoke sweep of `spectrum` as a user runs it, and what it leaves behind."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.progress import run

TRIALS = 5 * (4 + 2)
QUIET = ("--wandb", "disabled")
"""For tests of other things: a sweep's own W&B run takes seconds, since all figures are made for it."""
OF_THE_CLOCK = {"timeline.csv", "matchings.csv", "declarations.csv"}


def command(results: Path, *arguments: str) -> list[str]:
    base = [sys.executable, "-m", "fsm_icl.tune", "spectrum", "--scale", "smoke", "--results", str(results)]
    return [*base, *arguments]


def sweep(results: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(command(results, *arguments), results)


def records(results: Path) -> dict[str, Any]:
    """Hash -> what a trial found, without what the clock said."""
    found = {}
    for path in (results / "spectrum-smoke" / "records").glob("*.json"):
        record = json.loads(path.read_text())
        end = record["end"]
        found[path.stem] = (record["reports"], end["outcome"], end["test"], end["steps"])
    return found


@functools.cache
def table(results: Path) -> dict[str, bytes]:
    """What analysis makes of a finished sweep: every CSV but those of the clock, byte for byte."""
    analysis = [sys.executable, "-m", "analysis", "spectrum", "--scale", "smoke", "--results", str(results)]
    done = run(analysis, results)
    assert done.returncode == 0, done.stderr
    figures = results / "spectrum-smoke" / "figures"
    return {p.name: p.read_bytes() for p in figures.glob("*.csv") if p.name not in OF_THE_CLOCK}
