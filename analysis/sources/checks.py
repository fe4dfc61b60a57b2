"""What must hold of a sweep before anything is computed from it; every message names the rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from fsm_icl.results.records import Manifest, ManifestCell, TrialRecord, WantedTrial

_COORDINATES = ("arch", "d_model", "num_layers")


def place_in_words(wanted: WantedTrial) -> str:
    """The trial's place in the protocol, in words."""
    return f"{wanted.phase} repeat {wanted.repeat} index {wanted.index}"


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]


def check_manifest(manifest: Manifest, origin: str) -> None:
    """Labels, places and hashes occur once; tasks and cells that are named exist. Raises ValueError."""
    labels = [cell.label for cell in manifest.cells]
    if double := _twice(labels):
        raise ValueError(f"{origin}: two cells have the same label: {', '.join(double)}")
    for cell in manifest.cells:
        # An imported file may not say how large its model is.
        if absent := [name for name in _COORDINATES[: 1 if manifest.imported else None] if name not in cell.fields]:
            raise ValueError(f"{origin}: cell {cell.label} has no {', '.join(absent)} among its fields")
        if cell.task not in manifest.tasks:
            raise ValueError(f"{origin}: cell {cell.label} has the unknown task {cell.task!r}")
        if double := _twice(place_in_words(w) for w in cell.wanted):
            raise ValueError(f"{origin}: cell {cell.label} wants twice: {', '.join(double)}")
    rows = [(w.hash, f"{cell.label} {place_in_words(w)}") for cell in manifest.cells for w in cell.wanted]
    if double := _twice(hash_ for hash_, _ in rows):
        named = "; ".join(row for hash_, row in rows if hash_ in double)
        raise ValueError(f"{origin}: several rows are one trial (equal hash): {named}")
    if double := _twice(hypothesis.name for hypothesis in manifest.hypotheses):
        raise ValueError(f"{origin}: two hypotheses have the same name: {', '.join(double)}")
    for hypothesis in manifest.hypotheses:
        if unknown := [name for name in hypothesis.cells.values() if name not in labels]:
            raise ValueError(f"{origin}: hypothesis {hypothesis.name!r} names no cell: {', '.join(unknown)}")


def check_records(manifest: Manifest, records: Mapping[str, TrialRecord], places: Mapping[str, str]) -> None:
    """Phases are as wanted; finished measure trials have a score, all of a task on the same test episodes."""
    for cell in manifest.cells:
        for wanted in (w for w in cell.wanted if w.hash in records):
            record, row = records[wanted.hash], f"{places[wanted.hash]} ({wanted.hash[:8]})"
            if record.config.get("phase") != wanted.phase:
                raise ValueError(f"{row}: the record's phase is {record.config.get('phase')!r}")
            _check_settings(cell, wanted, record, row)
            if wanted.phase == "measure" and record.end.outcome == "finished":
                _check_score(record, row)
    by_task: dict[str, tuple[object, str]] = {}
    for cell in manifest.cells:
        for wanted in cell.wanted:
            if wanted.hash in records and (test := records[wanted.hash].end.test) is not None:
                episodes = (test.machine_class, test.machine_total)
                first, row = by_task.setdefault(cell.task, (episodes, places[wanted.hash]))
                if first != episodes:
                    raise ValueError(f"{places[wanted.hash]} and {row} were not scored on the same test episodes")


def _check_settings(cell: ManifestCell, wanted: WantedTrial, record: TrialRecord, row: str) -> None:
    """The record was trained with what the manifest says: its cell's size and the hyperparameters it was given."""
    model, optimizer = record.config.get("model") or {}, record.config.get("optimizer") or {}
    for name, value in cell.fields.items():
        if name in _COORDINATES and name in model and model[name] != value:
            raise ValueError(f"{row}: the record's model.{name} is {model[name]!r}, the manifest's {value!r}")
    for name, value in wanted.params.items():
        for section, settings in (("optimizer", optimizer), ("model", model)):
            if name in settings and settings[name] != value:
                raise ValueError(
                    f"{row}: the record's {section}.{name} is {settings[name]!r}, the manifest's {value!r}"
                )


def _check_score(record: TrialRecord, row: str) -> None:
    if (test := record.end.test) is None:
        raise ValueError(f"{row}: a finished measure trial without a test score")
    if test.machine_correct is None or test.machine_total is None or test.machine_class is None:
        return  # an imported record, which has its accuracy alone
    total = sum(test.machine_total)
    if total == 0 or sorted(set(test.machine_class)) != list(range(max(test.machine_class) + 1)):
        raise ValueError(f"{row}: no test steps, or class numbers that are not 0, 1, 2, ...")
    if abs(sum(test.machine_correct) / total - test.accuracy) > 1e-4:  # float32 evaluation is exact to 1e-7
        raise ValueError(f"{row}: test accuracy {test.accuracy} is not what the counts by machine say")


def check_numbers(rows: Iterable[Mapping[str, Any]]) -> None:
    """No number is NaN or infinite; None stands for one that does not exist. Raises ValueError."""
    bad = [
        f"{row['cell']} {row['phase']} repeat {row['repeat']} index {row['index']}: {name} is {value}"
        for row in rows
        for name, value in row.items()
        if isinstance(value, float) and not math.isfinite(value)
    ]
    if bad:
        raise ValueError(f"numbers that are not finite: {'; '.join(bad)}")
