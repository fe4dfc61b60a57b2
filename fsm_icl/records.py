"""The contract with analysis: metrics, what a trial leaves behind, and the manifest of a sweep.

Plain data, no torch. A results folder holds `manifest.json` (one `Manifest`) and `records/<hash>.json`
(one `TrialRecord` each); analysis reads nothing else.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

RESULTS_VERSION = 1
"""Raised by hand when training, data or scoring change meaning; part of every trial's identity."""

Outcome = Literal["finished", "pruned", "diverged", "failed"]
Phase = Literal["search", "measure"]
Count = Annotated[int, Field(ge=0)]


class FrozenModel(BaseModel):
    """Base of all specs and records: immutable, unknown keys are errors, NaN is never a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Metric(FrozenModel):
    """A number that trials report: its name as in code, W&B and figures, and which way is better."""

    name: str
    mode: Literal["max", "min"]
    low: float
    high: float = Field(allow_inf_nan=True)
    worst: float
    """Stands in where a trial diverged or failed before it could report the metric."""


METRICS = {
    m.name: m
    for m in (
        Metric(name="train/loss", mode="min", low=0.0, high=math.inf, worst=1e9),
        Metric(name="val/loss", mode="min", low=0.0, high=math.inf, worst=1e9),
        Metric(name="val/accuracy", mode="max", low=0.0, high=1.0, worst=0.0),
        Metric(name="test/loss", mode="min", low=0.0, high=math.inf, worst=1e9),
        Metric(name="test/accuracy", mode="max", low=0.0, high=1.0, worst=0.0),
    )
}


class Slice(FrozenModel):
    """Correct predictions among the `total` query steps that share `label`."""

    label: str
    correct: Count
    total: Count

    @property
    def accuracy(self) -> float:
        """correct / total. Raises ValueError on an empty slice: absent is absent."""
        if self.total == 0:
            raise ValueError(f"slice {self.label!r} is empty, it has no accuracy")
        return self.correct / self.total


class TestScore(FrozenModel):
    """What one measure trial scored, once, on the test set. One entry a test machine in the three lists."""

    accuracy: float = Field(ge=0, le=1)
    loss: float
    by_query_step: list[Slice]
    by_times_shown: list[Slice]
    """Labels "0", "1", "2", "3+": how often the step's (state, action) was shown before it."""
    machine_correct: list[Count]
    machine_total: list[Count]
    machine_class: list[Count]
    """Number of the machine's class (machines up to relabelling) within this test set, from 0."""

    @model_validator(mode="after")
    def _lists_agree(self) -> TestScore:
        if not len(self.machine_correct) == len(self.machine_total) == len(self.machine_class):
            raise ValueError("machine_correct, machine_total and machine_class differ in length")
        return self


class TrialEnd(FrozenModel):
    """How a trial ended and what it cost. Clock times are for the reader; no result depends on them."""

    outcome: Outcome
    reason: str | None = None
    """Why it was pruned, diverged or failed: one line; the trace-back is in the trial's log."""
    test: TestScore | None = None
    """Present for finished measure trials only."""
    num_params: Count
    state_size: Count
    """Floats carried from step to step."""
    flops_per_token: Count
    """Forward floating-point operations a token, two a multiply-add, matrix products only."""
    steps: Count
    """Optimiser steps of the whole trial, those before an interruption included."""
    seconds: float
    """Wall-clock seconds of the trial's own work, building and evaluating included."""
    steps_per_second: float
    """Optimiser steps a second of training alone, evaluation left out."""
    tokens_per_second: float
    peak_memory_bytes: Count
    started_at: float
    ended_at: float
    """Unix seconds."""
    node: str
    device: str
    cpu_model: str
    threads: int
    versions: dict[str, str]


class Report(FrozenModel):
    """One row of a trial's stream: metrics at `step`. The last row has `end` instead of metrics."""

    step: Count
    metrics: dict[str, FiniteFloat] = {}
    end: TrialEnd | None = None

    @model_validator(mode="after")
    def _known_metrics(self) -> Report:
        for name in self.metrics:
            if name not in METRICS:
                raise ValueError(f"unknown metric {name!r}; known: {', '.join(METRICS)}")
        return self

    def metric(self, name: str) -> float:
        """The metric's value. Raises ValueError when the row lacks it: never a stand-in."""
        if name not in self.metrics:
            raise ValueError(f"report at step {self.step} has no {name!r}")
        return self.metrics[name]


