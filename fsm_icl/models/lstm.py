"""Long short-term memory: three gates, two states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fsm_icl.models.spec import CoreSpec

if TYPE_CHECKING:
    from fsm_icl.models.shell import Core

FORGET_GATE = 1
"""Place of the forget gate among torch's stacked gates i, f, g, o."""


class LSTMSpec(CoreSpec):
    """Long short-term memory (Hochreiter & Schmidhuber 1997) with a forget gate (Gers et al. 2000).

    Equation numbers: Graves 2013 (arXiv:1308.0850), without its peepholes.

    i_t = sigmoid(W_i x_t + b_i + U_i h_{t-1} + c_i)      input gate, eq. 7
    f_t = sigmoid(W_f x_t + b_f + U_f h_{t-1} + c_f)      forget gate, eq. 8
    g_t = tanh(W_g x_t + b_g + U_g h_{t-1} + c_g)         what may enter the cell, inside eq. 9
    s_t = f_t * s_{t-1} + i_t * g_t                       cell state, eq. 9
    o_t = sigmoid(W_o x_t + b_o + U_o h_{t-1} + c_o)      output gate, eq. 10
    h_t = o_t * tanh(s_t)                                 hidden state, eq. 11

    W_*, U_* float (D, D), stacked in the order i, f, g, o; b_*, c_* float (D).
    State: h and s, 2 D floats per layer. The forget gate's bias b_f + c_f starts at 1 (Jozefowicz et al. 2015):
    a fresh cell keeps 73 % of its state at each step.
    """

    arch: Literal["lstm"]

    def layers(self, num_layers: int) -> Core:
        """torch.nn.LSTM."""
        from torch import nn  # here, so that a spec can be read without torch

        from fsm_icl.models.torch_layers import RecurrentCore, sizes

        return RecurrentCore(nn.LSTM(**sizes(self, num_layers)), open_gate=FORGET_GATE)

    def layer_params(self) -> int:
        """Four W, U, b and c."""
        return 4 * (2 * self.d_model**2 + 2 * self.d_model)

    def layer_flops(self) -> int:
        """Four W x and U h."""
        return 4 * 2 * 2 * self.d_model**2

    def layer_state(self) -> int:
        """h and s."""
        return 2 * self.d_model
