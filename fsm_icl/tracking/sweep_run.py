"""The sweep's own W&B run: sweep file, manifest, final table, figures and verdicts. Replaced at each driver's end.

It is written offline by a process of its own, in the sweep's `wandb/` folder: an artifact's manifest names the files
that it was made from, and from there their paths say nothing about this machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fsm_icl.results.layout import SweepFolder
from fsm_icl.results.records import Manifest
from fsm_icl.tracking.account import Destination, child_environment, client, first_line
from fsm_icl.tracking.encoding import SWEEP_JOB, artifact_of, group_of, sweep_config
from fsm_icl.tracking.limits import NAME, NOTES, cut, shortened_value, tags
from fsm_icl.tracking.markers import logs_below
from fsm_icl.tracking.trial_runs import run_settings

CONTENT = Path("sweep")
"""Below `wandb/`: what the run shows, and what its artifact holds."""
_STAGING = Path("staging")
_COMPLETE = Path("sweep.complete")
"""Below `wandb/`: names the folder of the log that is whole, written when it is."""
SECONDS = 300


def log_sweep(folder: Path, files: Mapping[str, bytes], to: Destination | None = None) -> list[Path]:
    """Log the sweep's own run; `files` (manifest.json among them) is all that it shows. Returns the log's folder.

    Nothing is done where the same has been logged before, in full.

    Raises:
        OSError: it can't be written, or W&B could not do it.
        subprocess.TimeoutExpired: it took too long.
    """
    home, to = SweepFolder(folder).wandb, to or Destination()
    sweep_id = Manifest.model_validate_json(files["manifest.json"]).id
    earlier = _logs(home, sweep_id)
    if earlier and [path.name for path in earlier] == _complete(home, to) and _content(home / CONTENT) == files:
        return earlier
    (home / _COMPLETE).unlink(missing_ok=True)
    for path in (*earlier, home / CONTENT, home / _STAGING):
        shutil.rmtree(path, ignore_errors=True)
    (home / CONTENT).mkdir(parents=True)
    for name, content in files.items():
        (home / CONTENT / name).write_bytes(content)
    command = [sys.executable, "-P", "-m", "fsm_icl.tracking.sweep_run", json.dumps([to.entity, to.project])]
    environment = child_environment() | {"WANDB_DATA_DIR": str((home / _STAGING).absolute())}  # else the home folder
    done = subprocess.run(
        command, cwd=home, env=environment, capture_output=True, encoding="utf-8", errors="replace", timeout=SECONDS
    )
    logged = _logs(home, sweep_id)
    if done.returncode or not logged:
        for path in logged:
            shutil.rmtree(path, ignore_errors=True)  # half of a run is none
        raise OSError((done.stderr.splitlines() or ["no reason given"])[-1])
    (home / _COMPLETE).write_text(json.dumps([to.entity, to.project, *(path.name for path in logged)]))
    return logged


def is_complete(log: Path) -> bool:
    """Whether `log` is the one that was last written to its end."""
    found = _read(log.parent.parent)
    return found is not None and log.parent.name in found[2:]


def _complete(home: Path, to: Destination) -> list[str] | None:
    found = _read(home)
    return found[2:] if found is not None and found[:2] == [to.entity, to.project] else None


def _read(home: Path) -> list[Any] | None:
    try:
        found = json.loads((home / _COMPLETE).read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, list) else None


def _logs(home: Path, sweep_id: str) -> list[Path]:
    """The folders of the sweep's own run."""
    return [path.parent for path in logs_below(home) if path.stem == f"run-{sweep_id}-{SWEEP_JOB}"]


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*")}


def _log(to: Destination) -> None:
    """Log what lies in ./sweep; . is the sweep's `wandb/`."""

    wandb = client(connected=False)
    _keep_paths_relative(wandb.Artifact)
    manifest = Manifest.model_validate_json((CONTENT / "manifest.json").read_bytes())
    report = CONTENT / "report.md"
    notes = report.read_text(encoding="utf-8") if report.is_file() else None
    run = wandb.init(
        entity=to.entity,
        project=to.project,
        group=group_of(manifest.sweep, manifest.id),
        job_type=SWEEP_JOB,
        id=f"{manifest.id}-{SWEEP_JOB}",
        name=cut(f"{manifest.sweep} {manifest.scale}", NAME),
        tags=tags([manifest.sweep, manifest.scale, SWEEP_JOB]),
        notes=notes and shortened_value(notes, NOTES, "(the rest is in report.md of the run's artifact)"),
        config=sweep_config(manifest),
        dir="..",
        mode="offline",
        settings=run_settings("offline"),
    )
    shown = {f"figures/{path.stem}": wandb.Image(str(path)) for path in sorted(CONTENT.glob("*.png"))}
    tables = {path.stem: _table(path) for path in sorted(CONTENT.glob("*.csv"))}
    run.log({**shown, **{f"tables/{name}": wandb.Table(dataframe=table) for name, table in tables.items()}})
    artifact = wandb.Artifact(artifact_of(manifest.sweep, manifest.id), type=SWEEP_JOB)
    for path in sorted(CONTENT.iterdir()):
        artifact.add_file(str(path), policy="immutable", skip_cache=True)
    run.log_artifact(artifact)
    run.finish()


def _table(path: Path) -> Any:
    """A CSV as a data frame in which only what is empty is missing: a claim may be called NA."""
    import pandas as pd

    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def _keep_paths_relative(artifact: Any) -> None:
    """W&B uploads, in an artifact's manifest, where each file lay on the disk: let that be relative to `wandb/`."""
    add = artifact._add_local_file

    def add_relative(self: Any, *args: Any, **kwargs: Any) -> Any:
        entry = add(self, *args, **kwargs)
        entry.local_path = os.path.relpath(entry.local_path)
        return entry

    artifact._add_local_file = add_relative


if __name__ == "__main__":
    try:
        _log(Destination(*json.loads(sys.argv[1])))
    except Exception as error:  # noqa: BLE001  (the driver reads the last line)
        sys.exit(first_line(error))
