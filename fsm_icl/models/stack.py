"""Single layers one above the other, each with what the spec puts around it: norm, residual connection, dropout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from fsm_icl.models.core import Core, State, Weights
from fsm_icl.seeding import derive

if TYPE_CHECKING:
    from fsm_icl.models.spec import CoreSpec


class Stack(Core):
    """x <- x + dropout(layer(norm(x))) per layer; without `residual` the first x + is left out.

    The norm stands before its layer (pre-norm, Xiong et al. 2020). No norm stands after the last layer, and the
    dropout after it is the shell's.
    """

    def __init__(self, spec: CoreSpec) -> None:
        """Lay out `spec.num_layers` layers, each `spec.layer()`."""
        super().__init__()
        numbers = range(spec.num_layers)
        self.layers = nn.ModuleList(spec.layer() for _ in numbers)
        self.norms = nn.ModuleList(_norm(spec) for _ in numbers)
        self.dropout = nn.Dropout(spec.dropout)
        self.residual = spec.residual
        self.last = spec.num_layers - 1

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Outputs of the last layer, float (B, T, D), and the layers' states, one after the other."""
        carried: list[Tensor] = []
        for number, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            size = 0 if state is None else len(state) // len(self.layers)
            mine = None if state is None else state[number * size : (number + 1) * size]
            y, after = layer(norm(x), mine)
            carried += after
            y = y if number == self.last else self.dropout(y)
            x = x + y if self.residual else y
        return x, tuple(carried)

    def initialise(self, seed: int) -> None:
        """Each layer by its own rules and from a seed of its own; norms start as torch makes them, at 1 and 0."""
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, Core)
            layer.initialise(derive(seed, "layer", number))

    def layer_weights(self) -> list[Weights]:
        """Those of the layers, from the first on."""
        return [weights for layer in self.layers if isinstance(layer, Core) for weights in layer.layer_weights()]


def _norm(spec: CoreSpec) -> nn.Module:
    kinds: dict[str, type[nn.Module]] = {"none": nn.Identity, "layer": nn.LayerNorm, "rms": nn.RMSNorm}
    return kinds[spec.norm](spec.d_model)
