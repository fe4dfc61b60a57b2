"""Episodes: walks on random machines as tokens, in batches that are pure functions of their seeds.

An episode on a machine of 3 states (0 1 2) and 3 actions (a b c, tokens 3 4 5): two demos of 4 steps +-25 %
and a query of 3 steps. Targets stand at the actions; nothing has shown `2 b` when the query's last step asks.

    machine         a  b  c
              0     0  2  1
              1     1  0  2
              2     1  1  2

    tokens         2 a 1 c 2 c 2 c 2 <eos> 1 b 0 a 0 a 0 <eos> <query> 1 c 2 c 2 b 1 <eos> <pad> ...
    targets        . 1 . 2 . 2 . 2 .   .   . 0 . 0 . 0 .   .      .    . 2 . 2 . 1 .   .     .
    scored         . . . . . . . . .   .   . . . . . . .   .      .    . x . x . x .   .     .
    times_shown    . 0 . 0 . 0 . 1 .   .   . 0 . 0 . 1 .   .      .    . 1 . 2 . 0 .   .     .

A dot is IGNORE in targets, -1 in times_shown. With `loss_on: query`, training has targets in the query alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from fsm_icl.seeding import torch_generator
from fsm_icl.task.base import IGNORE, Batch, EvaluationSet, EvaluationSplit, Labels
from fsm_icl.task.machines import machine_key, sample_machines
from fsm_icl.task.transitions.spec import TransitionsTask
from fsm_icl.task.transitions.walks import draw_tokens

TIMES_SHOWN = ("0", "1", "2", "3+")
"""How often a (state, action) was shown, as slices are labelled."""

BLOCK_EPISODES, BLOCK_TOKENS = 2048, 2**20
"""A training block's size at most: many episodes share the cost of a torch call, too many leave the cache."""


def episodes_of(task: TransitionsTask, machines: Tensor, generator: torch.Generator) -> Batch:
    """One episode on each of `machines`, int64 (N, S, A), with targets in the demos too."""
    return _with_targets(task, draw_tokens(task, machines, generator), "transitions")


def _with_targets(task: TransitionsTask, drawn: Tensor, asked: Literal["query", "transitions"]) -> Batch:
    """The batch of drawn tokens (B, T + 1). In NumPy, whose comparisons and `where` are several times faster."""
    tokens, after = drawn[:, :-1].numpy(), drawn[:, 1:].numpy()
    is_action = (tokens >= task.num_states) & (tokens < task.eos)
    query = (tokens == task.query).argmax(1)[:, None]
    scored = is_action & (np.arange(tokens.shape[1]) > query)
    targets = np.where(scored if asked == "query" else is_action, after, np.int64(IGNORE))
    return Batch(drawn[:, :-1].long(), torch.from_numpy(targets), torch.from_numpy(scored))


