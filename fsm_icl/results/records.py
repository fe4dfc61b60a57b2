"""The contract with analysis: metrics, what a trial leaves behind, and the manifest of a sweep.

Plain data, no torch. A results folder holds `manifest.json` (one `Manifest`) and `records/<hash>.json`
(one `TrialRecord` each); analysis reads nothing else.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat, model_validator

RESULTS_VERSION = 1
"""Raised by hand when training, data or scoring change meaning; part of every trial's identity."""

Outcome = Literal["finished", "pruned", "diverged", "failed"]
Phase = Literal["search", "measure"]
Count = Annotated[int, Field(ge=0)]


class FrozenModel(BaseModel):
    """Base of all specs and records: immutable, unknown keys are errors, NaN is never a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def sha256_of(plain: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON of `plain`. Raises ValueError or TypeError on what JSON can't hold."""
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


class TrialPlace(FrozenModel):
    """Where a trial stands in its sweep."""

    cell: str
    """The cell's key: a hash of what its trials have in common, so that it outlives a change of the cell's name."""
    phase: Phase
    repeat: Count
    """Number of the independent search, from 0."""
    index: Count
    """Number of the proposal, or of the measure seed, from 0."""


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
        Metric(name="train/accuracy", mode="max", low=0.0, high=1.0, worst=0.0),
        Metric(name="val/loss", mode="min", low=0.0, high=math.inf, worst=1e9),
        Metric(name="val/accuracy", mode="max", low=0.0, high=1.0, worst=0.0),
        Metric(name="test/loss", mode="min", low=0.0, high=math.inf, worst=1e9),
        Metric(name="test/accuracy", mode="max", low=0.0, high=1.0, worst=0.0),
    )
}


class Slice(FrozenModel):
    """Correct predictions among the `total` scored places that share `label`."""

    label: str
    correct: Count
    total: Count

    @property
    def accuracy(self) -> float:
        """correct / total. Raises ValueError on an empty slice: absent is absent."""
        if self.total == 0:
            raise ValueError(f"slice {self.label!r} is empty, it has no accuracy")
        return self.correct / self.total


EARLIER_SLICES = {"times_shown": "times (state, action) was shown before", "query_step": "query step"}
"""TaskEntry.slices of results of earlier versions."""


class TestScore(FrozenModel):
    """What one measure trial scored, once, on the test set. One entry per test machine in the three lists.

    What is None here, and in TrialEnd, is unknown; only an imported record may lack it.
    """

    accuracy: float = Field(ge=0, le=1)
    loss: float | None
    slices: dict[str, list[Slice]] = {}
    """By the names of the task's slicings (TaskEntry.slices)."""
    machine_correct: list[Count] | None
    machine_total: list[Count] | None
    machine_class: list[Count] | None
    """Number of the machine's class (machines up to relabelling) within this test set, from 0."""

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_versions(cls, plain: Any) -> Any:
        """Slices were fields of their own while there was one task family."""
        if not isinstance(plain, Mapping) or "slices" in plain:
            return plain
        slices = {name: plain[f"by_{name}"] for name in EARLIER_SLICES if f"by_{name}" in plain}
        rest = {name: value for name, value in plain.items() if name.removeprefix("by_") not in slices}
        return rest | {"slices": slices}

    @model_validator(mode="after")
    def _lists_agree(self) -> TestScore:
        lists = (self.machine_correct, self.machine_total, self.machine_class)
        if len({None if counts is None else len(counts) for counts in lists}) > 1:
            raise ValueError("machine_correct, machine_total and machine_class differ in length")
        return self


class TrialEnd(FrozenModel):
    """How a trial ended and what it cost. Clock times are for the reader; no result depends on them."""

    outcome: Outcome
    reason: str | None = None
    """Why it was pruned, diverged or failed: one line; the trace-back is in the trial's log."""
    test: TestScore | None = None
    """Present for finished measure trials only."""
    num_params: Count | None
    state_size: Count | None
    """Floats carried from step to step."""
    flops_per_token: Count | None
    """Forward floating-point operations per token, two per multiply-add, matrix products only."""
    spectral_radius: list[float] | None = None
    """Largest absolute eigenvalue of each recurrent matrix before the first step, by layer and gate; None in records
    of earlier versions and where the trial failed before it had weights."""
    steps: Count
    """Optimiser steps of the whole trial, those before an interruption included; epochs of an imported one."""
    seconds: float | None
    """Wall-clock seconds of the trial's own work, building and evaluating included."""
    steps_per_second: float | None
    """Optimiser steps per second of training alone, evaluation left out."""
    tokens_per_second: float | None
    peak_memory_bytes: Count | None
    started_at: float | None
    ended_at: float | None
    """Unix seconds."""
    node: str | None
    device: str | None
    cpu_model: str | None
    threads: int | None
    versions: dict[str, str]


