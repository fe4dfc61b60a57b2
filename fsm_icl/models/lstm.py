"""Long short-term memory: three gates, two states."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from fsm_icl.models.spec import CoreSpec

if TYPE_CHECKING:
    from torch import Tensor

    from fsm_icl.models.core import Core, State, Weights


class LSTMSpec(CoreSpec):
    """Long short-term memory (Hochreiter & Schmidhuber 1997) with a forget gate (Gers et al. 2000).

    W, U float (D, D) and b, c float (D) per gate, stacked in the order i, f, g, o. State: h and s.
    The forget gate's bias b_f + c_f starts at 1 (Jozefowicz et al. 2015): a fresh cell keeps 73 % of its state at
    each step. torch adds two bias vectors; only one of them may hold the 1.
    """

    gates: ClassVar = 4
    states: ClassVar = 2
    vectors: ClassVar = {"bias_ih": (0.0, 1.0, 0.0, 0.0), "bias_hh": (0.0, 0.0, 0.0, 0.0)}

    arch: Literal["lstm"]

    def step(self, weights: Weights, x_t: Tensor, state: State) -> tuple[Tensor, State]:
        """Eq. 7 to 11 of Graves 2013 (arXiv:1308.0850), without its peepholes."""
        h, s = state
        from_x = x_t @ weights["weight_ih"].t() + weights["bias_ih"]
        from_h = h @ weights["recurrent"].t() + weights["bias_hh"]
        i, f, g, o = (from_x + from_h).chunk(4, -1)
        i = i.sigmoid()  # input gate
        f = f.sigmoid()  # forget gate
        g = g.tanh()  # what may enter the cell
        o = o.sigmoid()  # output gate
        s = f * s + i * g
        h = o * s.tanh()
        return h, (h, s)

    def fused(self, num_layers: int) -> Core:
        """torch.nn.LSTM."""
        from torch import nn  # here, so that a spec can be read without torch

        from fsm_icl.models.torch_layers import RecurrentCore

        return RecurrentCore(self, nn.LSTM, num_layers)
