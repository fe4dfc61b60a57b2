"""One step of each recurrent cell, written out from its paper: the slow oracle for torch's layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]
State = tuple[Tensor, ...]


def _affine(w: Weights, x: Tensor, h: Tensor, gate: int) -> Tensor:
    d = len(x)
    rows = slice(gate * d, (gate + 1) * d)
    return w["weight_ih"][rows] @ x + w["bias_ih"][rows] + w["weight_hh"][rows] @ h + w["bias_hh"][rows]


def elman_tanh(w: Weights, x: Tensor, state: State) -> State:
    return (torch.tanh(_affine(w, x, state[0], 0)),)


def elman_relu(w: Weights, x: Tensor, state: State) -> State:
    return (torch.relu(_affine(w, x, state[0], 0)),)


def gru(w: Weights, x: Tensor, state: State) -> State:
    (h,) = state
    d = len(x)
    r = torch.sigmoid(_affine(w, x, h, 0))
    z = torch.sigmoid(_affine(w, x, h, 1))
    recurrent = w["weight_hh"][2 * d :] @ h + w["bias_hh"][2 * d :]
    n = torch.tanh(w["weight_ih"][2 * d :] @ x + w["bias_ih"][2 * d :] + r * recurrent)
    return (z * h + (1 - z) * n,)


def lstm(w: Weights, x: Tensor, state: State) -> State:
    h, s = state
    i = torch.sigmoid(_affine(w, x, h, 0))
    f = torch.sigmoid(_affine(w, x, h, 1))
    g = torch.tanh(_affine(w, x, h, 2))
    o = torch.sigmoid(_affine(w, x, h, 3))
    s = f * s + i * g
    return o * torch.tanh(s), s


CELLS: dict[str, tuple[Callable[[Weights, Tensor, State], State], int]] = {
    "rnn-tanh": (elman_tanh, 1),
    "rnn-relu": (elman_relu, 1),
    "gru": (gru, 1),
    "lstm": (lstm, 2),
}
"""Name -> (cell, tensors in its state)."""


def unroll(name: str, parameters: Weights, x: Tensor, num_layers: int) -> Tensor:
    """Hidden states (T, D) of the last layer over inputs (T, D), from a zero state."""
    cell, num_tensors = CELLS[name]
    for layer in range(num_layers):
        weights = {key.removesuffix(f"_l{layer}"): value for key, value in parameters.items()}
        state: State = (torch.zeros(x.shape[1]),) * num_tensors
        outputs = []
        for step in x:
            state = cell(weights, step, state)
            outputs.append(state[0])
        x = torch.stack(outputs)
    return x
