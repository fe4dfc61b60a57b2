"""SweepSpec: what the fields of a sweep file mean. load.py makes it from a file; cells.py goes on from it."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, PlainSerializer, PositiveInt, Tag, model_validator

from fsm_icl.results.records import Direction, FrozenModel, HypothesisMetric
from fsm_icl.task.registry import DEFAULT, AnyTask
from fsm_icl.training.config import BudgetSpec, OptimizerSpec

PARAMETERS = {
    "learning_rate": ("optimizer", "learning_rate"),
    "weight_decay": ("optimizer", "weight_decay"),
    "dropout": ("model", "dropout"),
}
"""What a search may vary, and where it stands in a TrialConfig."""

_SHARE = re.compile(r"0*[1-9]\d{0,5}/0*[1-9]\d{0,5}|0?\.\d{1,17}")

Scalar = str | int | float | bool


def _as_fraction(value: Any) -> Any:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        if not _SHARE.fullmatch(str(value)):  # Fraction("1e999999999") would take all there is
            raise ValueError("a rung is a share of the budget between 0 and 1, such as 1/9 or 0.25")
        return Fraction(str(value))
    return value


Share = Annotated[
    Fraction,
    BeforeValidator(_as_fraction, json_schema_input_type=str | float),
    PlainSerializer(str, return_type=str),
]


class Range(FrozenModel):
    """Where a hyperparameter is searched: `{log: [low, high]}` or `{uniform: [low, high]}`; equal ends fix it."""

    log: tuple[float, float] | None = None
    uniform: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _one_rising_pair(self) -> Range:
        if (self.log is None) == (self.uniform is None):
            raise ValueError("give either log: [low, high] or uniform: [low, high]")
        low, high = self.bounds
        if low > high:
            raise ValueError(f"low must not be above high, got [{low:g}, {high:g}]")
        if self.log is not None and low <= 0:
            raise ValueError(f"a log range starts above 0, got {low:g}")
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """(low, high)."""
        return self.log or self.uniform or (math.nan, math.nan)

    def at(self, share: float) -> float:
        """The value at `share` (0 .. 1) of the way from low to high, rounded to 4 significant digits.

        Rounded, because the last bits of a proposal differ between CPU models.
        """
        low, high = self.bounds
        value = low * (high / low) ** share if self.log else low + (high - low) * share
        return min(max(float(f"{value:.4g}"), low), high)

    def share(self, value: float) -> float:
        """How far `value` lies between low and high, 0 .. 1: the inverse of `at`."""
        low, high = self.bounds
        return math.log(value / low) / math.log(high / low) if self.log else (value - low) / (high - low)


def _range_or_not(value: Any) -> str:
    return "range" if isinstance(value, dict | Range) else "value"


_RangeOrNot = Discriminator(_range_or_not)  # one branch complains, not both
_Range = Annotated[Range, Tag("range")]
Setting = Annotated[_Range | Annotated[float, Tag("value")], _RangeOrNot]
"""A hyperparameter of all cells: a number fixes it, a range is searched."""
Axis = Annotated[_Range | Annotated[list[Scalar], Tag("value")], _RangeOrNot]
"""What a grid entry says of a field: values to compare, or a range that is searched in the entry's cells."""


class SearchSpec(FrozenModel):
    """How a cell's hyperparameters are searched. A cell whose hyperparameters are all fixed needs no search."""

    num_trials: int = Field(8, ge=1, le=10_000)
    """Proposals per cell and repeat."""
    learning_rate: Setting | None = None
    """Where neither this nor the grid says it, `optimizer.learning_rate` has to."""
    weight_decay: Setting | None = None
    dropout: Setting | None = None
    num_startup: int = Field(8, ge=1, le=10_000)
    """Number of proposals, from the first on, that are Halton points; later ones are Optuna's TPE."""
    window: int = Field(2, ge=1, le=1000)
    """How many trials of one cell's search may be in flight."""
    eta: int = Field(3, ge=2, le=1000)
    """At a rung a trial goes on if its validation accuracy is among the best 1/eta so far."""
    rungs: tuple[Share, ...] = Field((Fraction(1, 9), Fraction(1, 3)), max_length=20)
    """Shares of the budget at which trials are pruned; an empty list prunes nothing."""
    repeats: int = Field(1, ge=1, le=1000)
    """Independent searches per cell."""

    @model_validator(mode="after")
    def _rungs_rise(self) -> SearchSpec:
        if any(not 0 < r < 1 for r in self.rungs) or list(self.rungs) != sorted(set(self.rungs)):
            raise ValueError("rungs must rise and lie strictly between 0 and 1")
        return self

    def settings(self) -> dict[str, Range | float]:
        """Hyperparameters that are given here, in fixed order; a grid entry may say otherwise for its cells."""
        return {name: found for name in PARAMETERS if (found := getattr(self, name)) is not None}


