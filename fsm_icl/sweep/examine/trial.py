"""One trial of a sweep, found by the first digits of its hash: how it ended and what it logged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fsm_icl.results.files import children as content_of
from fsm_icl.results.files import exists, found, read_bytes
from fsm_icl.results.layout import RECORD_FILES, SweepFolder
from fsm_icl.results.places import cell_of
from fsm_icl.results.reading import check_place, parse_json, read_manifest
from fsm_icl.results.records import Manifest, ManifestCell, TrialRecord, WantedTrial

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder


def find_trial(folder: Folder, prefix: str) -> str:
    """The hash of the one trial in a sweep's folder that begins with `prefix`.

    Raises:
        ValueError: none does, or several do, which are named.
    """
    known = {path.stem for path in found(SweepFolder(folder).records, RECORD_FILES)}
    known |= {path.name for path in content_of(SweepFolder(folder).trials)}
    known |= {wanted.hash for cell in read_manifest(folder).cells for wanted in cell.wanted}
    matching = sorted(trial for trial in known if prefix and trial.isalnum() and trial.startswith(prefix.lower()))
    if len(matching) != 1:
        some = f"{len(matching)} trials begin with {prefix!r}: {', '.join(t[:12] for t in matching[:8])}, ..."
        none = f"no trial begins with {prefix!r}"
        raise ValueError(f"{folder}: {some if matching else none} (without a trial, fsm-icl logs lists them all)")
    return matching[0]


def read_record(folder: Folder, trial: str) -> TrialRecord | None:
    """The trial's record, None when it has not ended. Raises ValueError, with its path, when it can't be read."""
    path = SweepFolder(folder).record(trial)
    try:
        record = parse_json(path, read_bytes(path), TrialRecord)
    except FileNotFoundError:
        return None
    check_place(path, record.hash)
    return record


def place_of(manifest: Manifest, trial: str, record: TrialRecord | None) -> str:
    """Where a trial stands in its sweep, e.g. "gru-d64-L1, search, repeat 0, index 3"."""
    for cell in manifest.cells:
        for wanted in cell.wanted:
            if wanted.hash == trial:
                return _place(cell, wanted)
    if record is None:
        return "not in the manifest (yet)"
    home = cell_of(record.config, record.place, manifest)
    label = home.label if home else None
    return f"{label or 'of no cell of the sweep'}, {record.phase}, not in the manifest (yet)"


def trial_lines(folder: Folder) -> Iterator[str]:
    """A line for every trial known to be wanted: first digits of its hash, place, outcome."""
    for cell in read_manifest(folder).cells:
        for wanted in cell.wanted:
            record = read_record(folder, wanted.hash)
            outcome = "no record" if record is None else record.end.outcome
            yield f"{wanted.hash[:12]}  {_place(cell, wanted)}: {outcome}"


def _place(cell: ManifestCell, wanted: WantedTrial) -> str:
    return f"{cell.label}, {wanted.phase}, repeat {wanted.repeat}, index {wanted.index}"


def trial_report(folder: Folder, trial: str) -> Iterator[str]:
    """How the trial ended, then its log, line by line."""
    record = read_record(folder, trial)
    yield f"trial {trial}"
    yield f"cell: {place_of(read_manifest(folder), trial, record)}"
    if record is None:
        begun = exists(SweepFolder(folder).trial(trial).checkpoint)
        yield "outcome: none yet; " + ("it has a checkpoint to go on from" if begun else "it has no checkpoint")
    else:
        end = record.end
        why = f": {end.reason}" if end.reason else ""
        if (source := record.imported) is not None:
            when = source.timestamp or "no time stamp"
            yield f"imported from {source.file} ({source.experiment}, {when}); its steps are epochs"
        yield f"outcome: {end.outcome} at step {end.steps}{why}"
        if end.seconds is not None:
            yield f"took: {end.seconds:.1f} s on {end.node} ({end.device}), commit {record.commit or 'unknown'}"
        if record.reports:
            last = record.reports[-1]
            yield f"last report: {metrics_line(last.metrics)} at step {last.step}"
        if end.test is not None:
            yield f"test score: accuracy {end.test.accuracy:.4f}{loss_text(end.test.loss)}"
    kept = SweepFolder(folder).trial(trial)
    files = [path for path in (kept.log, kept.stack) if exists(path)]
    for path in files:
        yield f"log: {path}"
        yield ""
        yield read_bytes(path).decode(errors="replace").rstrip()
    if not files:
        yield "log: none; only a failure writes one"


def loss_text(loss: float | None) -> str:
    """What follows the accuracy of a test score: its loss, where that is known."""
    return "" if loss is None else f", loss {loss:.4f}"


def metrics_line(metrics: dict[str, float]) -> str:
    """Metrics as `name value` pairs."""
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
