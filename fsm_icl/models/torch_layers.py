"""torch's own recurrent layers as cores: faster than the scan of the step, and equal to it.

Letters: B batch, T time, D d_model, G gates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from fsm_icl.models.core import Core, State, Weights
from fsm_icl.seeding import torch_generator

if TYPE_CHECKING:
    from fsm_icl.models.spec import CoreSpec

_TORCH_NAMES = {"weight_ih": "weight_ih", "recurrent": "weight_hh", "bias_ih": "bias_ih", "bias_hh": "bias_hh"}
"""What torch calls our weights."""


class RecurrentCore(Core):
    """torch.nn.RNN, GRU or LSTM."""

    def __init__(self, spec: CoreSpec, kind: Callable[..., nn.RNNBase], num_layers: int, **options: str) -> None:
        """Lay out `num_layers` layers of torch's class `kind`; weights float (G D, D), biases float (G D)."""
        super().__init__()
        self.spec = spec
        self.layers = kind(
            input_size=spec.d_model,
            hidden_size=spec.d_model,
            num_layers=num_layers,
            batch_first=True,
            dropout=spec.dropout if num_layers > 1 else 0.0,  # between layers only; after the last one the shell does
            **options,
        )

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Hidden states of the last layer, float (B, T, D), and h (or h and s), each float (layers, B, D)."""
        if isinstance(self.layers, nn.LSTM):
            hidden, carried = self.layers(x, state)
            return hidden, carried
        hidden, carried = self.layers(x, None if state is None else state[0])
        return hidden, (carried,)

    @torch.no_grad()
    def initialise(self, seed: int) -> None:
        """As the spec says."""
        for number, weights in enumerate(self.layer_weights()):
            for name, weight in weights.items():
                generator = torch_generator(seed, "init", "core", f"{_TORCH_NAMES[name]}_l{number}")
                self.spec.fill(name, weight, generator)

    def layer_weights(self) -> list[Weights]:
        """Those of each layer, from the first on."""
        numbers = range(self.layers.num_layers)
        return [
            {ours: getattr(self.layers, f"{torchs}_l{n}") for ours, torchs in _TORCH_NAMES.items()} for n in numbers
        ]