class SweepBudgetSpec(BudgetSpec):
    """The budget of a sweep's trials."""

    report_every: PositiveInt | Literal["auto"] = 30  # type: ignore[assignment]  # resolved before it is a trial's
    """Steps between reports; auto: a 25th of the steps, so that long trials don't report more often than short ones."""


class MeasureSpec(FrozenModel):
    """How a cell's winner is measured."""

    num_seeds: int = Field(6, ge=0, le=1000)


class ResourcesSpec(FrozenModel):
    """What a trial asks of the machine it runs on. No part of what the trial is: results are kept when it changes."""

    cpus_per_trial: int = Field(1, ge=1, le=1024)
    """CPU cores, and torch's threads."""
    gpus_per_trial: Literal["auto"] | Annotated[float, Field(ge=0, le=1)] = "auto"
    """Share of one GPU. auto: the smallest that holds a trial of the cell, measured when the sweep starts; 0 is the
    CPU, which `auto` means where there is no GPU."""


class Hypothesis(FrozenModel):
    """A claim about cells, declared before the run: `a` against the base `b`, an axis, or mid's share of low..high."""

    name: str = Field(min_length=1, max_length=100)
    claim: str = Field(min_length=1, max_length=1000)
    a: dict[str, Scalar] | None = None
    b: dict[str, Scalar] | None = None
    low: dict[str, Scalar] | None = None
    mid: dict[str, Scalar] | None = None
    high: dict[str, Scalar] | None = None
    axis: str | None = Field(None, min_length=1, max_length=100)
    """The cell with its largest value against the one with its smallest, among those that `along` picks."""
    along: dict[str, Scalar] | None = None
    metric: HypothesisMetric = "test/accuracy"
    threshold: float
    direction: Direction = "greater"
    family: str = Field("main", min_length=1, max_length=100)

    @model_validator(mode="after")
    def _roles(self) -> Hypothesis:
        wanted = [] if self.axis else ["a", "b"]
        if sorted(self.roles()) not in (wanted, ["high", "low", "mid"]) or (self.axis and self.low):
            raise ValueError("name the cells `a` and `b` (the base), or `low`, `mid` and `high`, or an `axis`")
        if self.along is not None and self.axis is None:
            raise ValueError("`along` picks the cells of an `axis`; name the axis, too")
        return self

    @model_validator(mode="after")
    def _threshold_fits(self) -> Hypothesis:
        if self.low and (self.metric != "test/accuracy" or self.direction == "within"):
            raise ValueError("a share is one of test/accuracy, `greater` or `less`")
        least = 1 if self.metric == "steps_to_threshold" and self.direction == "within" else 0
        if self.threshold <= least and (self.metric == "steps_to_threshold" or self.direction == "within"):
            what = "a ratio of steps" if self.metric == "steps_to_threshold" else "a margin"
            raise ValueError(f"{what} must be above {least}, found {self.threshold:g}")
        return self

    def roles(self) -> dict[str, dict[str, Scalar]]:
        """Role -> the cell fields that pick its cell; empty for an axis."""
        return {r: f for r in ("a", "b", "low", "mid", "high") if (f := getattr(self, r)) is not None}


class SweepSpec(FrozenModel):
    """A whole sweep at one scale."""

    question: str = Field(min_length=1, max_length=1000)
    seed: int = Field(0, ge=0)
    evaluation_seed: int = Field(0, ge=0)
    success_margin: float = Field(0.02, gt=0, lt=1)
    """A seed succeeds when its test accuracy is within this distance of the ceiling."""
    task: AnyTask = DEFAULT
    model: dict[str, Scalar] = Field(default_factory=dict)
    """Model fields for every cell that the grid does not name."""
    optimizer: OptimizerSpec = OptimizerSpec()
    budget: SweepBudgetSpec = SweepBudgetSpec()
    precision: Literal["float32", "bfloat16"] = "float32"
    grid: list[dict[str, Axis]] = Field(min_length=1)
    """Each entry is a product of its lists; the grid is all of them, duplicates removed. A range is searched in the
    entry's cells, instead of what `search` says."""
    search: SearchSpec = SearchSpec()
    measure: MeasureSpec = MeasureSpec()
    resources: ResourcesSpec = ResourcesSpec()
    hypotheses: list[Hypothesis] = Field(default_factory=list, max_length=1000)

    @model_validator(mode="after")
    def _names_differ(self) -> SweepSpec:
        names = [h.name for h in self.hypotheses]
        if twice := next((n for n in names if names.count(n) > 1), None):
            raise ValueError(f"two hypotheses are named {twice!r}")
        return self
