"""The log that wandb keeps of a run on the disk (run-ID.wandb), read by wandb's own reader."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fsm_icl.tracking.account import core


@dataclass
class RunLog:
    """What a run's log holds."""

    job_type: str | None = None
    entity: str | None = None
    project: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    rows: list[Mapping[str, Any]] = field(default_factory=list)
    """The history, in the order it was logged."""
    exit_code: int | None = None
    """None where the log was cut off before its end."""


def read_log(path: Path) -> RunLog:
    """The run of a log; one that was cut off reads as far as it goes. Raises ValueError where it can't be read."""
    run = RunLog()
    for record in _inspected(path):
        match record["type"]:
            case "run":
                head = record["run"]
                run.job_type, run.entity, run.project = (head.get(n) for n in ("job_type", "entity", "project"))
                run.config |= head.get("config", {}).get("update", {})
            case "config":
                run.config |= record["config"].get("update", {})
            case "summary":
                run.summary |= record["summary"].get("update", {})
            case "history":
                run.rows.append(record["history"]["item"])
            case "exit":
                run.exit_code = record["exit"].get("exit_code", 0)
    run.config.pop("_wandb", None)
    return run


def _inspected(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a log, as `wandb leet inspect --json` prints them. Its core is called: 30 ms, not 800."""
    command = [core(), "leet", "inspect", "--json", "--run-file", str(path), str(path.parent.parent)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        raise ValueError(f"{path}: cannot be read: {done.stderr.strip()}")
    return (json.loads(line) for line in done.stdout.split("\n") if line)
