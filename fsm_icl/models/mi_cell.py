"""The step of multiplicative integration; its spec and equation: mi_rnn.py."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fsm_icl.models.initialisation import ORTHOGONAL
from fsm_icl.models.scan import Cell, seeded


class MICell(Cell):
    """tanh((alpha * W x + beta_1) * U h + beta_2 * W x + b)."""

    def __init__(self, d_model: int) -> None:
        """Lay out W, U, float (D, D), and alpha, beta_1, beta_2, b, float (D)."""
        super().__init__()
        self.weight_ih, self.recurrent = (nn.Parameter(torch.empty(d_model, d_model)) for _ in range(2))
        self.alpha, self.beta_1, self.beta_2, self.bias = (nn.Parameter(torch.empty(d_model)) for _ in range(4))

    def inputs(self, x: Tensor) -> Tensor:
        """What U h is multiplied with, and what is added to it: float (T, B, 2 D)."""
        wx = x @ self.weight_ih.t()
        return torch.cat([self.alpha * wx + self.beta_1, self.beta_2 * wx + self.bias], -1)

    def step(self, given: Tensor, hidden: Tensor) -> Tensor:
        """tanh(scale * U h + shift)."""
        scale, shift = given.chunk(2, -1)
        return torch.tanh(torch.addcmul(shift, scale, hidden @ self.recurrent.t()))

    @torch.no_grad()
    def initialise(self, seed: int) -> None:
        """As the spec says."""
        ORTHOGONAL.fill_input(self.weight_ih, seeded(seed, "weight_ih"))
        ORTHOGONAL.fill_recurrent(self.recurrent, seeded(seed, "recurrent"))
        for vector, value in ((self.alpha, 1.0), (self.beta_1, 0.5), (self.beta_2, 0.5), (self.bias, 0.0)):
            nn.init.constant_(vector, value)
