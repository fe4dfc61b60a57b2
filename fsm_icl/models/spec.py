"""The frozen base that every architecture's spec extends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from fsm_icl.models.initialisation import ORTHOGONAL, Start
from fsm_icl.results.records import FrozenModel

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from fsm_icl.models.core import Core, State, Weights

NORM_PARAMS = {"none": 0, "rms": 1, "layer": 2}
"""Vectors of d_model parameters per norm: RMSNorm scales, LayerNorm scales and shifts."""


class CoreSpec(FrozenModel):
    """Width and depth of a recurrent core; a subclass adds `arch: Literal[...]`, its own fields, and its equation.

    The core maps float (B, T, D) to float (B, T, D). Embedding and readout are the shell's (shell.py).
    """

    results_version: ClassVar[int | None] = None
    """Part of the identity of a plug-in's trials: raised by hand when their training changes meaning. None: ours."""
    gates: ClassVar[int] = 1
    """Gates and candidates of a layer: each has a W and a U, float (D, D)."""
    states: ClassVar[int] = 1
    """Vectors, float (D), that a layer carries from one token to the next."""
    vectors: ClassVar[Mapping[str, tuple[float, ...]]] = {}
    """Name -> the values at which its parts, float (D), one per gate, start."""

    if TYPE_CHECKING:  # each subclass has its own Literal, so no field of this class
        arch: str
    d_model: int = Field(64, ge=1, le=65536)
    num_layers: int = Field(1, ge=1, le=256)
    dropout: float = Field(0.0, ge=0, lt=1)
    """After each layer's output, never on the recurrent path."""
    residual: bool = Field(False, json_schema_extra={"unchanged": False})
    """Add each layer's input to its output (He et al. 2016), so that a deep stack starts near a shallow one."""
    norm: Literal["none", "layer", "rms"] = Field("none", json_schema_extra={"unchanged": "none"})
    """Normalise each layer's input: LayerNorm (Ba et al. 2016) or RMSNorm (Zhang & Sennrich 2019)."""

    def inputs(self, weights: Weights, x: Tensor) -> Tensor:
        """What `step` reads of the inputs x, float (T, B, D), for all tokens at once: float (T, B, .).

        x itself, except where products that need no state are worth taking out of the loop.
        """
        return x

    def step(self, weights: Weights, x_t: Tensor, state: State) -> tuple[Tensor, State]:
        """The equation: output y_t, float (B, D), and state after a token, from its `inputs` and the state before."""
        raise NotImplementedError

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """A layer's weights: W of all gates, stacked, U of all gates, and the vectors."""
        rows = self.gates * self.d_model
        matrices = dict.fromkeys(("weight_ih", "recurrent"), (rows, self.d_model))
        return {**matrices, **dict.fromkeys(self.vectors, (rows,))}

    @property
    def start(self) -> Start:
        """How W and U start."""
        return ORTHOGONAL

    def fill(self, name: str, weight: Tensor, generator: torch.Generator) -> None:
        """Set one of a layer's weights, gate by gate: W and U as `start` says, a vector as declared."""
        for gate, block in enumerate(weight.chunk(self.gates)):
            if name == "weight_ih":
                self.start.fill_input(block, generator)
            elif name == "recurrent":
                self.start.fill_recurrent(block, generator)
            else:
                block.fill_(self.vectors[name][gate])

    def build(self) -> Core:
        """The core as a torch module, its weights not yet initialised."""
        from fsm_icl.models.stack import Stack  # here, so that a spec can be read without torch

        bare = not self.residual and self.norm == "none"
        return (self.fused(self.num_layers) if bare else None) or Stack(self)

    def layer(self) -> Core:
        """One bare layer."""
        return self.fused(1) or self.scan()

    def fused(self, num_layers: int) -> Core | None:
        """`num_layers` bare layers, faster than scans and equal to them within 1e-5; None where there are none."""
        return None

    def scan(self) -> Core:
        """One bare layer that runs `step` along time."""
        from fsm_icl.models.scan import Scan

        return Scan(self)

    @property
    def drops_out(self) -> bool:
        """Whether training draws random masks."""
        return self.dropout > 0

    def core_params(self) -> int:
        """Parameters of the core: its layers and their norms."""
        layer = sum(math.prod(shape) for shape in self.shapes().values())
        return self.num_layers * (layer + NORM_PARAMS[self.norm] * self.d_model)

    def core_flops(self) -> int:
        """Forward floating-point operations of the core per token: 2 per multiply-add, matrix products only."""
        return self.num_layers * 2 * sum(math.prod(shape) for shape in self.shapes().values() if len(shape) > 1)

    def state_size(self) -> int:
        """Floats carried from one token to the next."""
        return self.num_layers * self.states * self.d_model

    def num_params(self, num_tokens: int, num_classes: int) -> int:
        """Parameters of the whole model: embedding, core, readout with bias."""
        return num_tokens * self.d_model + self.core_params() + (self.d_model + 1) * num_classes

    def flops_per_token(self, num_classes: int) -> int:
        """Forward floating-point operations per token of the whole model (an embedding look-up costs none)."""
        return self.core_flops() + 2 * self.d_model * num_classes
