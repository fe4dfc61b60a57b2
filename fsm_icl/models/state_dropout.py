"""The vanilla network whose carried state is dropped out, as the project's source had it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from fsm_icl.models.initialisation import Start
from fsm_icl.models.scan import Cell, seeded

if TYPE_CHECKING:
    from fsm_icl.models.rnn import RNNSpec


class ForgetfulRNN(Cell):
    """h_t = dropout(f(W x_t + b + U h_{t-1} + c)): outside training the vanilla network, with torch.nn.RNN's weights.

    A unit survives n steps with probability (1 - p)^n: with p = .1, half of the state is lost within 7 steps.
    """

    def __init__(self, spec: RNNSpec) -> None:
        """Lay out W, U, float (D, D), and b, c, float (D)."""
        super().__init__()
        size = spec.d_model
        self.weight_ih, self.recurrent = (nn.Parameter(torch.empty(size, size)) for _ in range(2))
        self.bias_ih, self.bias_hh = (nn.Parameter(torch.empty(size)) for _ in range(2))
        self.nonlinearity = torch.tanh if spec.nonlinearity == "tanh" else torch.relu
        self.dropout = nn.Dropout(spec.state_dropout)
        self.start = Start.parse(spec.init)

    def inputs(self, x: Tensor) -> Tensor:
        """W x + b + c, float (T, B, D)."""
        return functional.linear(x, self.weight_ih, self.bias_ih + self.bias_hh)

    def step(self, given: Tensor, hidden: Tensor) -> Tensor:
        """dropout(f(given + U h))."""
        after: Tensor = self.dropout(self.nonlinearity(given + hidden @ self.recurrent.t()))
        return after

    @torch.no_grad()
    def initialise(self, seed: int) -> None:
        """W and U as the spec's `init` says, biases 0."""
        self.start.fill_input(self.weight_ih, seeded(seed, "weight_ih"))
        self.start.fill_recurrent(self.recurrent, seeded(seed, "recurrent"))
        for bias in (self.bias_ih, self.bias_hh):
            nn.init.zeros_(bias)
