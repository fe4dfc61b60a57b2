"""A file of the source project -> the runs in it, or one sentence about what is wrong with it.

Two formats, told apart by their content: *_metrics.json holds one run; training_curves_data.json holds curves of
several, by architecture and training: {"LSTM": {"direct": {"epochs": [...], ...}}}.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from fsm_icl.source.naming import DIRECT, ExperimentName, arch_of, experiment_name, file_name

MAX_BYTES = 50_000_000
"""A metrics file has a few kB; what is larger is something else, and reading it could fill the memory."""


class SourceError(ValueError):
    """A file that can't be imported, and why."""


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
    """Sections of a trial's config: model, and where the file has them optimizer, budget, source."""
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
    raw = _content(path)
    try:
        content = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_without_doubles)
    except RecursionError:
        raise SourceError("is nested too deeply to be one of the source's files") from None
    except UnicodeDecodeError:
        raise SourceError("is not UTF-8 text, so no JSON") from None
    except json.JSONDecodeError as error:
        raise SourceError(f"is not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except ValueError as error:  # a key that occurs twice, or an integer of thousands of digits
        raise SourceError(str(error).partition(";")[0]) from None
    if not isinstance(content, dict) or not content:
        raise SourceError(f"expected an object with keys, found {_shown(content)}")
    if (place := _not_finite(content)) is not None:
        raise SourceError(f"{place}: is not a finite number")
    name, digest = displayed(path.name), hashlib.sha256(raw).hexdigest()
    if {"experiment", "training_history", "final_results"} & content.keys():
        return [_metrics_run(name, digest, content)]
    if all(isinstance(value, dict) and value for value in content.values()):
        return list(_curve_runs(name, digest, content))
    raise SourceError(
        "is neither a *_metrics.json (keys experiment, timestamp, model_config, training_history, final_results) nor "
        f"training curves by architecture and training: its keys are {_listed(content)}"
    )


def displayed(name: str) -> str:
    """A file's name as text that can be printed and stored, whatever bytes and control characters it has."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def _content(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise SourceError("is a folder; name the files in it")
        if not path.exists():
            raise SourceError("there is no such file")
        if not path.is_file():
            raise SourceError("is no regular file")
        if (size := path.stat().st_size) > MAX_BYTES:
            raise SourceError(f"has {size / 1e6:,.0f} MB; files of the source have a few kB")
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"can't be read: {error.strerror or error}") from None
    except ValueError as error:  # a NUL in the name
        raise SourceError(str(error)) from None


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        double = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {_shown(double)} stands twice in one object")
    return content


def _not_finite(content: Any) -> str | None:
    """Where the first NaN or infinity stands, e.g. training_history.val_losses.3."""
    stack: list[tuple[str, Any]] = [("", content)]
    while stack:
        place, value = stack.pop()
        if isinstance(value, float) and not math.isfinite(value):
            return place
        parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        stack += [(f"{place}.{name}" if place else str(name), part) for name, part in parts]
    return None


def _fraction(value: float) -> float:
    if 0 <= value <= 1:
        return value
    percent = f" ({value:g} % is {value / 100:g})" if 1 < value <= 100 else ""
    raise ValueError(f"expected a fraction from 0 to 1{percent}")


def _date(text: str) -> str:
    try:
        datetime.strptime(text, "%Y%m%d_%H%M%S")
    except ValueError:
        raise ValueError("expected a time as YYYYMMDD_HHMMSS") from None
    return text


Accuracy = Annotated[float, AfterValidator(_fraction)]
Loss = Annotated[float, Field(ge=0)]
Whole = Annotated[int, Field(ge=1, le=10**12)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]{1,100}$")]
Losses = Annotated[list[Loss], Field(min_length=1)]
Accuracies = Annotated[list[Accuracy], Field(min_length=1)]
_Read = TypeVar("_Read", bound=BaseModel)


class _Part(BaseModel):
    """Types are as JSON has them, no "3" for 3; keys that we do not know are left alone."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)


class _Model(_Part):
    d_model: Whole
    num_layers: Whole
    parameter_count: Whole | None = None


class _Training(_Part):
    batch_size: Whole | None = None
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    num_epochs: Whole | None = None


class _Curves(_Part):
    train_losses: Losses
    val_losses: Losses
    train_accs: Accuracies
    val_accs: Accuracies

    @model_validator(mode="after")
    def _equally_long(self) -> _Curves:
        lengths = {name: len(values) for name, values in self.by_metric().items()}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{_HISTORIES[name]} {count}" for name, count in lengths.items())
            raise ValueError(f"the histories differ in length: {told}")
        return self

    def by_metric(self) -> dict[str, list[float]]:
        """Our metrics -> values by epoch."""
        return {name: getattr(self, theirs) for name, theirs in _HISTORIES.items()}

    def rows(self) -> tuple[dict[str, float], ...]:
        """By epoch, our metrics."""
        columns = self.by_metric()
        return tuple(dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))


