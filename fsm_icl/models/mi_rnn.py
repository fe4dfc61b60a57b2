"""The vanilla network with multiplicative integration: no gates, but inputs scale the recurrence."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from fsm_icl.models.spec import CoreSpec

if TYPE_CHECKING:
    from torch import Tensor

    from fsm_icl.models.core import State, Weights


class MIRNNSpec(CoreSpec):
    """Recurrent network with multiplicative integration, general form (Wu et al. 2016, eq. 4).

    h_t = tanh(alpha * W x_t * U h_{t-1} + beta_1 * U h_{t-1} + beta_2 * W x_t + b), * entry by entry

    W, U float (D, D); alpha, beta_1, beta_2, b float (D). State: h.
    Start (our choice): alpha 1, beta_1 = beta_2 = 1/2, b 0; W Xavier uniform, U orthogonal.
    """

    vectors: ClassVar = {"alpha": (1.0,), "beta_1": (0.5,), "beta_2": (0.5,), "bias": (0.0,)}

    arch: Literal["mi_rnn"]

    def inputs(self, weights: Weights, x: Tensor) -> Tensor:
        """alpha * W x_t + beta_1, which scales U h_{t-1}, beside beta_2 * W x_t + b, which is added: (T, B, 2 D)."""
        import torch  # here, so that a spec can be read without torch

        wx = x @ weights["weight_ih"].t()
        return torch.cat([weights["alpha"] * wx + weights["beta_1"], weights["beta_2"] * wx + weights["bias"]], -1)

    def step(self, weights: Weights, x_t: Tensor, state: State) -> tuple[Tensor, State]:
        """h_t = tanh((alpha * W x_t + beta_1) * U h_{t-1} + beta_2 * W x_t + b)."""
        (h,) = state
        scale, shift = x_t.chunk(2, -1)
        h = shift.addcmul(scale, h @ weights["recurrent"].t()).tanh()
        return h, (h,)
