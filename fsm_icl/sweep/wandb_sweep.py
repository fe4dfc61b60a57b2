"""The sweep's own W&B run: sweep file, manifest, final table, figures and verdicts. Replaced at each driver's end.

It is written offline by a process of its own, in the sweep's `wandb/` folder: an artifact's manifest names the files
that it was made from, and from there their paths say nothing about this machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fsm_icl.account import child_environment
from fsm_icl.records import Manifest
from fsm_icl.runs import PROJECT, SWEEP_JOB, group_of, sweep_config
from fsm_icl.sweep.wandb_runs import settings

CONTENT = Path("sweep")
"""Below `wandb/`: what the run shows, and what its artifact holds."""
_STAGING = Path("staging")
SECONDS = 120


def log_sweep(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Log the sweep's own run; `files` (manifest.json among them) is all that it shows. Returns the log's folder.

    Nothing is done where the same has been logged before.

    Raises:
        OSError: it can't be written, or W&B could not do it.
        subprocess.TimeoutExpired: it took too long.
    """
    home = folder / "wandb"
    run_id = f"{Manifest.model_validate_json(files['manifest.json']).id}-{SWEEP_JOB}"
    earlier = [path.parent for path in home.glob(f"*run-*-{run_id}/*.wandb") if not path.parent.is_symlink()]
    if earlier and _content(home / CONTENT) == files:
        return earlier
    for path in (*earlier, home / CONTENT, home / _STAGING):
        shutil.rmtree(path, ignore_errors=True)
    (home / CONTENT).mkdir(parents=True)
    for name, content in files.items():
        (home / CONTENT / name).write_bytes(content)
    command = [sys.executable, "-P", "-m", "fsm_icl.sweep.wandb_sweep"]
    environment = child_environment() | {"WANDB_DATA_DIR": str((home / _STAGING).absolute())}  # else the home folder
    done = subprocess.run(
        command, cwd=home, env=environment, capture_output=True, encoding="utf-8", errors="replace", timeout=SECONDS
    )
    if done.returncode:
        raise OSError((done.stderr.splitlines() or ["no reason given"])[-1])
    return [path.parent for path in home.glob(f"*run-*-{run_id}/*.wandb") if not path.parent.is_symlink()]


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*")}


def _log() -> None:
    """Log what lies in ./sweep; . is the sweep's `wandb/`."""
    import wandb

    _keep_paths_relative(wandb.Artifact)
    manifest = Manifest.model_validate_json((CONTENT / "manifest.json").read_bytes())
    report = CONTENT / "report.md"
    run = wandb.init(
        project=PROJECT,
        group=group_of(manifest.sweep, manifest.id),
        job_type=SWEEP_JOB,
        id=f"{manifest.id}-{SWEEP_JOB}",
        name=f"{manifest.sweep} {manifest.scale}",
        tags=[manifest.sweep, manifest.scale, SWEEP_JOB],
        notes=report.read_text(encoding="utf-8") if report.is_file() else None,
        config=sweep_config(manifest),
        dir="..",
        mode="offline",
        settings=settings(),
    )
    shown = {f"figures/{path.stem}": wandb.Image(str(path)) for path in sorted(CONTENT.glob("*.png"))}
    tables = {path.stem: _table(path) for path in sorted(CONTENT.glob("*.csv"))}
    run.log({**shown, **{f"tables/{name}": wandb.Table(dataframe=table) for name, table in tables.items()}})
    artifact = wandb.Artifact(group_of(manifest.sweep, manifest.id), type=SWEEP_JOB)
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
    _log()
