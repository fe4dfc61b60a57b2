"""A sweep's records from its W&B runs: through the Api, or from the runs' logs on a disk."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from analysis.sources.packing import Packer
from analysis.sources.sweep import SourceContents
from fsm_icl.results.layout import SweepFolder
from fsm_icl.results.records import TrialRecord
from fsm_icl.tracking.account import SLOW, WandbError, client, first_line, obstacle
from fsm_icl.tracking.encoding import PROJECT, SWEEP_JOB, end_of, ended, manifest_in, record_of
from fsm_icl.tracking.offline_logs import read_log

AT_A_TIME = 8
WITHOUT = (
    "without W&B, --results PATH and wandb-offline:FOLDER read the same sweep from the disk, and "
    "`wandb leet FOLDER` shows its runs"
)
PER_PAGE = 500
"""Runs a list request brings, with their configs and summaries."""
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """What a source knows of a W&B run."""

    name: str
    """What messages call it."""
    is_sweep: bool
    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    rows: Callable[[], list[Row]]
    """The history, in the order it was logged; asking may cost requests."""


def read_logs(folder: Path) -> SourceContents:
    """The sweep whose offline runs lie below `folder`: a sweep's folder, its wandb/, or copies of run folders.

    A log that was cut off reads as far as it goes.

    Raises:
        ValueError: there are none, or they are not of one sweep.
    """
    logs = sorted({path.resolve() for path in folder.rglob("run-*.wandb")}, key=lambda path: path.parent.name)
    if not logs:
        raise ValueError(f"{folder}: no W&B runs (run-*.wandb) in it")
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        runs = list(_tracked(pool.map(_read_log, logs), len(logs), "reading logs"))
    return _found(runs, str(folder), folder, lambda run, _: _record(run))


def read_project(path: str, folder: Path) -> SourceContents:
    """The sweep of the W&B group `path`: ENTITY/PROJECT/GROUP. Figures and a cache of records go to `folder`.

    Raises:
        ValueError: not logged in, nothing there, or what is there is not one sweep.
    """
    project, _, group = path.rpartition("/")
    listed = list(_listed(project, group))
    if not listed:
        raise ValueError(
            f"wandb:{path}: no runs of that group in {project}; its name is <sweep>-<id>, see W&B's run table"
        )
    cache = SweepFolder(folder).records
    cache.mkdir(parents=True, exist_ok=True)
    return _found(listed, f"wandb:{path}", folder, lambda run, hash_: _cached(run, cache / f"{hash_}.json"))


def api() -> Any:
    """A wandb.Api. Raises ValueError without an account or a server: what would help, and what works without."""
    if (problem := obstacle(patience=SLOW)) is not None:
        raise ValueError(f"{problem}; {WITHOUT}")
    with asking():
        return client(connected=True).Api(timeout=60)


@contextlib.contextmanager
def asking() -> Iterator[None]:
    """Whatever wandb raises inside (its own errors, those of its libraries, time-outs) is a ValueError in one line."""
    try:
        yield
    except ValueError as error:
        if type(error) in (ValueError, WandbError):  # ours, or as good
            raise
        raise WandbError(f"W&B: {first_line(error)}; {WITHOUT}") from None
    except Exception as error:  # noqa: BLE001
        raise WandbError(f"W&B: {first_line(error)}; {WITHOUT}") from None


def _found(runs: list[Run], origin: str, folder: Path, read: Callable[[Run, str], TrialRecord]) -> SourceContents:
    sweeps = {run.config.get("sweep_id"): run for run in runs if run.is_sweep}
    if not sweeps:
        raise ValueError(
            f"{origin}: the sweep's own run is not among them; it is logged when a driver ends: run it again"
        )
    if len(sweeps) > 1:
        names = ", ".join(f"{run.config['sweep']}-{sweep_id}" for sweep_id, run in sweeps.items())
        raise ValueError(f"{origin}: runs of several sweeps ({names}); name the folder of one")
    (sweep,) = sweeps.values()
    trials: dict[str, Run] = {}
    for run in sorted((run for run in runs if "hash" in run.config and ended(run.summary)), key=_ended_at):
        trials[run.config["hash"]] = run  # logged twice: the last end counts
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        reading = pool.map(lambda item: read(item[1], item[0]), trials.items())
        tracked = _tracked(reading, len(trials), "reading curves")
        records = dict(zip(trials, map(Packer(), tracked), strict=True))
    return SourceContents(folder, origin, manifest_in(sweep.config), records)


def _ended_at(run: Run) -> float:
    return float(run.summary.get("ended_at", 0))


def _record(run: Run) -> TrialRecord:
    try:
        with asking():
            return record_of(run.config, run.summary, run.rows())
    except ValueError as error:
        raise ValueError(f"{run.name}: {error}") from None


def _cached(run: Run, path: Path) -> TrialRecord:
    """The record from the cache where the run has not changed since: its end is in the list, only curves cost."""
    with contextlib.suppress(ValueError, FileNotFoundError):  # an earlier call may have been cut off while it wrote
        known = TrialRecord.model_validate_json(path.read_bytes())
        if known.end == end_of(run.config, run.summary):
            return known
    record = _record(run)
    path.write_text(record.model_dump_json(), encoding="utf-8")
    return record


def _listed(project: str, group: str) -> Iterator[Run]:
    try:
        with asking():
            for run in api().runs(project, filters={"group": group}, lazy=False, per_page=PER_PAGE):
                yield Run(f"run {run.id}", run.job_type == SWEEP_JOB, run.config, dict(run.summary), _history(run))
    except ValueError as error:
        if "Could not find project" not in str(error):
            raise
        raise ValueError(f"W&B has no project {project} that you may see; ours is called {PROJECT}") from None


def _history(run: Any) -> Callable[[], list[Row]]:
    # history() would sample
    return lambda: list(run.scan_history(page_size=10_000))


def _read_log(path: Path) -> Run:
    run = read_log(path)
    return Run(str(path), run.job_type == SWEEP_JOB, run.config, run.summary, lambda: run.rows)


def _tracked(items: Iterable[Any], total: int, what: str) -> Iterable[Any]:
    """A progress bar on stderr, where that is a terminal."""
    return track(items, what, total, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
