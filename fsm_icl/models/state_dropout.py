"""A vanilla network whose carried state is dropped out, as the project's source had it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from fsm_icl.models.core import State, Weights
from fsm_icl.models.scan import Scan

if TYPE_CHECKING:
    from fsm_icl.models.rnn import RNNSpec


class ForgetfulScan(Scan):
    """h_t = dropout(f(W x_t + b + U h_{t-1} + c)): outside training the vanilla network.

    A unit survives n steps with probability (1 - p)^n: with p = .1, half of the state is lost within 7 steps.
    """

    def __init__(self, spec: RNNSpec) -> None:
        """Drop out with probability `spec.state_dropout`."""
        super().__init__(spec)
        self.dropout = nn.Dropout(spec.state_dropout)

    def step(self, weights: Weights, x_t: Tensor, state: State) -> tuple[Tensor, State]:
        """The spec's, with a fresh mask on what is put out and carried."""
        h, _ = super().step(weights, x_t, state)
        h = self.dropout(h)
        return h, (h,)
