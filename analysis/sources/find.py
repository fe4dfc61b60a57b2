"""Where analysis takes a sweep from: a results folder, a snapshot, W&B, or the logs of W&B runs on a disk."""

from __future__ import annotations

import pkgutil
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

from analysis.sources.questions import QUESTIONS
from fsm_icl.results.files import as_folder, exists, is_local
from fsm_icl.results.layout import SweepFolder
from fsm_icl.results.lookup import sweep_folder
from fsm_icl.results.reading import is_imported

if TYPE_CHECKING:
    from analysis.sources.sweep import SourceContents, Sweep
    from fsm_icl.results.files import Folder

SOURCES = {
    "wandb:": "analysis.sources.wandb_runs:read_project",
    "wandb-offline:": "analysis.sources.wandb_runs:read_logs",
}
"""How a location begins -> the function that reads what follows: text -> SourceContents. One line per source; all
other locations are folders."""
FORMS = "PATH_OR_URI, wandb:ENTITY/PROJECT/GROUP or wandb-offline:FOLDER"
RESULTS = "results"


def find_sweep(sweep: str | None, scale: str | None, results: str) -> Sweep:
    """The sweep that SWEEP, --scale and --results mean, checked.

    A W&B group and a folder of runs are one sweep: SWEEP may be left out, and is checked where it is given, or be
    the source itself, so that two of them can be compared.

    Raises:
        ValueError: nothing is there, it can't be read, or see `load_sweep`; the message says what would be right.
    """
    from analysis.sources.snapshot import is_snapshot, load_snapshot
    from analysis.sources.sweep import checked, load_sweep  # here, not above: --help need not wait for pandas

    if sweep is not None and _source(sweep) is not None:
        results, sweep = sweep, None
    if (read := _source(results)) is None:
        place = as_folder(sweep or "")
        if sweep is not None and is_local(place) and is_snapshot(place):
            return load_snapshot(place)
        if sweep in QUESTIONS and is_imported(as_folder(results)):
            return load_sweep(as_folder(results), QUESTIONS[sweep])
        return load_sweep(_folder(sweep, scale, as_folder(results)))
    found = read()
    named = (found.manifest.sweep, found.manifest.scale)
    if any(asked not in (None, name) for asked, name in zip((sweep, scale), named, strict=True)):
        raise ValueError(f"{found.origin} is {' '.join(named)}, not {sweep or named[0]} {scale or named[1]}")
    return checked(found)


def _source(location: str) -> Callable[[], SourceContents] | None:
    """What reads a location that is no folder; None for a folder."""
    for prefix, function in SOURCES.items():
        if location.startswith(prefix):
            return lambda: pkgutil.resolve_name(function)(location.removeprefix(prefix))
    return None


def _folder(sweep: str | None, scale: str | None, results: Folder) -> Folder:
    if exists(SweepFolder(results).manifest) and not (sweep and exists(SweepFolder(as_folder(sweep)).manifest)):
        typed = shlex.quote(str(results))
        raise ValueError(f"--results {results} is itself a sweep's folder; type: python -m analysis {typed}")
    if sweep is None:
        raise ValueError("name a sweep, such as spectrum; only with --results wandb:... it may be left out")
    return sweep_folder(sweep, scale, results)
