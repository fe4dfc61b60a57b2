"""A sweep's manifest and records -> the records that it wants, and one validated table of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.sources.checks import check_manifest, check_numbers, check_records, place
from analysis.sources.packing import Packer
from analysis.sources.questions import Question, selected
from fsm_icl.results.layout import SweepFolder
from fsm_icl.results.reading import each_record, read_manifest
from fsm_icl.results.records import Manifest, ManifestCell, TaskEntry, TrialRecord, WantedTrial

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder

MISSING = "missing"
"""Outcome, in the table, of a wanted trial that has no record yet."""
_COUNTS = ("num_params", "state_size", "flops_per_token", "steps")


@dataclass(frozen=True)
class Counts:
    """How many of the trials that the sweep file asks for are there."""

    asked: int
    """Proposals and seeds of all cells, those not known yet included, those of a cell without a winner not."""
    ended: int
    missing: int
    """Wanted by the manifest, without a record."""
    no_longer_wanted: int
    """Records of trials that the manifest does not name."""
    outcomes: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Sweep:
    """All that is known of one sweep."""

    folder: Path
    """Where figures go."""
    origin: str
    """What messages call it."""
    manifest: Manifest
    records: Mapping[str, TrialRecord]
    """Wanted trials that have ended, by hash."""
    counts: Counts
    table: pd.DataFrame
    """One row a wanted trial; a number that does not exist is NaN, an outcome that does not is `missing`."""
    unwanted: Mapping[str, TrialRecord]
    """Records that the manifest does not name, by hash."""

    @property
    def cells(self) -> dict[str, ManifestCell]:
        """Cells by label, in the order of the manifest."""
        return {cell.label: cell for cell in self.manifest.cells}

    def task(self, label: str) -> TaskEntry:
        """Ladder and ceiling on the test episodes of the cell `label`."""
        return self.manifest.tasks[self.cells[label].task]

    def ended(self, label: str, phase: str) -> tuple[TrialRecord, ...]:
        """Records of the cell's trials of one phase, by repeat and index."""
        wanted = sorted(self.cells[label].wanted, key=lambda trial: (trial.repeat, trial.index))
        return tuple(self.records[w.hash] for w in wanted if w.phase == phase and w.hash in self.records)


@dataclass(frozen=True)
class SourceContents:
    """What a source holds of one sweep, before it is checked."""

    folder: Path
    """Where figures go."""
    origin: str
    """What messages call it."""
    manifest: Manifest
    records: Mapping[str, TrialRecord]
    """Every ended trial that the source knows, by hash."""


def load_sweep(folder: Folder, question: Question | None = None) -> Sweep:
    """Read and check a results folder: manifest.json and records/<hash>.json.

    `question` selects cells of an imported folder; the figures then go to a folder of that name in it.

    Raises:
        ValueError: a file is missing, not JSON or not what records.py says, or see `checked`.
    """
    manifest = read_manifest(folder)
    pack, place = Packer(), SweepFolder(folder).local(manifest.id)
    records = {record.hash: pack(record) for record in each_record(folder, places_of(manifest))}
    if question is None:
        return checked(SourceContents(place, str(folder), manifest, records))
    try:
        chosen = selected(manifest, question)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from None
    mine = {hash_: records[hash_] for hash_ in places_of(chosen) if hash_ in records}
    return checked(SourceContents(place / question, f"{folder} ({question})", chosen, mine))


def checked(found: SourceContents) -> Sweep:
    """The sweep that a source holds.

    Raises:
        ValueError: a hash, label or place in the protocol occurs twice; a number is not finite; the message
            names the source or the rows.
    """
    manifest = found.manifest
    check_manifest(manifest, found.origin)
    places = places_of(manifest)
    wanted = [w for cell in manifest.cells for w in cell.wanted if w.hash in found.records]
    pack = Packer()
    records = {w.hash: _read_as(w, found.records[w.hash], pack) for w in wanted}
    check_records(manifest, records, places)
    rows = list(_rows(manifest, records))
    check_numbers(rows)
    outcomes = Counter[str](record.end.outcome for record in records.values())
    asked = sum(c.num_proposals + (0 if c.failed else c.num_seeds) for c in manifest.cells)
    unwanted = {hash_: record for hash_, record in found.records.items() if hash_ not in places}
    counts = Counts(asked, len(records), len(places) - len(records), len(unwanted), dict(outcomes))
    return Sweep(found.folder, found.origin, manifest, records, counts, _frame(rows), unwanted)


def places_of(manifest: Manifest) -> dict[str, str]:
    """Hash -> cell and place in the protocol, in words, of every wanted trial."""
    return {w.hash: f"{cell.label} {place(w)}" for cell in manifest.cells for w in cell.wanted}


def _read_as(wanted: WantedTrial, record: TrialRecord, pack: Packer) -> TrialRecord:
    """The record through the sweep file's present pruning rule."""
    return record if wanted.pruned_at is None else pack(record.pruned_at(wanted.pruned_at))


def _rows(manifest: Manifest, records: Mapping[str, TrialRecord]) -> Iterator[dict[str, Any]]:
    searched = searched_names(manifest)
    for cell in manifest.cells:
        for wanted in cell.wanted:
            record = records.get(wanted.hash)
            row: dict[str, Any] = {
                "sweep": manifest.sweep,
                "scale": manifest.scale,
                "cell": cell.label,
                **cell.fields,
            }
            row |= wanted.model_dump(include={"phase", "repeat", "index", "hash"})
            row["outcome"] = record.end.outcome if record else MISSING
            row |= {name: _setting(record, name) for name in searched}
            row |= {name: getattr(cell, name) for name in _COUNTS[:3]}
            row["steps"] = record.end.steps if record else None
            row |= {name: last_metric(record, name) for name in ("val/accuracy", "val/loss")}
            test = record.end.test if record else None
            row |= {
                "test/accuracy": test.accuracy if test else None,
                "test/loss": test.loss if test else None,
            }
            yield row


def searched_names(manifest: Manifest) -> list[str]:
    """Hyperparameters that the sweep searches, by name."""
    ranges = manifest.spec.get("search", {})
    names = {"learning_rate"} | {name for cell in manifest.cells for w in cell.winners for name in w.params}
    return sorted(names | {name for name, value in ranges.items() if isinstance(value, dict)})


def _setting(record: TrialRecord | None, name: str) -> float | None:
    """The trial's value of a searched hyperparameter, which lives in the optimiser's or the model's spec."""
    if record is None:
        return None
    for part in ("optimizer", "model"):
        if name in (section := record.config.get(part, {})):
            return float(section[name])
    return None


def last_metric(record: TrialRecord | None, name: str) -> float | None:
    """The metric in the last report that has it; None where no report does."""
    return next((r.metrics[name] for r in reversed(record.reports) if name in r.metrics), None) if record else None


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    metrics = [name for name in frame.columns if "/" in name or name == "learning_rate"]
    return frame.astype(dict.fromkeys(metrics, "float64") | {n: "Int64" for n in _COUNTS if n in frame})