class TrialRecord(FrozenModel):
    """All that is kept of an ended trial; written once, by the driver."""

    format: Literal[1] = 1
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    config: dict[str, Any]
    """The TrialConfig, fully resolved, as JSON."""
    reports: list[Report]
    end: TrialEnd
    commit: str | None
    """Git commit of the code, None outside a checkout."""
    dirty: bool

    @property
    def phase(self) -> Phase:
        """search or measure."""
        phase: Phase = self.config["phase"]
        return phase

    def pruned_at(self, step: int) -> TrialRecord:
        """The record as it would be if the trial had been pruned at `step`: what came later is left out."""
        end = self.end.model_copy(update={"outcome": "pruned", "steps": step, "test": None})
        reports = [report for report in self.reports if report.step <= step]
        return self.model_copy(update={"reports": reports, "end": end})


class WantedTrial(FrozenModel):
    """A trial the sweep asks for: its hash and its place in the protocol."""

    hash: str
    phase: Phase
    repeat: Count
    index: Count
    pruned_at: Count | None = None
    """Step at which the sweep file's present rule prunes the trial, where its record goes on beyond it."""


class Winner(FrozenModel):
    """The best proposal of one search (one cell, one repeat)."""

    repeat: Count
    index: Count
    hash: str
    params: dict[str, float]
    """Searched hyperparameters, e.g. {"learning_rate": 0.01}."""
    at_edge: list[str]
    """Searched names whose winning value lies in the outer tenth of its range."""
    still_rising: bool
    """Validation accuracy still rose by more than success_margin in the last third of the budget."""


class ManifestCell(FrozenModel):
    """One point of the grid."""

    label: str
    """Unique in the sweep, e.g. "lstm-d64-L1"."""
    fields: dict[str, str | int | float | bool]
    """The cell's coordinates: arch, d_model, num_layers and whatever else the grid names."""
    task: str
    """Key into Manifest.tasks."""
    num_params: Count
    state_size: Count
    flops_per_token: Count
    steps: Count
    """The budget, in optimiser steps."""
    wanted: list[WantedTrial]
    """Trials known to be wanted so far; a search's later proposals become known as earlier ones end."""
    winners: list[Winner]
    num_proposals: Count
    """Search trials the sweep file asks for, all repeats together."""
    num_seeds: Count
    """Measure trials the sweep file asks for."""
    failed: bool
    """Every search of the cell has ended, and none of its proposals finished: there is no winner."""


class TaskEntry(FrozenModel):
    """What fixed strategies score on the very test episodes that models are scored on."""

    spec: dict[str, Any]
    ladder: dict[str, float]
    """Accuracy by strategy, in rising order of cunning: chance, unigram, per-state, per-action,
    naive Bayes, look-up."""
    ceiling: float
    ceiling_exact: bool
    """False above 5 states, where the ceiling is a lower bound."""


class DeclaredHypothesis(FrozenModel):
    """A claim written down before the run. Roles in `cells`: `a` and `b` (the base), or low, mid, high."""

    name: str
    claim: str
    metric: str
    threshold: float
    """In the metric's unit (.10 = 10 points); for a share, a fraction of the gap."""
    direction: Literal["greater", "less"]
    family: str
    cells: dict[Literal["a", "b", "low", "mid", "high"], str]
    """Role -> label of a cell."""

    @property
    def kind(self) -> Literal["difference", "share"]:
        """difference: a - b against the threshold; share: (mid - low) / (high - low) against it."""
        return "difference" if "a" in self.cells else "share"


class Manifest(FrozenModel):
    """What a sweep asks for and where it stands; derived, never read by the driver."""

    format: Literal[1] = 1
    sweep: str
    scale: str
    id: str = Field(pattern=r"^[0-9a-f]{8}$")
    question: str
    seed: int
    evaluation_seed: int
    success_margin: float
    repeats: int
    """Independent searches a cell; with 1, every interval is conditional on the chosen hyperparameters."""
    spec: dict[str, Any]
    """The sweep file with the scale and --set applied."""
    hypotheses: list[DeclaredHypothesis]
    tasks: dict[str, TaskEntry]
    cells: list[ManifestCell]


