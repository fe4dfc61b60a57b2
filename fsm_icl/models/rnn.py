"""The vanilla recurrent network: no gates."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from fsm_icl.models.initialisation import Init, Start
from fsm_icl.models.spec import CoreSpec

if TYPE_CHECKING:
    from torch import Tensor

    from fsm_icl.models.core import Core, State, Weights


class RNNSpec(CoreSpec):
    """Simple recurrent network (Elman 1990, fig. 2: the hidden state is copied back as context).

    W, U float (D, D); b, c float (D). State: h. How W and U start: initialisation.py.
    """

    vectors: ClassVar = {"bias_ih": (0.0,), "bias_hh": (0.0,)}

    arch: Literal["rnn"]
    nonlinearity: Literal["tanh", "relu"] = "tanh"
    init: Init = Field("orthogonal", json_schema_extra={"unchanged": "orthogonal"})
    """orthogonal, identity (Le et al. 2015) or concatenated_xavier; scaled as in 0.9*identity."""
    state_dropout: float = Field(0.0, ge=0, lt=1, json_schema_extra={"unchanged": 0.0})
    """Drop out the hidden state itself, at each step with a fresh mask: what is dropped is forgotten."""

    def inputs(self, weights: Weights, x: Tensor) -> Tensor:
        """W x_t + b + c."""
        from torch.nn import functional  # here, so that a spec can be read without torch

        return functional.linear(x, weights["weight_ih"], weights["bias_ih"] + weights["bias_hh"])

    def step(self, weights: Weights, x_t: Tensor, state: State) -> tuple[Tensor, State]:
        """h_t = f(W x_t + b + U h_{t-1} + c), f = tanh or relu."""
        (h,) = state
        a = x_t + h @ weights["recurrent"].t()
        h = a.tanh() if self.nonlinearity == "tanh" else a.relu()
        return h, (h,)

    @property
    def start(self) -> Start:
        """As `init` says."""
        return Start.parse(self.init)

    @property
    def drops_out(self) -> bool:
        """The state's masks, too."""
        return super().drops_out or self.state_dropout > 0

    def fused(self, num_layers: int) -> Core | None:
        """torch.nn.RNN, which can't drop out its state."""
        from torch import nn

        from fsm_icl.models.torch_layers import RecurrentCore

        if self.state_dropout > 0:
            return None
        return RecurrentCore(self, nn.RNN, num_layers, nonlinearity=self.nonlinearity)

    def scan(self) -> Core:
        """With the state dropped out, if it is to be."""
        from fsm_icl.models.state_dropout import ForgetfulScan

        return ForgetfulScan(self)
