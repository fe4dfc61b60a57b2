"""Do trials come out again as they were recorded? Bit for bit on the same CPU model and versions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from fsm_icl.commit import code_version
from fsm_icl.results.reading import read_manifest
from fsm_icl.results.records import Report, TrialEnd, TrialRecord
from fsm_icl.seeding import numpy_generator
from fsm_icl.sweep.examine.replay import ReplaySpec, replay, replay_spec
from fsm_icl.sweep.examine.trial import read_record

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder

TOLERANCE = {"accuracy": 0.05, "loss": 0.1}
"""How far last validation metrics and test score may lie from the record's where bits can't be equal.

Rounding grows while a network trains: eight trials at laptop scale, run again with SSE instead of AVX instructions,
ended up to .018 in accuracy and .024 in loss apart (.033 and .059 on the way).
"""


@dataclass(frozen=True)
class TrialSample:
    """A finished trial of the sweep."""

    cell: str
    record: TrialRecord
    replay_spec: ReplaySpec


@dataclass(frozen=True)
class Verification:
    """A trial that was run again."""

    trial: TrialSample
    elsewhere: list[str]
    """What differs between the machine of the record and this one; with nothing, bits are compared."""
    same: bool
    largest: float | None
    """Largest absolute difference of what was compared; None where the two can't be compared."""
    where: str
    """The number with the largest difference, or why the two can't be compared."""


def draw_sample(folder: Folder, size: int) -> list[TrialSample]:
    """`size` finished trials of a sweep, the same ones each time; a larger sample holds the smaller.

    Raises:
        ValueError: no trial has finished yet, results are imported, or a file can't be read.
    """
    manifest = read_manifest(folder)
    if manifest.imported:
        raise ValueError(f"{folder}: imported results can't be run again here, there is nothing to verify")
    assert manifest.seed is not None, "a sweep of ours has a seed"
    cells = {wanted.hash: cell.label for cell in manifest.cells for wanted in cell.wanted}
    hashes = sorted(cells)
    found: list[TrialSample] = []
    for i in numpy_generator(manifest.seed, "verify").permutation(len(hashes)):
        record = read_record(folder, hashes[i])
        if record is not None and record.end.outcome == "finished":
            cell = cells[record.hash]
            found.append(TrialSample(cell, record, replay_spec(record, cell)))
        if len(found) == size:
            break
    if not found:
        raise ValueError(f"{folder}: no trial has finished yet, there is nothing to verify")
    return found


def verify_trial(trial: TrialSample) -> Verification:
    """Run the trial again in a temporary folder and compare."""
    with tempfile.TemporaryDirectory(prefix="fsm-verify-") as folder:
        *reports, last = replay(trial.replay_spec, Path(folder))
    assert last.end is not None, "a trial's last report says how it ended"
    return differences(trial, reports, last.end)


def differences(trial: TrialSample, reports: Sequence[Report], end: TrialEnd) -> Verification:
    """The record against what the trial says now."""
    record = trial.record
    elsewhere = list(_elsewhere(record.end, end))
    if end.outcome != record.end.outcome:
        return Verification(trial, elsewhere, False, None, f"now {end.outcome}: {end.reason}")
    before, after = _numbers(record.reports, record.end), _numbers(reports, end)
    if elsewhere:
        before, after = _last(before), _last(after)
    if before.keys() != after.keys():
        return Verification(trial, elsewhere, False, None, "reports at other steps, or other metrics")
    name = max(before, key=lambda name: abs(before[name] - after[name]))
    largest = abs(before[name] - after[name])
    if elsewhere:
        same = all(abs(before[n] - after[n]) <= TOLERANCE[n[1].rpartition("/")[2]] for n in before)
    else:
        same = largest == 0 and list(record.reports) == list(reports) and record.end.test == end.test
    step, metric = name
    where = f"{metric} at step {step}" if largest else ""
    return Verification(trial, elsewhere, same, largest, where)


def _elsewhere(before: TrialEnd, after: TrialEnd) -> Iterator[str]:
    for name in ("device", "cpu_model", "threads"):
        if getattr(before, name) != getattr(after, name):
            yield f"{name} was {getattr(before, name)}, is {getattr(after, name)}"
    for name in sorted(before.versions.keys() | after.versions.keys()):
        was, now = before.versions.get(name, "unknown"), after.versions.get(name, "unknown")
        if was != now:
            yield f"{name} was {was}, is {now}"


def _numbers(reports: Sequence[Report], end: TrialEnd) -> dict[tuple[int, str], float]:
    """(step, metric) -> value."""
    found = {(report.step, name): value for report in reports for name, value in report.metrics.items()}
    if end.test is not None and end.test.loss is not None:
        found |= {(end.steps, "test/accuracy"): end.test.accuracy, (end.steps, "test/loss"): end.test.loss}
    return found


def _last(numbers: dict[tuple[int, str], float]) -> dict[tuple[int, str], float]:
    """Validation metrics of the last step, and the test score."""
    last = max((step for step, _ in numbers), default=0)
    return {(step, name): v for (step, name), v in numbers.items() if step == last and not name.startswith("train/")}


def verify_all(trials: Sequence[TrialSample], console: Console) -> bool:
    """Run the trials again, print a row for each, and say whether all are the same."""
    found = []
    for trial in trials:
        text = f"running {trial.record.hash[:8]} again: {trial.cell}, {trial.record.phase}"
        console.print(text, highlight=False, markup=False)
        found.append(verify_trial(trial))
    console.print(_table(found))
    for difference in sorted({text for v in found for text in v.elsewhere}):
        console.print(f"not the same machine: {difference}", highlight=False, markup=False)
    if any(v.elsewhere for v in found):
        allowed = " and ".join(f"{limit:g} in {name}" for name, limit in TOLERANCE.items())
        text = f"so bits can't be compared: last validation metrics and test score may differ by {allowed}"
        console.print(text, highlight=False, markup=False)
    now = code_version()[0]
    commits = {v.trial.record.commit for v in found if not v.same} - {now}
    if commits:
        text = f"trials that differ were recorded at commit {', '.join(sorted(map(str, commits)))}; this is {now}"
        console.print(text, highlight=False, markup=False)
    return all(v.same for v in found)


def _table(found: Sequence[Verification]) -> Table:
    """A row a trial."""
    table = Table()
    for name in ("trial", "cell", "phase", "result", "largest difference"):
        table.add_column(name, overflow="fold")
    for v in found:
        how = "within tolerance" if v.elsewhere else "bit for bit"
        result = f"same, {how}" if v.same else "differs"
        largest = v.where if v.largest is None else f"{v.largest:.3g} ({v.where})" if v.largest else "0"
        record = v.trial.record
        table.add_row(record.hash[:8], v.trial.cell, record.phase, result, largest)
    return table