class Report(FrozenModel):
    """One row of a trial's stream: metrics at `step`. The last row has `end` instead of metrics."""

    step: Count
    metrics: dict[str, FiniteFloat] = {}
    end: TrialEnd | None = None

    @model_validator(mode="after")
    def _known_metrics(self) -> Report:
        for name, value in self.metrics.items():
            if (metric := METRICS.get(name)) is None:
                raise ValueError(f"unknown metric {name!r}; known: {', '.join(METRICS)}")
            if not metric.low <= value <= metric.high:
                raise ValueError(f"{name} at step {self.step} is {value}, not within {metric.low} and {metric.high}")
        return self

    def metric(self, name: str) -> float:
        """The metric's value. Raises ValueError when the row lacks it: never a stand-in."""
        if name not in self.metrics:
            raise ValueError(f"report at step {self.step} has no {name!r}")
        return self.metrics[name]


class ImportedFrom(FrozenModel):
    """Where a record comes from that no trial of ours left behind."""

    file: str
    """The file's name, without its folder."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of the file's content."""
    experiment: str
    """What the file calls it, e.g. "lstm_direct"; in a file of training curves "LSTM.direct"."""
    timestamp: str | None
    """YYYYMMDD_HHMMSS, as the file has it; None where it has none."""
    final_results: dict[str, float]
    """Accuracies that the file gives as final; they need not equal the last ones of its history."""
    notes: list[str]
    """What a reader of the record has to know: contradictions in the file, one sentence each."""


class TrialRecord(FrozenModel):
    """All that is kept of an ended trial; written once, by the driver or by the import."""

    format: Literal[1, 2] = 2
    """2: with the trial's place. Records of format 1 are read as they are."""
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    config: dict[str, Any]
    """The TrialConfig, fully resolved, as JSON."""
    place: TrialPlace | None = None
    """None in records of format 1, and in imported ones."""
    reports: list[Report]
    end: TrialEnd
    commit: str | None
    """Git commit of the code, None outside a checkout."""
    dirty: bool | None
    imported: ImportedFrom | None = None
    """None for trials of ours. Steps of an imported record are epochs."""

    @model_validator(mode="after")
    def _whole_unless_imported(self) -> TrialRecord:
        if self.imported is None:
            test = self.end.test
            parts = {"end": self.end, **({"end.test": test} if test is not None else {})}
            lacking = [f"{part}.{name}" for part, model in parts.items() for name in _lacking(model)]
            lacking += ["dirty"] if self.dirty is None else []
            if lacking:
                raise ValueError(f"{', '.join(lacking)}: unknown, which only imported records may have")
        return self

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


def _lacking(model: BaseModel) -> list[str]:
    """Fields that are None, though a sweep of ours knows them: those without a default."""
    fields = type(model).model_fields
    return [name for name, value in model if value is None and fields[name].is_required()]


class WantedTrial(FrozenModel):
    """A trial the sweep asks for: its hash and its place in the protocol."""

    hash: str
    phase: Phase
    repeat: Count
    index: Count
    pruned_at: Count | None = None
    """Step at which the sweep file's pruning rule now stops the trial, where its record goes on beyond it."""
    params: dict[str, float] = {}
    """Searched hyperparameters that the protocol gave it; empty in manifests of earlier versions."""


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
    key: str | None = None
    """What the places of its trials call it; None in manifests of earlier versions, and in imported ones."""
    fields: dict[str, str | int | float | bool]
    """The cell's coordinates: arch, d_model, num_layers and whatever else the grid names."""
    task: str
    """Key into Manifest.tasks."""
    num_params: Count | None
    state_size: Count | None
    flops_per_token: Count | None
    steps: Count
    """The budget, in optimiser steps; in epochs where the manifest is imported."""
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
    dimensions: dict[str, Count] = {}
    """What an episode's rule is made of, e.g. {"states": 3, "actions": 3}; their product is what has to be remembered.
    Empty where that is unknown."""
    slices: dict[str, str] = {}
    """Slicings of test scores: name -> what the labels count."""
    ladder: dict[str, float]
    """Accuracy by strategy, in rising order of cunning; `chance` is the first."""
    ceiling: float | None
    """None where the task is not known well enough, as that of imported results."""
    ceiling_exact: bool
    """False where the ceiling is a lower bound."""

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_versions(cls, plain: Any) -> Any:
        """There was one task family, whose spec said what has a name of its own now."""
        spec = plain.get("spec", {}) if isinstance(plain, Mapping) else {}
        if not isinstance(spec, Mapping) or "num_states" not in spec or "dimensions" in plain:
            return plain
        sides = {name: spec[f"num_{name}"] for name in ("states", "actions")}
        return {"dimensions": sides, "slices": EARLIER_SLICES, **plain}


