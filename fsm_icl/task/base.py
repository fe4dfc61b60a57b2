"""What a task family provides: a subclass of TaskSpec, which says how episodes are drawn, scored and bounded.

A family is one file or folder beside this one and one line in registry.py; `fsm_icl.testing.TaskContract` tests
it. Specs are plain data and import torch only inside their methods.

Letters: B batch, N episodes of a set, T time, M places, C classes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from fsm_icl.results.records import FrozenModel

if TYPE_CHECKING:
    from torch import Tensor

EvaluationSplit = Literal["val", "test"]
Split = Literal["train", EvaluationSplit]

IGNORE = -100
"""Target where nothing is to be predicted; torch's cross-entropy leaves it out by default."""


@dataclass(frozen=True)
class Batch:
    """Episodes of one task, all of the same padded length T."""

    tokens: Tensor
    """int64 (B, T)."""
    targets: Tensor
    """int64 (B, T): the class to predict at each token, from what stands up to there; IGNORE where there is none.
    Training minimises the mean cross-entropy over all of them."""
    scored: Tensor
    """bool (B, T): the targets that accuracy and validation loss are about."""


@dataclass(frozen=True)
class Labels:
    """A slicing of the scored places: each has one of `names`."""

    names: tuple[str, ...]
    numbers: Tensor
    """int64 (N, T): index into `names` at scored places, anything elsewhere."""


@dataclass(frozen=True)
class EvaluationSet:
    """Episodes that every trial is scored on, N in all."""

    batch: Batch
    group: Tensor
    """int64 (N,): number of the episode's group within this set, from 0. Episodes of a group are alike, so that
    analysis resamples groups."""
    slices: Mapping[str, Labels]
    """By the names in `TaskSpec.slices`."""


class TrainingStream(Protocol):
    """Training batches, each a pure function of the stream's arguments and its step."""

    def batch(self, step: int) -> Batch:
        """The batch of optimiser step `step`, from 0."""


@dataclass(frozen=True)
class Baselines:
    """Accuracies on the scored places of one evaluation set."""

    ladder: dict[str, float]
    """Fixed in-context strategies in rising order of cunning; `chance` is the first."""
    ceiling: float
    """The Bayes predictor's, given the context, under the distribution that episodes are drawn from."""
    ceiling_exact: bool
    """False where `ceiling` is a lower bound."""


@dataclass(frozen=True)
class Size:
    """A number that memory must hold, and the spec's fields that it comes from, the likeliest first."""

    what: str
    amount: int
    fields: tuple[str, ...]


class TaskSpec(FrozenModel):
    """A task as data. A subclass adds `family: Literal[...]` with its default, its own fields and what is below."""

    results_version: ClassVar[int | None] = None
    """Declared by families of installed packages, and raised when their results change meaning."""

    family: str

    @property
    @abstractmethod
    def num_tokens(self) -> int:
        """Number of different tokens."""

    @property
    @abstractmethod
    def num_classes(self) -> int:
        """Number of classes that are told apart."""

    @property
    @abstractmethod
    def sequence_length(self) -> int:
        """T, tokens of the longest possible episode; every batch is padded to it."""

    @property
    @abstractmethod
    def usual_length(self) -> int:
        """Tokens of a usual episode, padding left out, for estimates of time."""

    @property
    @abstractmethod
    def dimensions(self) -> dict[str, int]:
        """What an episode's rule is made of, by name in the plural; their product is what has to be remembered."""

    @property
    @abstractmethod
    def slices(self) -> dict[str, str]:
        """Slicings of the scored places: name -> what the labels count, as figures say it."""

    @abstractmethod
    def sizes(self) -> tuple[Size, ...]:
        """What a sweep file must not make too large, the length of an episode first."""

    @abstractmethod
    def num_episodes(self, split: EvaluationSplit) -> int:
        """N of the split's evaluation set."""

    @abstractmethod
    def check(self) -> None:
        """Raises ValueError where the fields are fine one by one, but make no task together."""

    @abstractmethod
    def training_stream(self, seed: int, batch_size: int, evaluation_seed: int) -> TrainingStream:
        """Batches of the train split. Raises ValueError as `check` does."""

    @abstractmethod
    def evaluation_set(self, split: EvaluationSplit, evaluation_seed: int) -> EvaluationSet:
        """The split's episodes, a pure function of the arguments. Raises ValueError as `check` does."""

    @abstractmethod
    def baselines(self, evaluation: EvaluationSet) -> Baselines:
        """What fixed strategies score on these very episodes, and what the best possible one would."""

    def correct(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Which predictions count as right, bool (M,), from logits (M, C) and targets (M,)."""
        return logits.argmax(1) == targets