_HISTORIES = {
    "train/loss": "train_losses",
    "train/accuracy": "train_accs",
    "val/loss": "val_losses",
    "val/accuracy": "val_accs",
}


class _FinalResults(_Part):
    test_accuracy: Accuracy
    val_accuracy: Accuracy | None = None
    train_accuracy: Accuracy | None = None

    def known(self) -> dict[str, float]:
        """Those of the three that the file has."""
        values = {name: getattr(self, name) for name in ("train_accuracy", "val_accuracy", "test_accuracy")}
        return {name: value for name, value in values.items() if value is not None}


class _Metrics(_Part):
    experiment: Name
    timestamp: Annotated[str, AfterValidator(_date)]
    checkpoint_name: str | None = None
    curriculum_info: dict[str, Any] | None = None
    size: _Model = Field(alias="model_config")
    training_config: _Training = _Training()
    training_history: _Curves
    final_results: _FinalResults


class _Curve(_Curves):
    epochs: Annotated[list[Whole], Field(min_length=1)]
    final_test_accuracy: Accuracy

    @model_validator(mode="after")
    def _rising(self) -> _Curve:
        if len(self.epochs) != len(self.val_accs):
            raise ValueError(f"epochs has {len(self.epochs)} entries, val_accs {len(self.val_accs)}")
        if any(later <= earlier for earlier, later in zip(self.epochs, self.epochs[1:], strict=False)):
            raise ValueError("epochs do not rise")
        return self


def _metrics_run(file: str, digest: str, content: Mapping[str, Any]) -> SourceRun:
    read = _parsed(_Metrics, content, "")
    name = experiment_name(read.experiment)
    if name is None:
        raise SourceError(
            f"experiment: {_shown(read.experiment)} names no architecture; expected one such as lstm_direct or "
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


def _settings(arch: str, read: _Metrics, content: Mapping[str, Any]) -> dict[str, Any]:
    """The file's own settings in our sections; num_states there is padded to 8, so it is not the machine's."""
    model = {("padded_num_states" if k == "num_states" else k): v for k, v in content["model_config"].items()}
    training = dict(content.get("training_config", {}))
    rate = training.pop("learning_rate", None)
    source = {"curriculum_info": read.curriculum_info, "checkpoint_name": read.checkpoint_name}
    known = {name: value for name, value in source.items() if value is not None}
    return (
        {"model": {**model, "arch": arch}}
        | ({"optimizer": {"learning_rate": rate}} if rate is not None else {})
        | ({"budget": training} if training else {})
        | ({"source": known} if known else {})
    )


def _contradictions(file: str, name: ExperimentName, read: _Metrics, length: int) -> Iterator[str]:
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
            names = _parsed(_CurveName, {"arch": arch, "training": training}, "")
            read = _parsed(_Curve, entry, f"{place}.")
            yield SourceRun(
                file=file,
                sha256=digest,
                experiment=place,
                timestamp=None,
                arch=arch_of(names.arch),
                training=training.lower(),
                d_model=None,
                num_layers=None,
                num_params=None,
                settings={"model": {"arch": arch_of(arch)}},
                budget=read.epochs[-1],
                epochs=tuple(read.epochs),
                metrics=read.rows(),
                final_results={"test_accuracy": read.final_test_accuracy},
            )


class _CurveName(_Part):
    arch: Name
    training: Name


def _parsed(model: type[_Read], content: Any, place: str) -> _Read:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = f"{place}{'.'.join(map(str, first['loc']))}".rstrip(".")
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        missing = first["type"] == "missing"
        what = first["msg"].removeprefix("Value error, ")
        value = first["input"]
        found = "" if missing or isinstance(value, dict | BaseModel) else f"found {_shown(value)}; "
        raise SourceError(f"{where}: {found}{'is missing' if missing else what}{more}") from None


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:36]} ..."


def _listed(names: Sequence[str] | Mapping[str, Any], most: int = 6) -> str:
    return ", ".join(_shown(name) for name in list(names)[:most]) + (", ..." if len(names) > most else "")
