"""A file of the source project -> the runs in it, or one sentence about what is wrong with it.

Two formats, told apart by their content: *_metrics.json holds one run; training_curves_data.json holds curves of
several, by architecture and training: {"LSTM": {"direct": {"epochs": [...], ...}}}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fsm_icl.source.content import SourceError, enumerated, quoted, read_content
from fsm_icl.source.naming import DIRECT, ExperimentName, architecture_named, experiment_name, file_name
from fsm_icl.source.schema import CurveEntry, CurveName, MetricsFile, parsed


@dataclass(frozen=True, eq=False)
class SourceRun:
    """One training run of the source project; what its file does not say is None. Compared by identity."""

    file: str
    sha256: str
    experiment: str
    timestamp: str | None
    arch: str
    training: str
    d_model: int | None
    num_layers: int | None
    num_params: int | None
    settings: dict[str, Any]
    """Sections of a trial's config: model, and where the file has them optimizer and source."""
    budget: int
    """Epochs that the run was to last; where the file does not say, those it lasted."""
    epochs: tuple[int, ...]
    metrics: tuple[dict[str, float], ...]
    """By epoch."""
    final_results: dict[str, float]
    """test_accuracy, and what else the file gives as final."""
    notes: tuple[str, ...] = field(default=())


def read_source(path: Path) -> list[SourceRun]:
    """The runs in a file of the source project. Raises SourceError: the file can't be used; why."""
    content = read_content(path)
    name, digest, keys = content.file, content.sha256, content.parsed
    if {"experiment", "training_history", "final_results"} & keys.keys():
        return [_metrics_run(name, digest, keys)]
    if all(isinstance(value, dict) and value for value in keys.values()):
        return list(_curve_runs(name, digest, keys))
    raise SourceError(
        "is neither a *_metrics.json (keys experiment, timestamp, model_config, training_history, final_results) nor "
        f"training curves by architecture and training: its keys are {enumerated(keys)}"
    )


def _metrics_run(file: str, digest: str, content: Mapping[str, Any]) -> SourceRun:
    read = parsed(MetricsFile, content, "")
    name = experiment_name(read.experiment)
    if name is None:
        raise SourceError(
            f"experiment: {quoted(read.experiment)} names no architecture; expected one such as lstm_direct or "
            "vanilla_rnn_curriculum_simple"
        )
    rows, training = read.training_history.rows(), read.training_config
    return SourceRun(
        file=file,
        sha256=digest,
        experiment=read.experiment,
        timestamp=read.timestamp,
        arch=name.arch,
        training=name.training,
        d_model=read.size.d_model,
        num_layers=read.size.num_layers,
        num_params=read.size.parameter_count,
        settings=_settings(name.arch, read, content),
        budget=max(training.num_epochs or len(rows), len(rows)),
        epochs=tuple(range(1, len(rows) + 1)),
        metrics=rows,
        final_results=read.final_results.known(),
        notes=tuple(_contradictions(file, name, read, len(rows))),
    )


def _settings(arch: str, read: MetricsFile, content: Mapping[str, Any]) -> dict[str, Any]:
    """What we know the meaning of, in the sections of a trial's config; all that the file says, under `source`."""
    rate = read.training_config.learning_rate
    names = ("model_config", "training_config", "curriculum_info", "checkpoint_name")
    return (
        {"model": {"arch": arch, "d_model": read.size.d_model, "num_layers": read.size.num_layers}}
        | ({"optimizer": {"learning_rate": rate}} if rate is not None else {})
        | {"source": {name: content[name] for name in names if name in content}}
    )


def _contradictions(file: str, name: ExperimentName, read: MetricsFile, length: int) -> Iterator[str]:
    """Where the file says two things: which one is used."""
    told, history = file_name(file), read.training_history.val_accs
    used = "the experiment is used, because the run itself wrote it"
    if told is not None and told.arch != name.arch:
        yield f"the file's name says {told.arch}, its experiment ({read.experiment}) says {name.arch}: {used}"
    if told is not None and told.kind != name.kind:
        yield f"the file's name says {told.kind}, its experiment ({read.experiment}) says {name.kind}: {used}"
    if read.curriculum_info is not None and name.kind == DIRECT:
        yield f"it has curriculum_info, yet its experiment ({read.experiment}) is no curriculum: {used}"
    if (asked := read.training_config.num_epochs) is not None and asked != length:
        yield f"num_epochs is {asked}, its history has {length}: the history is what was trained, as far as is known"
    final = read.final_results.val_accuracy
    if final is not None and abs(final - history[-1]) > 5e-5:
        last = f"{history[-1]:.4f} at the end of its history"
        yield f"val_accuracy is {final:.4f} in its final results, {last}: both are kept"


def _curve_runs(file: str, digest: str, content: Mapping[str, Any]) -> Iterator[SourceRun]:
    for arch, trainings in content.items():
        for training, entry in trainings.items():
            place = f"{arch}.{training}"
            names = parsed(CurveName, {"arch": arch, "training": training}, "")
            read = parsed(CurveEntry, entry, f"{place}.")
            yield SourceRun(
                file=file,
                sha256=digest,
                experiment=place,
                timestamp=None,
                arch=architecture_named(names.arch),
                training=training.lower(),
                d_model=None,
                num_layers=None,
                num_params=None,
                settings={"model": {"arch": architecture_named(arch)}},
                budget=read.epochs[-1],
                epochs=tuple(read.epochs),
                metrics=read.rows(),
                final_results={"test_accuracy": read.final_test_accuracy},
            )
