"""Everything that W&B has not got of a sweep: logs are made from records where there are none, and all is sent."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fsm_icl.results.files import as_os_errors, is_local, read_bytes, write_atomically
from fsm_icl.results.layout import SweepFolder
from fsm_icl.results.reading import read_records
from fsm_icl.results.records import Manifest, ManifestCell, TrialPlace, TrialRecord, WantedTrial
from fsm_icl.sweep.store.lock import BEAT_SECONDS, STILL_BEATS, driver_of
from fsm_icl.tracking.account import SLOW, Destination, destination, obstacle
from fsm_icl.tracking.encoding import PROJECT, SWEEP_JOB, TrackedTrial
from fsm_icl.tracking.markers import Markers, logged_trial, logs_below, mark_of_server
from fsm_icl.tracking.offline_logs import read_log
from fsm_icl.tracking.sweep_run import is_complete, log_sweep
from fsm_icl.tracking.tracker import Tracker
from fsm_icl.tracking.trial_runs import TrialRuns
from fsm_icl.tracking.upload import Progress, UploadResult, upload_logs
from fsm_icl.training.config import TrialConfig

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder

Files = Callable[[], Mapping[str, bytes]]
"""Makes what the sweep's own run shows."""


def send(
    results: Folder, manifest: Manifest, files: Files, progress: Progress, entity: str | None, project: str | None
) -> UploadResult:
    """Send all that W&B has not got of the sweep in `results`, to where options and environment say.

    Raises:
        ValueError: nothing was logged and nothing can be sent; a name or a record is wrong.
        OSError: something can't be read or written.
    """
    local = SweepFolder(results).local(manifest.id)
    markers = Markers(results, local, manifest.id)
    there = logs_below(SweepFolder(local).wandb)
    target = _target(there, destination(entity, project), entity, project)
    busy = _is_busy(results)  # a driver logs what has ended by itself
    missing = [] if busy else _missing(results, manifest, markers)
    lacks_sweep = not busy and _lacks_sweep(results, local, manifest.id)
    lacking = len(missing) + lacks_sweep
    problem = obstacle(patience=SLOW) if lacking else None
    if problem is not None and not there:
        raise ValueError(
            f"{SweepFolder(local).wandb}: no W&B logs; run the sweep with --wandb offline (the default), "
            f"or see to this, and they are made from its records: {problem}"
        )
    if lacking and problem is None:
        SweepFolder(local).wandb.mkdir(parents=True, exist_ok=True)
        problem = _log(missing, results, local, manifest, markers, target)
        problem = (_log_sweep(local, files, target) if lacks_sweep else None) or problem
        lacking = 0
    elsewhere = _sent_elsewhere(results, manifest, markers)
    if not logs_below(SweepFolder(local).wandb) and elsewhere:
        return UploadResult(before=elsewhere, sent=0, left=0, interrupted=0, problem=None)
    done = upload_logs(local, progress, markers=markers, to=target)
    if any(mark_of_server(log).exists() for log in _of_sweep(local, manifest.id)):
        with contextlib.suppress(OSError):
            mark_sweep_sent(results)
    return replace(done, before=done.before + elsewhere, left=done.left + lacking, problem=done.problem or problem)


def mark_sweep_sent(results: Folder) -> None:
    """The server has the sweep's own run as its manifest now is. Raises OSError."""
    write_atomically(SweepFolder(results).sweep_sent, _digest(results))


def _digest(results: Folder) -> str:
    return hashlib.sha256(read_bytes(SweepFolder(results).manifest)).hexdigest()


def _is_sweep_sent(results: Folder) -> bool:
    try:
        return read_bytes(SweepFolder(results).sweep_sent).decode(errors="replace") == _digest(results)
    except FileNotFoundError:
        return False


def _target(logs: list[Path], asked: Destination, entity: str | None, project: str | None) -> Destination:
    """Options say it; else the logs do, which were told by the sweep's own options; else the environment."""
    run = None
    for log in logs[:1]:
        with contextlib.suppress(ValueError):
            run = read_log(log)
    logged = Destination(run.entity or None, run.project or PROJECT) if run is not None else Destination()
    return Destination(
        asked.entity if entity is not None else logged.entity or asked.entity,
        asked.project if project is not None or logged.project == PROJECT else logged.project,
    )


