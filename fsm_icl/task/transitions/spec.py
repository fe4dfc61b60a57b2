"""What is to be learnt, as data: the fields of `task:` in a sweep file."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from fsm_icl.task.base import Baselines, EvaluationSet, EvaluationSplit, Size, TaskSpec

if TYPE_CHECKING:
    from fsm_icl.task.machines import MachineSource
    from fsm_icl.task.transitions.episodes import TransitionsStream

Length = PositiveInt | Literal["auto"]


class TransitionsTask(TaskSpec):
    """Predict the next state of a finite-state machine that is shown only by walks on it.

    Tokens: states 0 .. S-1, actions S .. S+A-1, then <eos>, <query>, <pad>. Classes: the S states.
    """

    family: Literal["transitions"] = "transitions"
    num_states: int = Field(5, ge=2, le=64)
    num_actions: int = Field(5, ge=1, le=64)
    machine_kind: Literal["uniform"] = "uniform"
    num_demos: int = Field(3, ge=1, le=64)
    demo_length: Length = "auto"
    query_length: Length = "auto"
    length_jitter: float = Field(0.2, ge=0, lt=1)
    """Each walk's length is uniform over the integers within this share of its nominal length."""
    query_mode: Literal["teacher_forced"] = "teacher_forced"
    loss_on: Literal["query", "transitions"] = "query"
    num_train_machines: PositiveInt | None = None
    """None: an endless stream of machines; N: a fixed training set of N machines."""
    val_machines: PositiveInt = 512
    test_machines: PositiveInt = 2000

    @property
    def machines(self) -> MachineSource:
        """Where the machines come from."""
        from fsm_icl.task.machines import MachineSource

        return MachineSource(self.num_states, self.num_actions, self.machine_kind)

    @property
    def num_classes(self) -> int:
        """States, what is predicted."""
        return self.num_states

    @property
    def num_tokens(self) -> int:
        """States, actions, <eos>, <query>, <pad>."""
        return self.num_states + self.num_actions + 3

    @property
    def eos(self) -> int:
        """Token that ends a walk."""
        return self.num_states + self.num_actions

    @property
    def query(self) -> int:
        """Token before the query walk."""
        return self.eos + 1

    @property
    def pad(self) -> int:
        """Token after the sequence's end."""
        return self.eos + 2

    def nominal(self, length: Length) -> int:
        """Steps of a walk before jitter.

        `auto` is int(n ln n) with n = S * A: about what a coupon collector needs to see every entry.
        """
        n = self.num_states * self.num_actions
        return max(1, int(n * math.log(n))) if length == "auto" else length

    def length_range(self, length: Length) -> tuple[int, int]:
        """Shortest and longest walk, in steps, of nominal length `length`: both ends can occur."""
        nominal = self.nominal(length)
        slack = int(nominal * Fraction(str(self.length_jitter)))  # exact: as floats, 100 * .29 < 29
        return nominal - slack, nominal + slack

    @property
    def sequence_length(self) -> int:
        """T, tokens of the longest possible episode; every batch of the task is padded to it."""
        return _sequence_length(self)

    @property
    def usual_length(self) -> int:
        """Tokens of an episode whose walks have their nominal lengths."""
        demo, query = self.nominal(self.demo_length), self.nominal(self.query_length)
        return self.num_demos * (2 * demo + 2) + 2 * query + 3

    @property
    def dimensions(self) -> dict[str, int]:
        """The sides of a machine's table."""
        return {"states": self.num_states, "actions": self.num_actions}

    @property
    def slices(self) -> dict[str, str]:
        """By how often the step's (state, action) was shown before it, and by the step of the query."""
        return {"times_shown": "times (state, action) was shown before", "query_step": "query step"}

    def sizes(self) -> tuple[Size, ...]:
        """Tokens and tables of each set of episodes."""
        table = self.num_states * self.num_actions
        largest = max(self.sequence_length, table)
        return (
            Size("tokens in an episode", self.sequence_length, ("demo_length", "query_length", "num_demos")),
            Size("validation tokens", self.val_machines * largest, ("val_machines",)),
            Size("test tokens", self.test_machines * largest, ("test_machines",)),
            Size("entries of training machines", (self.num_train_machines or 0) * table, ("num_train_machines",)),
        )

    def num_episodes(self, split: EvaluationSplit) -> int:
        """One on each of the split's machines."""
        return self.val_machines if split == "val" else self.test_machines

    def check(self) -> None:
        """Raises ValueError where machines of the task's size show too few classes for three splits."""
        from fsm_icl.task.machines import check_splittable

        check_splittable(self.machines)

    def training_stream(self, seed: int, batch_size: int, evaluation_seed: int) -> TransitionsStream:
        """An endless stream of machines or, with `num_train_machines`, walks on the same few again and again."""
        from fsm_icl.task.transitions.episodes import TransitionsStream

        return TransitionsStream(self, seed, batch_size, evaluation_seed)

    def evaluation_set(self, split: EvaluationSplit, evaluation_seed: int) -> EvaluationSet:
        """One episode on each of the split's machines."""
        from fsm_icl.task.transitions.episodes import evaluation_set

        return evaluation_set(self, split, evaluation_seed)

    def baselines(self, evaluation: EvaluationSet) -> Baselines:
        """chance, unigram, per-state, per-action, naive Bayes, look-up; the ceiling is exact up to 5 states."""
        from fsm_icl.task.transitions.baselines import baselines

        return baselines(self, evaluation)


@lru_cache(maxsize=1024)
def _sequence_length(task: TransitionsTask) -> int:
    longest = task.num_demos * (task.length_range(task.demo_length)[1] + 1)
    longest += task.length_range(task.query_length)[1] + 1
    return 2 * longest + 1
