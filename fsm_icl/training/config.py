"""TrialConfig: what a trial is, and its fingerprint. RunEnv: where and how it runs, not part of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field, PositiveInt

from fsm_icl.models.registry import ModelSpec, plugin_of
from fsm_icl.results.records import RESULTS_VERSION, FrozenModel, Phase, sha256_of
from fsm_icl.task.registry import AnyTask, family_plugin

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder


class OptimizerSpec(FrozenModel):
    """AdamW (Loshchilov & Hutter 2019) with linear warm-up, a schedule after it, and clipping by norm."""

    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    clip_norm: float = Field(1.0, gt=0)
    warmup: float = Field(0.07, ge=0, lt=1)
    """Share of the budget over which the learning rate rises linearly."""
    schedule: Literal["cosine", "constant"] = Field("cosine", json_schema_extra={"unchanged": "cosine"})
    """After the warm-up: a cosine to zero, or the full rate to the end."""


class BudgetSpec(FrozenModel):
    """How long a trial trains and how often it reports."""

    steps: PositiveInt = 600
    batch_size: PositiveInt = 32
    report_every: PositiveInt = 30
    """Steps between reports; the last step always reports."""


class TrialConfig(FrozenModel):
    """One trial, fully resolved: two equal configs are the same experiment."""

    task: AnyTask
    model: ModelSpec
    optimizer: OptimizerSpec
    budget: BudgetSpec
    precision: Literal["float32", "bfloat16"] = "float32"
    phase: Phase
    seed: int = Field(ge=0)
    evaluation_seed: int = Field(ge=0)

    def warmup_steps(self) -> int:
        """Optimiser steps of the warm-up."""
        return math.ceil(self.optimizer.warmup * self.budget.steps)

    def fingerprint(self) -> str:
        """SHA-256 of what the trial is: 64 hex digits, the same in every process and version of Python."""
        plain = {"results_version": RESULTS_VERSION, "trial": identity(self)}
        if (plugin := plugin_of(self.model)) is not None:
            plain["plugins"] = {plugin.distribution: self.model.results_version}
        if (family := family_plugin(self.task)) is not None:
            plain["task_plugins"] = {family.distribution: self.task.results_version}
        return sha256_of(plain)


@dataclass(frozen=True)
class RunEnv:
    """Where and how a trial runs: none of it changes what the trial is."""

    device: str = "cpu"
    threads: int = 1
    folder: Folder | None = None
    """Where the checkpoint and the log go; None keeps nothing."""
    cutoffs: Mapping[int, float] = field(default_factory=dict)
    """step -> validation accuracy below which the trial ends itself there as `pruned`."""
    checkpoint_every_seconds: float = 60.0


def identity(spec: BaseModel) -> dict[str, Any]:
    """`spec` as plain JSON values, without the fields that still have their `unchanged` value.

    A field added after results exist declares `json_schema_extra={"unchanged": value}`: the value at which
    the program behaves as it did before the field was there. Old records then keep their hash.
    """
    plain: dict[str, Any] = {}
    for name, info in type(spec).model_fields.items():
        value = getattr(spec, name)
        extra = info.json_schema_extra
        if isinstance(extra, dict) and "unchanged" in extra and extra["unchanged"] == value:
            continue
        plain[name] = identity(value) if isinstance(value, BaseModel) else value
    return plain
