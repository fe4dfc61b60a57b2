"""torch's own recurrent layers as cores: what rnn, gru and lstm share.

Letters: B batch, T time, D d_model, G gates (1, 3, 4).
"""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor, nn

from fsm_icl.models.initialisation import ORTHOGONAL, Start
from fsm_icl.models.shell import Core, State
from fsm_icl.models.spec import CoreSpec
from fsm_icl.seeding import torch_generator


class Sizes(TypedDict):
    """The arguments that all of torch's recurrent layers take."""

    input_size: int
    hidden_size: int
    num_layers: int
    batch_first: bool
    dropout: float


def sizes(spec: CoreSpec, num_layers: int) -> Sizes:
    """`spec` in torch's words. Torch drops out between layers only; after the last one the shell does."""
    return Sizes(
        input_size=spec.d_model,
        hidden_size=spec.d_model,
        num_layers=num_layers,
        batch_first=True,
        dropout=spec.dropout if num_layers > 1 else 0.0,
    )


class RecurrentCore(Core):
    """torch.nn.RNN, GRU or LSTM; the equations stand in the specs."""

    def __init__(self, layers: nn.RNNBase, open_gate: int | None = None, start: Start = ORTHOGONAL) -> None:
        """Wrap `layers`, whose weights are float (G D, D) and biases float (G D).

        `open_gate` is the gate, counted in torch's order, whose bias starts at 1 instead of 0.
        """
        super().__init__()
        self.layers = layers
        self.open_gate = open_gate
        self.start = start

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Hidden states of the last layer, float (B, T, D), and h (or h and s), each float (layers, B, D)."""
        if isinstance(self.layers, nn.LSTM):
            hidden, carried = self.layers(x, state)
            return hidden, carried
        hidden, carried = self.layers(x, None if state is None else state[0])
        return hidden, (carried,)

    @torch.no_grad()
    def initialise(self, seed: int) -> None:
        """Per gate: inputs and recurrences as `start` says; biases 0, or 1 at the open gate."""
        for name, stacked in self.layers.named_parameters():
            generator = torch_generator(seed, "init", "core", name)
            for gate, block in enumerate(torch.split(stacked, self.layers.hidden_size)):
                if name.startswith("weight_ih"):
                    self.start.fill_input(block, generator)
                elif name.startswith("weight_hh"):
                    self.start.fill_recurrent(block, generator)
                else:
                    # torch adds two bias vectors; only one of them may hold the 1
                    block.fill_(float(gate == self.open_gate and name.startswith("bias_ih")))

    def recurrent_matrices(self) -> list[Tensor]:
        """U of each layer and gate, in torch's order."""
        stacked = [weight for name, weight in self.layers.named_parameters() if name.startswith("weight_hh")]
        return [block for weight in stacked for block in torch.split(weight, self.layers.hidden_size)]