def num_gpus() -> int:
    """Visible NVIDIA GPUs, as the driver says; needs no torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    return found if visible is None else min(found, len([d for d in visible.split(",") if d not in ("", "-1")]))


def default_scale() -> str:
    """`paper` on a machine with a visible NVIDIA GPU, else `laptop`."""
    return "paper" if num_gpus() else "laptop"


def read_records(folder: Path, places: Mapping[str, str] | None = None) -> dict[str, TrialRecord]:
    """Hash -> record, for every record in a sweep's folder; empty when there is none. Writes nothing.

    `places`, hash -> where a trial stands in its sweep, lets messages name the row.

    Raises:
        ValueError: a file can't be read, is no record, or holds another trial's; the message names it.
    """
    records = {}
    for path in sorted((folder / "records").glob("[!.]*.json")):
        record = read_json(path, TrialRecord, (places or {}).get(path.stem))
        if record.hash != path.stem:
            raise ValueError(f"{path}: holds the record of {record.hash}, so it is not where it belongs; move it away")
        records[record.hash] = record
    return records


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a sweep's folder. Raises ValueError naming the file when there is none that can be read."""
    if not (folder / "manifest.json").is_file():
        raise ValueError(f"{folder} is not a sweep's folder: it has no manifest.json")
    return read_json(folder / "manifest.json", Manifest)


Model = TypeVar("Model", bound=BaseModel)


def read_json(path: Path, model: type[Model], row: str | None = None) -> Model:
    """The file as a `model`. Raises ValueError naming the file, its row and the first field that is wrong."""
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(map(str, first["loc"]))
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        where = f"{path} ({row})" if row else str(path)
        raise ValueError(f"{where}: {f'{field}: ' if field else ''}{first['msg']}{more}") from error


def sweep_folders(sweep: str, scale: str, results: Path) -> list[Path]:
    """Folders of one sweep and scale, oldest first: results/<sweep>-<scale>, then what --fresh made: -2, -3, ..."""
    name = f"{sweep}-{scale}"
    numbered = {path: re.fullmatch(re.escape(name) + r"(?:-(\d+))?", path.name) for path in results.glob(f"{name}*/")}
    found = [(int(match[1] or 1), path) for path, match in numbered.items() if match]
    return [path for _, path in sorted(found) if _named(path) in ((sweep, scale), None)]


def fresh_folder(sweep: str, scale: str, results: Path) -> Path:
    """The next folder of one sweep and scale that does not exist yet."""
    names = (f"{sweep}-{scale}{suffix}" for suffix in ("", *(f"-{n}" for n in range(2, 10**6))))
    return next(results / name for name in names if not (results / name).exists())


def sweep_folder(sweep: str, scale: str | None, results: Path) -> Path:
    """The folder SWEEP means in a command: itself if it is one, else the newest of that name and scale.

    Without a scale it is the machine's default one, or the only one there is.

    Raises:
        ValueError: nothing is there; the message lists the sweeps that are.
    """
    if (Path(sweep) / "manifest.json").is_file():
        return Path(sweep)
    there = sorted(path.parent for path in results.glob("*/manifest.json"))
    scales = {named[1] for path in there if (named := _named(path)) and named[0] == sweep}
    chosen = scale or default_scale()
    if scale is None and chosen not in scales and len(scales) == 1:
        (chosen,) = scales
    folders = [path for path in sweep_folders(sweep, chosen, results) if path in there]
    if not folders:
        names = ", ".join(path.name for path in there) or "none"
        raise ValueError(f"no sweep at {sweep!r} nor at {results / f'{sweep}-{chosen}'} (in {results}: {names})")
    return folders[-1]


def _named(folder: Path) -> tuple[str, str] | None:
    """Sweep and scale of a folder: two fields of its manifest, read without checking the rest; None without one."""
    try:
        plain = json.loads((folder / "manifest.json").read_bytes())
        return str(plain["sweep"]), str(plain["scale"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return "", ""
