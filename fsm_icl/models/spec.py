"""The frozen base that every architecture's spec extends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from fsm_icl.records import FrozenModel

if TYPE_CHECKING:
    from fsm_icl.models.shell import Core


class CoreSpec(FrozenModel):
    """Width and depth of a recurrent core; a subclass adds `arch: Literal[...]` and its own fields.

    The core maps float (B, T, D) to float (B, T, D). Embedding and readout are the shell's (shell.py).
    """

    d_model: int = Field(64, ge=1, le=65536)
    num_layers: int = Field(1, ge=1, le=256)
    dropout: float = Field(0.0, ge=0, lt=1)
    """After each layer's output, never on the recurrent path."""

    def build(self) -> Core:
        """The core as a torch module, its weights not yet initialised."""
        raise NotImplementedError

    def core_params(self) -> int:
        """Parameters of the core."""
        raise NotImplementedError

    def core_flops(self) -> int:
        """Forward floating-point operations of the core a token: 2 a multiply-add, matrix products only."""
        raise NotImplementedError

    def state_size(self) -> int:
        """Floats carried from one token to the next."""
        raise NotImplementedError

    def num_params(self, num_tokens: int, num_classes: int) -> int:
        """Parameters of the whole model: embedding, core, readout with bias."""
        return num_tokens * self.d_model + self.core_params() + (self.d_model + 1) * num_classes

    def flops_per_token(self, num_classes: int) -> int:
        """Forward floating-point operations a token of the whole model (an embedding look-up costs none)."""
        return self.core_flops() + 2 * self.d_model * num_classes
