"""The vanilla recurrent network: no gates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fsm_icl.models.spec import CoreSpec

if TYPE_CHECKING:
    from fsm_icl.models.shell import Core


class RNNSpec(CoreSpec):
    """Simple recurrent network (Elman 1990, fig. 2: the hidden state is copied back as context).

    h_t = f(W x_t + b + U h_{t-1} + c), f = tanh or relu; W, U float (D, D); b, c float (D).
    State: D floats a layer. Initialisation: recurrent.py.
    """

    arch: Literal["rnn"]
    nonlinearity: Literal["tanh", "relu"] = "tanh"

    def build(self) -> Core:
        """torch.nn.RNN behind the Core interface."""
        from torch import nn  # here, so that a spec can be read without torch

        from fsm_icl.models.recurrent import RecurrentCore, sizes

        return RecurrentCore(nn.RNN(**sizes(self), nonlinearity=self.nonlinearity))

    def core_params(self) -> int:
        """W, U, b and c of every layer."""
        return self.num_layers * (2 * self.d_model**2 + 2 * self.d_model)

    def core_flops(self) -> int:
        """W x and U h of every layer."""
        return self.num_layers * 2 * 2 * self.d_model**2

    def state_size(self) -> int:
        """h of every layer."""
        return self.num_layers * self.d_model
