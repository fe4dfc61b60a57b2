"""What an architecture's spec builds: a causal map from sequence to sequence, whatever computes it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

State = tuple[Tensor, ...]
"""All that is carried past a token; between two steps of one layer `spec.states` tensors, float (B, D)."""

Weights = Mapping[str, Tensor]
"""One layer's weights by the names in `spec.shapes()`."""


class Core(nn.Module):
    """A causal map from float (B, T, D) to float (B, T, D): B batch, T time, D d_model."""

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Outputs, float (B, T, D), and all that is carried past the last token.

        `state` continues an earlier call. Its tensors hold `spec.state_size()` floats per sequence.
        """
        raise NotImplementedError

    def initialise(self, seed: int) -> None:
        """Set every weight from the generators ("init", "core", its name) of `seed`."""
        raise NotImplementedError

    def layer_weights(self) -> list[Weights]:
        """The weights of each layer, as the spec's `step` takes them."""
        raise NotImplementedError

    def recurrent_matrices(self) -> list[Tensor]:
        """Every matrix U, float (D, D), that multiplies a previous hidden state, by layer and gate."""
        stacked = [weights["recurrent"] for weights in self.layer_weights() if "recurrent" in weights]
        return [block for matrix in stacked for block in torch.split(matrix, matrix.shape[1])]
