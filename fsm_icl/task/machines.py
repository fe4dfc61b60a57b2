"""Random machines, their relabelling-invariant key, and the train/val/test split by it.

A machine is an int64 table (S, A): entry [s, a] is the state that action `a` leads to from state `s`.
Letters: N machines, S states, A actions.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fsm_icl.seeding import torch_generator
from fsm_icl.task.base import Split

SHARES: dict[Split, float] = {"train": 0.6, "val": 0.2, "test": 0.2}
"""Share of the classes in each split."""

_VAL_FROM, _TEST_FROM = (
    int(2**64 * share).to_bytes(8, "big") for share in (SHARES["train"], SHARES["train"] + SHARES["val"])
)
"""Of digests in order, the first 60 % are train, the next 20 % val."""

MIN_CLASSES, CLASS_DRAWS = 100, 20_000
"""A kind and size that shows fewer classes in this number of draws has too few for three splits."""


class MachineSource(NamedTuple):
    """What machines are drawn from."""

    num_states: int
    num_actions: int
    kind: Literal["uniform"]


_ODD = (-7046029254386353131, -4417276706812531889, 1609587929392839161)
"""Odd multipliers with well-mixed bits, signed: 2**64 over the golden ratio, two primes of xxHash64."""


def uniform_machines(num: int, num_states: int, num_actions: int, generator: torch.Generator) -> Tensor:
    """Machines that reach every state from state 0: a random spanning tree, all other entries uniform.

    The tree: an unattached state, uniformly; a source, uniformly among the attached states (state 0 at first)
    that have an unused action; one of its unused actions, uniformly; until all states are attached.

    Returns:
        int64 (num, num_states, num_actions).
    """
    machines = torch.randint(num_states, (num, num_states, num_actions), generator=generator)
    unused = torch.ones((num, num_states, num_actions), dtype=torch.bool)
    attached = torch.zeros((num, num_states), dtype=torch.bool)
    attached[:, 0] = True
    row = torch.arange(num)
    order = 1 + torch.rand((num, num_states - 1), generator=generator).argsort(dim=1)
    for state in order.unbind(1):
        source = _choose(attached & unused.any(2), generator)
        action = _choose(unused[row, source], generator)
        machines[row, source, action] = state
        unused[row, source, action] = False
        attached[row, state] = True
    return machines


def _choose(allowed: Tensor, generator: torch.Generator) -> Tensor:
    """One allowed column of each row, uniformly: bool (N, C) -> int64 (N,)."""
    return torch.rand(allowed.shape, generator=generator).masked_fill_(~allowed, -1).argmax(1)


def machine_key(machines: Tensor) -> Tensor:
    """A number for each machine that no renaming of its states and actions changes.

    Iterated refinement of state and action colours (Weisfeiler & Leman 1968), in integers only. Where it
    leaves two states with one colour, each state in turn is marked and the refinements are added up.
    Machines that differ by more than names rarely share a key: none of the 616 classes at 3x3 do, nor of
    6,431 at 5x2; two of 1,123 at 4x2.

    Args:
        machines: int64 (N, S, A).
    Returns:
        int64 (N,).
    """
    _, num_states, num_actions = machines.shape
    rows = max(1, 2**15 // (num_states * num_actions))  # what a core's cache holds
    return torch.cat([_key(part) for part in torch.split(machines, rows)])


def _key(machines: Tensor) -> Tensor:
    num, num_states, _ = machines.shape
    key, vague = _refine(machines, machines.new_zeros(num, num_states))
    rest = vague.nonzero()[:, 0]
    marks = torch.eye(num_states, dtype=torch.int64).repeat(len(rest), 1)
    marked, _ = _refine(machines[rest].repeat_interleave(num_states, 0), marks)
    key[rest] = key[rest] + _mix(marked).view(-1, num_states).sum(1)
    return key


def _refine(machines: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
    """A key (N,) from state colours (N, S) and their refinement, and whether two states still look alike."""
    num, num_states, num_actions = machines.shape
    target = machines.flatten(1)
    loops = target.eq(torch.arange(num_states).repeat_interleave(num_actions)).long().mul_(_ODD[1])
    actions = machines.new_zeros(num, num_actions)
    for _ in range(max(4, num_states.bit_length())):  # a round carries news one edge further
        here = (states * _ODD[0]).unsqueeze(2) + (actions * _ODD[1]).unsqueeze(1)
        edges = _mix(here.flatten(1).add_((states * _ODD[2]).gather(1, target)).add_(loops))
        incoming = torch.zeros_like(states).scatter_add_(1, target, edges)
        table = edges.view(machines.shape)
        states = _mix(table.sum(2) * _ODD[0] + incoming * _ODD[1] + states)
        actions = _mix(table.sum(1) * _ODD[2] + actions)
    ranked = states.sort(dim=1).values
    vague = ranked[:, 1:].eq(ranked[:, :-1]).any(1)
    return _mix(states.sum(1) * _ODD[0] + actions.sum(1)), vague


def _mix(x: Tensor) -> Tensor:
    """Scatter the bits of int64 numbers, so that sums of mixed numbers tell multisets apart."""
    x = (x >> 32).bitwise_xor_(x).mul_(_ODD[1])
    x = (x >> 29).bitwise_xor_(x).mul_(_ODD[2])
    return (x >> 32).bitwise_xor_(x)


def split_of(key: int, evaluation_seed: int) -> Split:
    """The split of the class with this key: 60 % train, 20 % val, 20 % test, by SHA-256."""
    digest = hashlib.sha256(f"{key} {evaluation_seed}".encode()).digest()
    return "train" if digest < _VAL_FROM else "val" if digest < _TEST_FROM else "test"


def sample_machines(
    source: MachineSource, split: Split, num: int, evaluation_seed: int, generator: torch.Generator
) -> Tensor:
    """Draws from the generator, those outside the split thrown away: int64 (num, S, A).

    Raises:
        ValueError: machines of this size show too few classes to be split.
    """
    check_splittable(source)
    kept: list[Tensor] = []
    missing = num
    while missing > 0:
        draws = int(missing / SHARES[split] * 1.02) + 16
        machines = uniform_machines(draws, source.num_states, source.num_actions, generator)
        keys = machine_key(machines).numpy()
        classes, member = np.unique(keys, return_inverse=True)  # small sizes draw the same few again and again
        inside = np.array([split_of(key, evaluation_seed) == split for key in classes.tolist()])
        kept.append(machines[torch.from_numpy(inside[member])][:missing])
        missing -= len(kept[-1])
    return torch.cat(kept)


def check_splittable(source: MachineSource) -> None:
    """Raises ValueError where the source's machines show too few classes for three splits."""
    states, actions, kind = source
    found = _count_classes(states, actions)
    if found >= MIN_CLASSES:
        return
    larger = ((states, actions + more) for more in range(1, 64))
    enough = next(size for size in larger if _count_classes(*size) >= MIN_CLASSES)
    raise ValueError(
        f"{kind} machines of {states} states and {actions} actions show only {found} classes "
        f"up to relabelling in {CLASS_DRAWS:,} draws; train, val and test need at least {MIN_CLASSES}: "
        f"take num_actions >= {enough[1]} with num_states = {states}, or more states"
    )


@lru_cache(maxsize=256)
def _count_classes(num_states: int, num_actions: int) -> int:
    """Classes in CLASS_DRAWS draws; stops counting at MIN_CLASSES, as large machines are slow to draw."""
    if num_actions == 1:
        return num_states  # a path from state 0 through all others, and any state after its last: slow to find out
    if num_states >= 5:
        return MIN_CLASSES  # at least: 5x2 shows 493 in 500 draws, and 64x64 takes 7 s to draw
    generator = torch_generator(0, "classes", num_states, num_actions)
    seen: set[int] = set()
    block = 500
    for _ in range(CLASS_DRAWS // block):
        seen.update(machine_key(uniform_machines(block, num_states, num_actions, generator)).tolist())
        if len(seen) >= MIN_CLASSES:
            break
    return len(seen)
