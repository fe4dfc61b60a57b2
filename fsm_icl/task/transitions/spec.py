"""What is to be learnt, as data: the fields of `task:` in a sweep file."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, PositiveInt

from fsm_icl.results.records import FrozenModel


class TransitionsTask(FrozenModel):
    """Predict the next state of a finite-state machine that is shown only by walks on it.

    Tokens: states 0 .. S-1, actions S .. S+A-1, then <eos>, <query>, <pad>. Classes: the S states.
    """

    family: Literal["transitions"] = "transitions"
    num_states: int = Field(5, ge=2, le=64)
    num_actions: int = Field(5, ge=1, le=64)
    machine_kind: Literal["uniform"] = "uniform"
    num_demos: int = Field(3, ge=1, le=64)
    demo_length: PositiveInt | Literal["auto"] = "auto"
    query_length: PositiveInt | Literal["auto"] = "auto"
    length_jitter: float = Field(0.2, ge=0, lt=1)
    """Each walk's length is uniform over the integers within this share of its nominal length."""
    query_mode: Literal["teacher_forced"] = "teacher_forced"
    loss_on: Literal["query", "transitions"] = "query"
    num_train_machines: PositiveInt | None = None
    """None: an endless stream of machines; N: a fixed training set of N machines."""
    val_machines: PositiveInt = 512
    test_machines: PositiveInt = 2000

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

    @property
    def auto_length(self) -> int:
        """int(n ln n) steps with n = S * A: about what a coupon collector needs to see every entry."""
        n = self.num_states * self.num_actions
        return max(1, int(n * math.log(n)))


TaskSpec = TransitionsTask