def _is_busy(results: Folder) -> bool:
    """Whether a driver is at work."""
    if is_local(results):
        return driver_of(results) is not None
    try:
        with as_os_errors(results):
            return time.time() - SweepFolder(results).lock.stat().st_mtime < BEAT_SECONDS * STILL_BEATS
    except FileNotFoundError:
        return False


def _ended(manifest: Manifest, records: Mapping[str, TrialRecord]) -> Iterator[tuple[TrackedTrial, TrialRecord]]:
    for cell in manifest.cells:
        for wanted in cell.wanted:
            if wanted.hash in records:
                yield _tracked(cell, wanted, records[wanted.hash]), records[wanted.hash]


def _tracked(cell: ManifestCell, wanted: WantedTrial, record: TrialRecord) -> TrackedTrial:
    key = record.place.cell if record.place else ""
    place = TrialPlace(cell=key, phase=wanted.phase, repeat=wanted.repeat, index=wanted.index)
    return TrackedTrial(wanted.hash, cell.label, cell.fields, place, TrialConfig.model_validate(record.config))


def _missing(results: Folder, manifest: Manifest, markers: Markers) -> list[tuple[TrackedTrial, TrialRecord]]:
    """Trials that have a record, and neither a marker nor a whole log."""
    ended = [(p, r) for p, r in _ended(manifest, read_records(results)) if not markers.has(p.hash, r.end)]
    return [(trial, record) for trial, record in ended if not _adopted(markers, trial.hash, record)]


def _log(
    trials: list[tuple[TrackedTrial, TrialRecord]],
    results: Folder,
    local: Path,
    manifest: Manifest,
    markers: Markers,
    to: Destination,
) -> str | None:
    """Log trials from their records. Returns what went wrong, if so."""
    if not trials:
        return None
    runs = TrialRuns(local, manifest.sweep, manifest.id, manifest.scale, "offline", results, to, markers)
    tracker = Tracker(runs)
    tracker.catch_up(trials)
    tracker.close()
    return tracker.problem


def _adopted(markers: Markers, trial: str, record: TrialRecord) -> bool:
    """Whether a log that came without its marker says all of a trial; it has one from then on."""
    for log in markers.logs(trial):
        with contextlib.suppress(ValueError):
            run = read_log(log)
            if run.exit_code is not None and run.summary.get("ended_at") == record.end.ended_at:
                markers.write(trial, record.end.ended_at, log, mark_of_server(log).exists())
                return True
    return False


def _of_sweep(local: Path, sweep_id: str) -> list[Path]:
    return [log for log in logs_below(SweepFolder(local).wandb) if logged_trial(log) == (sweep_id, SWEEP_JOB)]


def _lacks_sweep(results: Folder, local: Path, sweep_id: str) -> bool:
    """Whether the sweep's own run is neither on the server nor whole on this machine."""
    return not _is_sweep_sent(results) and not any(_says_all(log) for log in _of_sweep(local, sweep_id))


def _log_sweep(local: Path, files: Files, to: Destination) -> str | None:
    try:
        log_sweep(local, files(), to)
    except Exception as error:  # noqa: BLE001  (figures, W&B: the trials are sent all the same)
        return f"the sweep's own run was not logged ({error})"
    return None


def _says_all(log: Path) -> bool:
    with contextlib.suppress(ValueError):
        return is_complete(log) or read_log(log).exit_code == 0
    return False


def _sent_elsewhere(results: Folder, manifest: Manifest, markers: Markers) -> int:
    """Runs that the server has, from logs that are not on this machine."""
    trials = {wanted.hash for cell in manifest.cells for wanted in cell.wanted}
    sent = sum(markers.sent(trial) and not markers.logs(trial) for trial in trials)
    return sent + (_is_sweep_sent(results) and not markers.logs(SWEEP_JOB))
