"""The vanilla recurrent network: no gates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from fsm_icl.models.initialisation import Init, Start
from fsm_icl.models.spec import CoreSpec

if TYPE_CHECKING:
    from fsm_icl.models.shell import Core


class RNNSpec(CoreSpec):
    """Simple recurrent network (Elman 1990, fig. 2: the hidden state is copied back as context).

    h_t = f(W x_t + b + U h_{t-1} + c), f = tanh or relu; W, U float (D, D); b, c float (D).
    State: D floats per layer. How W and U start: start.py.
    """

    arch: Literal["rnn"]
    nonlinearity: Literal["tanh", "relu"] = "tanh"
    init: Init = Field("orthogonal", json_schema_extra={"unchanged": "orthogonal"})
    """orthogonal, identity (Le et al. 2015) or concatenated_xavier; scaled as in 0.9*identity."""
    state_dropout: float = Field(0.0, ge=0, lt=1, json_schema_extra={"unchanged": 0.0})
    """Drop out the hidden state itself, at each step with a fresh mask: what is dropped is forgotten."""

    @property
    def needs_stack(self) -> bool:
        """torch's layer can't drop out its state."""
        return super().needs_stack or self.state_dropout > 0

    @property
    def drops_out(self) -> bool:
        """The state's masks, too."""
        return super().drops_out or self.state_dropout > 0

    def layers(self, num_layers: int) -> Core:
        """torch.nn.RNN, or a scan where the state is dropped out."""
        from torch import nn  # here, so that a spec can be read without torch

        from fsm_icl.models.scan import Scan
        from fsm_icl.models.state_dropout import ForgetfulRNN
        from fsm_icl.models.torch_layers import RecurrentCore, sizes

        if self.state_dropout > 0:
            return Scan(ForgetfulRNN(self))
        layers = nn.RNN(**sizes(self, num_layers), nonlinearity=self.nonlinearity)
        return RecurrentCore(layers, start=Start.parse(self.init))

    def layer_params(self) -> int:
        """W, U, b and c."""
        return 2 * self.d_model**2 + 2 * self.d_model

    def layer_flops(self) -> int:
        """W x and U h."""
        return 2 * 2 * self.d_model**2

    def layer_state(self) -> int:
        """h."""
        return self.d_model
