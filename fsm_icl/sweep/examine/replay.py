"""One trial of a sweep again: in this process, without Ray, in a temporary folder, and without a record."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pydantic import ValidationError

from fsm_icl.results.layout import SweepFolder, TrialFolder
from fsm_icl.results.reading import is_imported, read_records
from fsm_icl.results.records import Phase, Report, TrialEnd, TrialRecord
from fsm_icl.sweep.examine.trial import loss_text, metrics_line
from fsm_icl.sweep.file.cells import cells_of
from fsm_icl.sweep.file.load import load_sweep_file
from fsm_icl.sweep.protocol.planner import Planner
from fsm_icl.training.config import RunEnv, TrialConfig
from fsm_icl.training.trial import run_trial

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder


@dataclass(frozen=True)
class ReplaySpec:
    """A trial that can be run again as the sweep runs it."""

    trial: str
    """Its hash."""
    cell: str
    phase: Phase
    config: TrialConfig
    cutoffs: Mapping[int, float] = field(default_factory=dict)
    threads: int = 1


def trial_of(folder: Folder, trial: str) -> ReplaySpec:
    """The trial of the sweep in `folder`, with the cut-offs that the sweep gives it.

    A record that the sweep file asks for no longer is run again without cut-offs.

    Raises:
        ValueError: neither the sweep file nor a record says what the trial is, or one of them can't be read.
    """
    if is_imported(folder):
        raise ValueError(f"{folder}: imported results can't be run again here")
    loaded = load_sweep_file(str(SweepFolder(folder).sweep_file))
    records = read_records(folder)
    planner = Planner(loaded.spec, cells_of(loaded), records)
    for plan in planner.plans:
        for planned in plan.wanted():
            if planned.hash == trial:
                return ReplaySpec(trial, plan.cell.label, planned.place.phase, planned.config, planned.cutoffs)
    if trial not in records:
        raise ValueError(f"{folder}: the sweep does not ask for trial {trial[:12]} any more, and it has no record")
    return replay_spec(records[trial], "of a cell that the sweep no longer has")


def replay_spec(record: TrialRecord, cell: str) -> ReplaySpec:
    """The trial of a record, without cut-offs. Raises ValueError when this version can't read its config."""
    if record.imported is not None:
        raise ValueError(
            f"trial {record.hash[:12]} was imported from {record.imported.file}: it can't be run again here"
        )
    assert record.end.threads is not None, "a record of ours knows its threads"
    try:
        config = TrialConfig.model_validate(record.config)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise ValueError(f"trial {record.hash[:12]} was run by another version: {field}: {first['msg']}") from None
    return ReplaySpec(record.hash, cell, record.phase, config, threads=record.end.threads)


def replay(trial: ReplaySpec, folder: Path) -> Iterator[Report]:
    """The trial's reports, from its first step on; `folder` is empty and takes its checkpoint and log."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return run_trial(trial.config, RunEnv(device, trial.threads, folder, trial.cutoffs))


def print_replay(trial: ReplaySpec, say: Callable[[str], None]) -> TrialEnd:
    """Run the trial and say its reports, how it ended and, where its code failed, the trace-back."""
    say(f"trial {trial.trial[:12]}: {trial.cell}, {trial.phase}; nothing is kept")
    with tempfile.TemporaryDirectory(prefix="fsm-run-") as name:
        for report in replay(trial, Path(name)):
            if report.end is None:
                cutoff = trial.cutoffs.get(report.step)
                note = "" if cutoff is None else f" (pruned below {cutoff:.4f})"
                say(f"step {report.step}: {metrics_line(report.metrics)}{note}")
        assert report.end is not None, "a trial's last report says how it ended"
        end = report.end
        if (log := TrialFolder(Path(name)).log).is_file():
            say(log.read_text(encoding="utf-8").rstrip())
    say(f"{end.outcome} at step {end.steps}{f': {end.reason}' if end.reason else ''}; {end.seconds:.1f} s")
    if end.test is not None:
        say(f"test score: accuracy {end.test.accuracy:.4f}{loss_text(end.test.loss)}")
    return end
