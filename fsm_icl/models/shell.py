"""The shell that every architecture shares: embedding -> core -> dropout -> readout.

Letters: B batch, T time, D d_model, C classes, M places that are read out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fsm_icl.models.core import Core
from fsm_icl.models.spec import CoreSpec
from fsm_icl.seeding import torch_generator


class Model(nn.Module):
    """Predicts a class after each token."""

    def __init__(self, spec: CoreSpec, num_tokens: int, num_classes: int) -> None:
        """Lay out the modules; build_model gives them their weights."""
        super().__init__()
        self.embedding = nn.Embedding(num_tokens, spec.d_model)
        self.core = spec.build()
        self.dropout = nn.Dropout(spec.dropout)
        self.readout = nn.Linear(spec.d_model, num_classes)

    def forward(self, tokens: Tensor, at: Tensor | None = None) -> Tensor:
        """Logits, float (B, T, C); those at t depend on tokens up to t only.

        With `at`, int64 (M,), only those at these places of the flattened (T B): float (M, C).
        """
        # Time-major in memory, as recurrences run along it, and only what is asked for read out: torch's layers
        # then copy nothing, which saves 3 % of a small step.
        hidden, _ = self.core(self.embedding(tokens.t()).transpose(0, 1))
        if at is not None:
            hidden = hidden.transpose(0, 1).flatten(0, 1).index_select(0, at)
        logits: Tensor = self.readout(self.dropout(hidden))
        return logits


def spectral_radii(core: Core) -> list[float]:
    """Largest absolute eigenvalue of each recurrent matrix: how fast a linear recurrence would grow or forget."""
    matrices = [matrix.detach().double().cpu() for matrix in core.recurrent_matrices()]
    return [float(torch.linalg.eigvals(matrix).abs().max()) for matrix in matrices]


def build_model(spec: CoreSpec, num_tokens: int, num_classes: int, seed: int) -> Model:
    """A model on the CPU whose weights are a function of the arguments alone; the global RNG stays as it was.

    Embedding N(0, 1), readout Xavier uniform with bias 0; the core's rules are its own.
    """
    with torch.random.fork_rng(devices=[]):  # torch's constructors draw weights, which are thrown away
        model = Model(spec, num_tokens, num_classes)
    nn.init.normal_(model.embedding.weight, generator=torch_generator(seed, "init", "embedding"))
    model.core.initialise(seed)
    nn.init.xavier_uniform_(model.readout.weight, generator=torch_generator(seed, "init", "readout"))
    nn.init.zeros_(model.readout.bias)
    return model
