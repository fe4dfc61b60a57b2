"""Where analysis takes a sweep from: a results folder, a snapshot, W&B, or the logs of W&B runs on a disk."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.sources.questions import QUESTIONS
from fsm_icl.results.files import as_folder, exists, is_local, on_this_machine
from fsm_icl.results.layout import SweepFolder
from fsm_icl.results.lookup import sweep_folder
from fsm_icl.results.reading import is_imported

if TYPE_CHECKING:
    from analysis.sources.sweep import Sweep
    from fsm_icl.results.files import Folder

ONLINE, OFFLINE = "wandb:", "wandb-offline:"
FORMS = "PATH_OR_URI, wandb:ENTITY/PROJECT/GROUP or wandb-offline:FOLDER"
RESULTS = "results"


def load(sweep: str | None, scale: str | None, results: str) -> Sweep:
    """The sweep that SWEEP, --scale and --results mean, checked.

    A W&B group and a folder of runs are one sweep: SWEEP may be left out, and is checked where it is given, or be
    the source itself, so that two of them can be compared.

    Raises:
        ValueError: nothing is there, it can't be read, or see `load_sweep`; the message says what would be right.
    """
    from analysis.sources.snapshot import is_snapshot, load_snapshot
    from analysis.sources.sweep import checked, load_sweep  # here, not above: --help need not wait for pandas

    if sweep is not None and sweep.startswith((ONLINE, OFFLINE)):
        results, sweep = sweep, None
    if not results.startswith((ONLINE, OFFLINE)):
        place = as_folder(sweep or "")
        if sweep is not None and is_local(place) and is_snapshot(place):
            return load_snapshot(place)
        if sweep in QUESTIONS and is_imported(as_folder(results)):
            return load_sweep(as_folder(results), QUESTIONS[sweep])
        return load_sweep(_folder(sweep, scale, as_folder(results)))
    from analysis.sources import wandb_runs

    if results.startswith(OFFLINE):
        found = wandb_runs.read_logs(on_this_machine(results.removeprefix(OFFLINE)))
    else:
        path = results.removeprefix(ONLINE)
        if not re.fullmatch(r"[^/]+/[^/]+/[^/]+", path):
            raise ValueError(
                f"--results {results}: expected {ONLINE}ENTITY/PROJECT/GROUP; GROUP is the sweep's name and id"
            )
        found = wandb_runs.read_project(path, Path(RESULTS) / "from-wandb" / path)
    named = (found.manifest.sweep, found.manifest.scale)
    if any(asked not in (None, name) for asked, name in zip((sweep, scale), named, strict=True)):
        raise ValueError(f"{found.origin} is {' '.join(named)}, not {sweep or named[0]} {scale or named[1]}")
    return checked(found)


def _folder(sweep: str | None, scale: str | None, results: Folder) -> Folder:
    if exists(SweepFolder(results).manifest) and not (sweep and exists(SweepFolder(as_folder(sweep)).manifest)):
        typed = shlex.quote(str(results))
        raise ValueError(f"--results {results} is itself a sweep's folder; type: python -m analysis {typed}")
    if sweep is None:
        raise ValueError(f"name a sweep, such as spectrum; only with --results {ONLINE}... it may be left out")
    return sweep_folder(sweep, scale, results)
