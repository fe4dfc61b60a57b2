"""The vanilla network with multiplicative integration: no gates, but inputs scale the recurrence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fsm_icl.models.spec import CoreSpec

if TYPE_CHECKING:
    from fsm_icl.models.shell import Core


class MIRNNSpec(CoreSpec):
    """Recurrent network with multiplicative integration, general form (Wu et al. 2016, eq. 4).

    h_t = tanh(alpha * W x_t * U h_{t-1} + beta_1 * U h_{t-1} + beta_2 * W x_t + b), * entry by entry

    W, U float (D, D); alpha, beta_1, beta_2, b float (D). State: D floats per layer.
    Start (our choice): alpha 1, beta_1 = beta_2 = 1/2, b 0; W Xavier uniform, U orthogonal.
    """

    arch: Literal["mi_rnn"]

    @property
    def needs_stack(self) -> bool:
        """torch has no such layer."""
        return True

    def layers(self, num_layers: int) -> Core:
        """A scan over the step."""
        from fsm_icl.models.mi_cell import MICell  # here, so that a spec can be read without torch
        from fsm_icl.models.scan import Scan

        return Scan(MICell(self.d_model))

    def layer_params(self) -> int:
        """W, U, alpha, beta_1, beta_2 and b."""
        return 2 * self.d_model**2 + 4 * self.d_model

    def layer_flops(self) -> int:
        """W x and U h."""
        return 2 * 2 * self.d_model**2

    def layer_state(self) -> int:
        """h."""
        return self.d_model
