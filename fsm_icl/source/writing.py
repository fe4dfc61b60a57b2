"""Runs of the source project -> manifest and records of a results folder."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fsm_icl.results.files import children, exists, is_local, write_atomically
from fsm_icl.results.layout import SweepFolder
from fsm_icl.results.reading import read_manifest
from fsm_icl.results.records import (
    ImportedFrom,
    Manifest,
    ManifestCell,
    Report,
    TaskEntry,
    TestScore,
    TrialEnd,
    TrialRecord,
    WantedTrial,
)
from fsm_icl.source.formats import SourceRun
from fsm_icl.source.naming import DIRECT

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder

SCALE = "imported"
QUESTION = "What do the source project's own runs say of width, depth and gates?"


def imported_folder(results: Folder, name: str) -> Folder:
    """Where the runs of the source called `name` go.

    Raises:
        ValueError: something else is there.
    """
    folder = results / f"{name}-{SCALE}"
    if exists(SweepFolder(folder).manifest):
        if not read_manifest(folder).imported:
            raise ValueError(
                f"{folder} holds a sweep that was run here: nothing is imported into it; give another --name"
            )
    elif exists(folder) and (not folder.is_dir() or children(folder)):
        raise ValueError(f"{folder} is there already, and no import made it; give another --name")
    return folder


def write_runs(folder: Folder, name: str, runs: Sequence[SourceRun]) -> Manifest:
    """Write manifest.json, then records/; records of an earlier import stay, though the manifest no longer names them.

    Raises:
        OSError: it can't be written.
    """
    records = {run: imported_record(run) for run in runs}
    manifest = imported_manifest(name, records)
    contents = {f"{record.hash}.json": record.model_dump_json() for record in records.values()}
    if is_local(folder):
        SweepFolder(folder).records.mkdir(parents=True, exist_ok=True)
    write_atomically(SweepFolder(folder).manifest, manifest.model_dump_json(indent=1))
    for file, content in contents.items():
        write_atomically(SweepFolder(folder).records / file, content)
    return manifest


def imported_record(run: SourceRun) -> TrialRecord:
    """The run as a record: a measure trial whose steps are epochs."""
    identity = json.dumps([run.sha256, run.experiment])
    test = TestScore(
        accuracy=run.final_results["test_accuracy"],
        loss=None,
        machine_correct=None,
        machine_total=None,
        machine_class=None,
    )
    return TrialRecord(
        format=1,
        hash=hashlib.sha256(identity.encode()).hexdigest(),
        config={"phase": "measure", **run.settings},
        reports=[Report(step=n, metrics=row) for n, row in zip(run.epochs, run.metrics, strict=True)],
        end=_end(run, test),
        commit=None,
        dirty=None,
        imported=ImportedFrom(
            file=run.file,
            sha256=run.sha256,
            experiment=run.experiment,
            timestamp=run.timestamp,
            final_results=run.final_results,
            notes=list(run.notes),
        ),
    )


def _end(run: SourceRun, test: TestScore) -> TrialEnd:
    return TrialEnd(
        outcome="finished",
        test=test,
        num_params=run.num_params,
        state_size=None,
        flops_per_token=None,
        steps=run.epochs[-1],
        seconds=None,
        steps_per_second=None,
        tokens_per_second=None,
        peak_memory_bytes=None,
        started_at=None,
        ended_at=None,
        node=None,
        device=None,
        cpu_model=None,
        threads=None,
        versions={},
    )


def imported_manifest(name: str, records: dict[SourceRun, TrialRecord]) -> Manifest:
    """One cell a run, in the order of architecture, size and training."""
    runs = sorted(records, key=_order)
    times = Counter(_label(run) for run in runs)
    trainings = sorted({run.training for run in runs})
    return Manifest(
        sweep=name,
        scale=SCALE,
        id=hashlib.sha256(name.encode()).hexdigest()[:8],
        question=QUESTION,
        imported=True,
        seed=None,
        evaluation_seed=None,
        success_margin=None,
        repeats=1,
        spec={"files": sorted({run.file for run in runs})},
        hypotheses=[],
        # Runs of one training may have been scored on the same machines; of two, they were not.
        tasks={
            name: TaskEntry(spec={"training": name}, ladder={}, ceiling=None, ceiling_exact=False) for name in trainings
        },
        cells=[_cell(run, records[run], unique=times[_label(run)] == 1) for run in runs],
    )


def _order(run: SourceRun) -> tuple[object, ...]:
    rank = ["rnn", "gru", "lstm"]
    place = rank.index(run.arch) if run.arch in rank else len(rank)
    return place, run.arch, run.training != DIRECT, run.training, run.num_layers or 0, run.d_model or 0, run.experiment


def _label(run: SourceRun) -> str:
    """As our cells are called, so that both can be compared: lstm-d256-L2; with the training unless it is direct."""
    size = [f"d{run.d_model}", f"L{run.num_layers}"] if run.d_model is not None else []
    training = [run.training] if run.training != DIRECT or not size else []
    return "-".join([run.arch, *size, *training])


def _cell(run: SourceRun, record: TrialRecord, unique: bool) -> ManifestCell:
    fields: dict[str, str | int | float | bool] = {"arch": run.arch}
    if run.d_model is not None and run.num_layers is not None:
        fields |= {"d_model": run.d_model, "num_layers": run.num_layers}
    fields["training"] = run.training
    if not unique:
        fields["experiment"] = run.experiment
    return ManifestCell(
        label=_label(run) if unique else f"{_label(run)}-{run.experiment}",
        fields=fields,
        task=run.training,
        num_params=run.num_params,
        state_size=None,
        flops_per_token=None,
        steps=run.budget,
        wanted=[WantedTrial(hash=record.hash, phase="measure", repeat=0, index=0)],
        winners=[],
        num_proposals=0,
        num_seeds=1,
        failed=False,
    )
