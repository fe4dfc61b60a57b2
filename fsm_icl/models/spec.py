"""The frozen base that every architecture's spec extends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from fsm_icl.results.records import FrozenModel

if TYPE_CHECKING:
    from fsm_icl.models.shell import Core

NORM_PARAMS = {"none": 0, "rms": 1, "layer": 2}
"""Vectors of d_model parameters per norm: RMSNorm scales, LayerNorm scales and shifts."""


class CoreSpec(FrozenModel):
    """Width and depth of a recurrent core; a subclass adds `arch: Literal[...]`, its own fields and its formulas.

    The core maps float (B, T, D) to float (B, T, D). Embedding and readout are the shell's (shell.py).
    """

    d_model: int = Field(64, ge=1, le=65536)
    num_layers: int = Field(1, ge=1, le=256)
    dropout: float = Field(0.0, ge=0, lt=1)
    """After each layer's output, never on the recurrent path."""
    residual: bool = Field(False, json_schema_extra={"unchanged": False})
    """Add each layer's input to its output (He et al. 2016), so that a deep stack starts near a shallow one."""
    norm: Literal["none", "layer", "rms"] = Field("none", json_schema_extra={"unchanged": "none"})
    """Normalise each layer's input: LayerNorm (Ba et al. 2016) or RMSNorm (Zhang & Sennrich 2019)."""

    def build(self) -> Core:
        """The core as a torch module, its weights not yet initialised."""
        from fsm_icl.models.stack import Stack  # here, so that a spec can be read without torch

        return Stack(self) if self.needs_stack else self.layers(self.num_layers)

    @property
    def needs_stack(self) -> bool:
        """Whether something stands between the layers that `layers` can't put there."""
        return self.residual or self.norm != "none"

    @property
    def drops_out(self) -> bool:
        """Whether training draws random masks."""
        return self.dropout > 0

    def layers(self, num_layers: int) -> Core:
        """`num_layers` layers, the bare architecture; only ever one where `needs_stack`."""
        raise NotImplementedError

    def layer_params(self) -> int:
        """Parameters of one layer."""
        raise NotImplementedError

    def layer_flops(self) -> int:
        """Forward floating-point operations of one layer per token: 2 per multiply-add, matrix products only."""
        raise NotImplementedError

    def layer_state(self) -> int:
        """Floats that one layer carries from one token to the next."""
        raise NotImplementedError

    def core_params(self) -> int:
        """Parameters of the core: its layers and their norms."""
        return self.num_layers * (self.layer_params() + NORM_PARAMS[self.norm] * self.d_model)

    def core_flops(self) -> int:
        """Forward floating-point operations of the core per token."""
        return self.num_layers * self.layer_flops()

    def state_size(self) -> int:
        """Floats carried from one token to the next."""
        return self.num_layers * self.layer_state()

    def num_params(self, num_tokens: int, num_classes: int) -> int:
        """Parameters of the whole model: embedding, core, readout with bias."""
        return num_tokens * self.d_model + self.core_params() + (self.d_model + 1) * num_classes

    def flops_per_token(self, num_classes: int) -> int:
        """Forward floating-point operations per token of the whole model (an embedding look-up costs none)."""
        return self.core_flops() + 2 * self.d_model * num_classes