HypothesisMetric = Literal["test/accuracy", "success_rate", "steps_to_threshold"]
"""What a claim may be about. steps_to_threshold: until validation accuracy is within success_margin of the ceiling."""
Direction = Literal["greater", "less", "within"]
"""a - b (or a / b, for steps) lies above the threshold, below it, or within it either way: equivalence."""


class DeclaredHypothesis(FrozenModel):
    """A claim written down before the run. Roles in `cells`: `a` and `b` (the base), or low, mid, high."""

    name: str
    claim: str
    metric: HypothesisMetric
    threshold: float
    """In the metric's unit (.10 = 10 points); a ratio for steps_to_threshold; for a share, a fraction of the gap."""
    direction: Direction
    family: str
    """Claims whose p-values are corrected together."""
    axis: str | None = None
    """The coordinate along which `a` is the far end and `b` the near one; None where the cells were named."""
    cells: dict[Literal["a", "b", "low", "mid", "high"], str]
    """Role -> label of a cell."""

    @property
    def kind(self) -> Literal["difference", "share"]:
        """difference: a - b against the threshold; share: (mid - low) / (high - low) against it."""
        return "difference" if "a" in self.cells else "share"


class Occasion(FrozenModel):
    """A moment in the life of a sweep."""

    at: AwareDatetime
    ended: Count
    """Trials that had ended in the sweep's folder."""
    asked: Count
    """Trials that the sweep had asked for by then."""

    @property
    def progress(self) -> str:
        """How far the sweep was, in words."""
        if not self.ended:
            return "before the first trial ended"
        return f"after {self.ended:,} of {self.asked:,} trials had ended"


class Declaration(FrozenModel):
    """One version of a claim: what it says, and when it was declared and withdrawn."""

    content: dict[str, Any]
    """The claim (see claims.py) as it was hashed. A field that Claim gets later is not in it: the hash fits."""
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the canonical JSON of `content`."""
    cells: dict[str, str]
    """Role -> what the sweep file calls the cell now; a name only, so not hashed."""
    declared: Occasion | None
    """None for what an earlier version of this program ran: it kept no dates."""
    measured: Count = 0
    """Measure trials of the compared cells that had ended when it was declared."""
    withdrawn: Occasion | None = None
    """When it was taken back or replaced; None while it stands."""

    @property
    def fits(self) -> bool:
        """Whether its content is what was hashed."""
        return sha256_of(self.content) == self.hash


class Manifest(FrozenModel):
    """What a sweep asks for and where it stands; derived, never read by the driver."""

    format: Literal[1] = 1
    sweep: str
    scale: str
    id: str = Field(pattern=r"^[0-9a-f]{8}$")
    question: str
    imported: bool = False
    """Whether its records come from elsewhere; what is None below is unknown, which only then it may be."""
    seed: int | None
    evaluation_seed: int | None
    success_margin: float | None
    repeats: int
    """Independent searches per cell; with 1, every interval is conditional on the chosen hyperparameters."""
    spec: dict[str, Any]
    """The sweep file with the scale and --set applied."""
    hypotheses: list[DeclaredHypothesis]
    declarations: list[Declaration] = []
    """Every version of every claim, in the order of their declaration; empty in manifests of earlier versions."""
    tasks: dict[str, TaskEntry]
    cells: list[ManifestCell]

    @property
    def step_unit(self) -> Literal["steps", "epochs"]:
        """What budgets and reports are counted in."""
        return "epochs" if self.imported else "steps"

    @model_validator(mode="after")
    def _whole_unless_imported(self) -> Manifest:
        if not self.imported:
            parts = [("", self), *((f"tasks.{key}.", task) for key, task in self.tasks.items())]
            parts += [(f"{cell.label}.", cell) for cell in self.cells]
            if lacking := [f"{part}{name}" for part, model in parts for name in _lacking(model)]:
                raise ValueError(f"{', '.join(lacking)}: unknown, which only imported results may have")
        return self
