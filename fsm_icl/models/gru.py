"""The gated recurrent unit: two gates, one state."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from fsm_icl.models.spec import CoreSpec

if TYPE_CHECKING:
    from torch import Tensor

    from fsm_icl.models.core import Core, State, Weights


class GRUSpec(CoreSpec):
    """Gated recurrent unit (Cho et al. 2014, eq. 5-8), reset gate after the recurrent product as in cuDNN.

    W, U float (D, D) and b, c float (D) per gate, stacked in the order r, z, n. State: h.
    The update gate's bias starts at 0, so a fresh cell keeps half of its state at each step.
    """

    gates: ClassVar = 3
    vectors: ClassVar = {"bias_ih": (0.0, 0.0, 0.0), "bias_hh": (0.0, 0.0, 0.0)}

    arch: Literal["gru"]

    def step(self, weights: Weights, x_t: Tensor, state: State) -> tuple[Tensor, State]:
        """Eq. 5, 6, 8 (there: U (r * h)) and 7."""
        (h,) = state
        x_r, x_z, x_n = (x_t @ weights["weight_ih"].t() + weights["bias_ih"]).chunk(3, -1)
        h_r, h_z, h_n = (h @ weights["recurrent"].t() + weights["bias_hh"]).chunk(3, -1)
        r = (x_r + h_r).sigmoid()  # reset gate
        z = (x_z + h_z).sigmoid()  # update gate
        n = (x_n + r * h_n).tanh()  # candidate
        h = z * h + (1 - z) * n
        return h, (h,)

    def fused(self, num_layers: int) -> Core:
        """torch.nn.GRU."""
        from torch import nn  # here, so that a spec can be read without torch

        from fsm_icl.models.torch_layers import RecurrentCore

        return RecurrentCore(self, nn.GRU, num_layers)