class TransitionsStream:
    """Training batches, each a pure function of (task, seed, batch_size, evaluation_seed) and its step.

    Machines come from the train split: an endless stream or, with `num_train_machines`, a fixed set that
    depends on (task, evaluation_seed) alone, so that all trials share it.

    Raises:
        ValueError: machines of the task's size show too few classes to be split.
    """

    def __init__(self, task: TransitionsTask, seed: int, batch_size: int, evaluation_seed: int) -> None:
        """Draw the fixed training set, if there is one, and nothing else yet."""
        task.check()
        self._task, self._seed = task, seed
        self._batch_size, self._evaluation_seed = batch_size, evaluation_seed
        episodes = min(BLOCK_EPISODES, BLOCK_TOKENS // task.sequence_length)
        self._steps = max(1, episodes // batch_size)
        self._block: tuple[int, Tensor] | None = None
        self._machines: Tensor | None = None
        if task.num_train_machines is not None:
            generator = torch_generator(evaluation_seed, "train machines")
            num = task.num_train_machines
            self._machines = sample_machines(task.machines, "train", num, evaluation_seed, generator)

    def batch(self, step: int) -> Batch:
        """The batch of optimiser step `step`, from 0. Steps in order are fast: a block of them is kept."""
        index, within = divmod(step, self._steps)
        if self._block is None or self._block[0] != index:
            self._block = index, self._draw(index)
        rows = slice(within * self._batch_size, (within + 1) * self._batch_size)
        return _with_targets(self._task, self._block[1][rows], self._task.loss_on)

    def _draw(self, index: int) -> Tensor:
        generator = torch_generator(self._seed, "train", index)
        num = self._steps * self._batch_size
        if self._machines is None:
            machines = sample_machines(self._task.machines, "train", num, self._evaluation_seed, generator)
        else:
            machines = self._machines[torch.randint(len(self._machines), (num,), generator=generator)]
        return draw_tokens(self._task, machines, generator)


@dataclass(frozen=True)
class TransitionsSet(EvaluationSet):
    """One episode on each of its machines. A group is a class: machines up to relabelling."""

    machines: Tensor
    """int64 (N, S, A)."""


@lru_cache(maxsize=8)
def evaluation_set(task: TransitionsTask, split: EvaluationSplit, evaluation_seed: int) -> TransitionsSet:
    """The `val_machines` or `test_machines` episodes of the split, a function of the arguments alone.

    Raises:
        ValueError: machines of the task's size show too few classes to be split.
    """
    generator = torch_generator(evaluation_seed, split)
    machines = sample_machines(task.machines, split, task.num_episodes(split), evaluation_seed, generator)
    return evaluation_set_of(task, machines, generator)


def evaluation_set_of(task: TransitionsTask, machines: Tensor, generator: torch.Generator) -> TransitionsSet:
    """An evaluation set of one episode on each of `machines`, int64 (N, S, A), whatever their split."""
    batch = episodes_of(task, machines, generator)
    group = torch.unique(machine_key(machines), return_inverse=True)[1]
    step = batch.scored.cumsum(1) - 1
    slices = {
        "times_shown": Labels(TIMES_SHOWN, times_shown(task, batch).clamp(max=len(TIMES_SHOWN) - 1)),
        "query_step": Labels(tuple(map(str, range(int(step.max()) + 1))), step),
    }
    return TransitionsSet(batch, group, slices, machines)


@dataclass(frozen=True)
class Transitions:
    """The transitions of each episode as they are shown, M a row; `real` is False beyond the last."""

    places: Tensor
    """int64 (N, M): where in the sequence the action stands."""
    states: Tensor
    actions: Tensor
    targets: Tensor
    """int64 (N, M); 0 where not real."""
    scored: Tensor
    real: Tensor
    """bool (N, M)."""


def transitions_of(task: TransitionsTask, batch: Batch) -> Transitions:
    """What the episodes show, without the tokens between."""
    shown = batch.targets != IGNORE
    most = int(shown.sum(1).max())
    places = torch.argsort(~shown, dim=1, stable=True)[:, :most]
    real = shown.gather(1, places)
    states = batch.tokens.gather(1, (places - 1).clamp(min=0)).where(real, 0)
    actions = (batch.tokens.gather(1, places) - task.num_states).where(real, 0)
    targets = batch.targets.gather(1, places).where(real, 0)
    return Transitions(places, states, actions, targets, batch.scored.gather(1, places), real)


def times_shown(task: TransitionsTask, batch: Batch) -> Tensor:
    """int64 (N, T): at each action, how often its (state, action) was shown before it; -1 elsewhere."""
    steps = transitions_of(task, batch)
    size = task.num_states * task.num_actions
    entries = (steps.states * task.num_actions + steps.actions).where(steps.real, size)
    counts = torch.zeros((len(entries), size + 1), dtype=torch.int64)
    before = torch.empty_like(entries)
    one = torch.ones((len(entries), 1), dtype=torch.int64)
    for m in range(entries.shape[1]):
        entry = entries[:, m : m + 1]
        before[:, m : m + 1] = counts.gather(1, entry)
        counts.scatter_add_(1, entry, one)
    return torch.full_like(batch.tokens, -1).scatter_(1, steps.places, before.where(steps.real, -1))
