"""Runs an architecture's step along time, for steps that torch's own layers can't take.

As fast as torch.nn.RNN on a CPU, whose layer is a loop of the same products (10 against 12 ms forward and backward
at d_model 128, batch 32, 105 tokens).
Letters: B batch, T time, D d_model.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fsm_icl.models.shell import Core, State
from fsm_icl.seeding import torch_generator


class Cell(nn.Module):
    """One layer's weights and its step. Subclasses hold the equation."""

    recurrent: nn.Parameter
    """U, float (D, D): what multiplies the previous hidden state."""

    def inputs(self, x: Tensor) -> Tensor:
        """What `step` needs of the inputs, computed for all tokens at once; float (T, B, .) from float (T, B, D)."""
        raise NotImplementedError

    def step(self, given: Tensor, hidden: Tensor) -> Tensor:
        """The next hidden state, float (B, D), from one token's `inputs`, float (B, .), and the previous one."""
        raise NotImplementedError

    def initialise(self, seed: int) -> None:
        """Set every weight from the generators ("init", "core", its name) of `seed`."""
        raise NotImplementedError


class Scan(Core):
    """A cell run along time from a state of zeros."""

    def __init__(self, cell: Cell) -> None:
        """Run `cell`."""
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Hidden states, float (B, T, D), and the last one, float (B, D)."""
        given = self.cell.inputs(x.transpose(0, 1))
        hidden = x.new_zeros(x.shape[0], x.shape[2]) if state is None else state[0]
        outputs = []
        for token in given.unbind(0):
            hidden = self.cell.step(token, hidden)
            outputs.append(hidden)
        return torch.stack(outputs).transpose(0, 1), (hidden,)

    def initialise(self, seed: int) -> None:
        """The cell's own rules."""
        self.cell.initialise(seed)

    def recurrent_matrices(self) -> list[Tensor]:
        """The cell's U."""
        return [self.cell.recurrent]


def seeded(seed: int, name: str) -> torch.Generator:
    """The generator of the core's weight `name`."""
    return torch_generator(seed, "init", "core", name)
