"""An architecture in a package of its own: units that leak."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from fsm_icl.models.spec import CoreSpec

if TYPE_CHECKING:
    from torch import Tensor

    from fsm_icl.models.core import State, Weights


class LeakySpec(CoreSpec):
    """Leaky-integrator network (Jaeger et al. 2007, eq. 2). W, U float (D, D); b float (D). State: h."""

    results_version: ClassVar = 1
    vectors: ClassVar = {"bias": (0.0,)}

    arch: Literal["leaky"]
    leak: float = Field(0.5, gt=0, le=1)

    def step(self, weights: Weights, x_t: Tensor, state: State) -> tuple[Tensor, State]:
        """h_t = (1 - leak) h_{t-1} + leak tanh(W x_t + b + U h_{t-1})."""
        (h,) = state
        a = x_t @ weights["weight_ih"].t() + weights["bias"] + h @ weights["recurrent"].t()
        h = (1 - self.leak) * h + self.leak * a.tanh()
        return h, (h,)
