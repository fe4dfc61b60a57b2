"""The gated recurrent unit: two gates, one state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fsm_icl.models.spec import CoreSpec

if TYPE_CHECKING:
    from fsm_icl.models.shell import Core


class GRUSpec(CoreSpec):
    """Gated recurrent unit (Cho et al. 2014, eq. 5-8), reset gate after the recurrent product as in cuDNN.

    r_t = sigmoid(W_r x_t + b_r + U_r h_{t-1} + c_r)                 reset gate, eq. 5
    z_t = sigmoid(W_z x_t + b_z + U_z h_{t-1} + c_z)                 update gate, eq. 6
    n_t = tanh(W_n x_t + b_n + r_t * (U_n h_{t-1} + c_n))            candidate, eq. 8 (there: U (r * h))
    h_t = z_t * h_{t-1} + (1 - z_t) * n_t                            eq. 7

    W_*, U_* float (D, D), stacked in the order r, z, n; b_*, c_* float (D). State: D floats per layer.
    The update gate's bias starts at 0, so a fresh cell keeps half of its state at each step.
    """

    arch: Literal["gru"]

    def layers(self, num_layers: int) -> Core:
        """torch.nn.GRU."""
        from torch import nn  # here, so that a spec can be read without torch

        from fsm_icl.models.torch_layers import RecurrentCore, sizes

        return RecurrentCore(nn.GRU(**sizes(self, num_layers)))

    def layer_params(self) -> int:
        """Three W, U, b and c."""
        return 3 * (2 * self.d_model**2 + 2 * self.d_model)

    def layer_flops(self) -> int:
        """Three W x and U h."""
        return 3 * 2 * 2 * self.d_model**2

    def layer_state(self) -> int:
        """h."""
        return self.d_model
