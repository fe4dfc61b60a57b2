"""Walks on machines, laid out as the tokens of an episode.

Letters: N episodes, W walks an episode (the demos, then the query), T tokens, S states, A actions.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fsm_icl.task.transitions.spec import TransitionsTask


def draw_tokens(task: TransitionsTask, machines: Tensor, generator: torch.Generator) -> Tensor:
    """One episode a machine, int16 (N, T + 1); the last column is a `<pad>` that batches leave out."""
    num, walks = len(machines), task.num_demos + 1
    starts = _starts(task, num, generator)
    ranges = [task.length_range(task.demo_length)] * task.num_demos + [task.length_range(task.query_length)]
    lengths = [torch.randint(low, high + 1, (num,), generator=generator) for low, high in ranges]
    steps = max(high for _, high in ranges)
    actions = torch.randint(task.num_actions, (steps, num, walks), generator=generator, dtype=torch.int32)
    return _lay_out(task, _walk(machines, starts, actions), actions, torch.stack(lengths, dim=1))


def _starts(task: TransitionsTask, num: int, generator: torch.Generator) -> Tensor:
    """First states of the walks, int64 (num, num_demos + 1); demos start apart if there are states enough."""
    states, demos = task.num_states, task.num_demos
    if demos > states:
        return torch.randint(states, (num, demos + 1), generator=generator)
    apart = torch.rand((num, states), generator=generator).argsort(dim=1)[:, :demos]
    return torch.cat([apart, torch.randint(states, (num, 1), generator=generator)], dim=1)


def _walk(machines: Tensor, starts: Tensor, actions: Tensor) -> Tensor:
    """Follow actions (steps, N, W) from starts (N, W): the states, (steps + 1, N, W)."""
    num, num_states, num_actions = machines.shape
    table = machines.flatten().int()
    first_entry = (torch.arange(num, dtype=torch.int32) * (num_states * num_actions)).unsqueeze(1)
    entries = actions + first_entry
    states = [starts.int()]
    for entry in entries:
        states.append(table[entry.add_(states[-1], alpha=num_actions)])
    return torch.stack(states)


def _lay_out(task: TransitionsTask, states: Tensor, actions: Tensor, lengths: Tensor) -> Tensor:
    """Write walks (steps, N, W) of `lengths` (N, W) one after the other, `<query>` before the last.

    Tokens move in pairs, `s a` or `s <eos>` in demos, then `<query> q0`, `a q` or `<eos> <pad>`: two int16 seen
    as one int32 make half the work.
    """
    steps, num, walks = actions.shape
    states = states.short().permute(1, 2, 0)
    actions = (actions + task.num_states).short().permute(1, 2, 0)
    ends = lengths.unsqueeze(2)
    pairs = torch.full((num, walks, steps + 2, 2), task.query, dtype=torch.int16)
    demos, query = pairs[:, :-1], pairs[:, -1:]
    demos[:, :, :-1, 0] = states[:, :-1]
    demos[:, :, :-2, 1] = actions[:, :-1]
    demos[..., 1].scatter_(2, ends[:, :-1], task.eos)
    query[:, :, 1:-1, 0] = actions[:, -1:]
    query[:, :, :-1, 1] = states[:, -1:]
    query[..., 0].scatter_(2, ends[:, -1:] + 1, task.eos)
    query[..., 1].scatter_(2, ends[:, -1:] + 1, task.pad)
    spans = lengths.numpy().astype(np.int32) + 1
    spans[:, -1] += 1
    tokens = torch.full((num, task.sequence_length + 1), task.pad, dtype=torch.int16)
    filled = np.arange(tokens.shape[1] // 2, dtype=np.int32) < spans.sum(1, keepdims=True, dtype=np.int32)
    kept = np.arange(steps + 2, dtype=np.int32) < spans[:, :, None]
    tokens.numpy().view(np.int32)[filled] = pairs.numpy().view(np.int32).squeeze(-1)[kept]
    return tokens
