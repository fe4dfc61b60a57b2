"""What fixed in-context strategies score on given episodes, and what the best possible one would.

Letters: N episodes, M transitions, C cases (query steps whose entry was never shown), S states, A actions.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor

from fsm_icl.task.base import Baselines, EvaluationSet
from fsm_icl.task.transitions.episodes import Transitions, times_shown, transitions_of
from fsm_icl.task.transitions.spec import TransitionsTask

MAX_EXACT_STATES = 5
"""The exact ceiling sums over S ** (S - 2) spanning trees and their attachment orders."""

CASES = 4096
"""Cases worked on at a time: memory."""


def baselines(task: TransitionsTask, evaluation: EvaluationSet) -> Baselines:
    """Score every strategy on these very episodes; a strategy has seen all before the step it predicts.

    Equally good answers share the point (1 / k each), so nothing depends on how states are numbered.
    """
    steps = transitions_of(task, evaluation.batch)
    query = steps.scored
    total = int(query.sum())
    ladder = {"chance": 1 / task.num_states}
    for name, points in _counting(task, steps, query).items():
        ladder[name] = points / total
    before = times_shown(task, evaluation.batch).gather(1, steps.places)
    unseen = query & (before == 0)
    num_unseen = int(unseen.sum())
    ladder["look-up"] = (total - num_unseen + num_unseen / task.num_states) / total
    if task.num_states > MAX_EXACT_STATES:
        return Baselines(ladder, ladder["look-up"], ceiling_exact=False)
    return Baselines(ladder, (total - num_unseen + _points_on_unseen(task, steps, unseen)) / total, ceiling_exact=True)


def _counting(task: TransitionsTask, steps: Transitions, query: Tensor) -> dict[str, float]:
    """Points of the strategies that count next states n: overall, by state, by action, and naive Bayes."""
    num = len(query)
    overall = torch.zeros((num, task.num_states), dtype=torch.float64)
    by_state = torch.zeros((num, task.num_states, task.num_states), dtype=torch.float64)
    by_action = torch.zeros((num, task.num_actions, task.num_states), dtype=torch.float64)
    points = dict.fromkeys(("unigram", "per-state", "per-action", "naive Bayes"), 0.0)
    row = torch.arange(num)
    for m in range(query.shape[1]):
        state, action, target = steps.states[:, m], steps.actions[:, m], steps.targets[:, m]
        if query[:, m].any():
            counts = overall, by_state[row, state], by_action[row, action]
            for name, scores in zip(points, (*counts, _naive_bayes(task, *counts)), strict=True):
                points[name] += float((_share(scores, target) * query[:, m]).sum())
        real = steps.real[:, m].double()
        overall[row, target] += real
        by_state[row, state, target] += real
        by_action[row, action, target] += real
    return points


def _naive_bayes(task: TransitionsTask, overall: Tensor, by_state: Tensor, by_action: Tensor) -> Tensor:
    """p(n) p(s | n) p(a | n) up to a factor, counts + .5: for each next state n, (N, S)."""
    given = (by_state + 0.5) / (overall + 0.5 * task.num_states)
    return (overall + 0.5) * given * (by_action + 0.5) / (overall + 0.5 * task.num_actions)


def _share(scores: Tensor, target: Tensor) -> Tensor:
    """1 / k where the target is among the k best-scored states, else 0: (C, S), (C,) -> (C,)."""
    highest = scores.max(1, keepdim=True).values
    best = scores >= highest * (1 - 1e-9)  # equal numbers reached on different ways differ in their last bits
    return best.gather(1, target.unsqueeze(1)).squeeze(1) / best.sum(1)


def _points_on_unseen(task: TransitionsTask, steps: Transitions, unseen: Tensor) -> float:
    """Points of the Bayes predictor on `unseen` (N, M), query steps whose entry was never shown before."""
    episode, m = unseen.nonzero(as_tuple=True)
    points = 0.0
    for rows, column in zip(torch.split(episode, CASES), torch.split(m, CASES), strict=True):
        known = _shown_before(task, steps, rows, column)
        state, action = steps.states[rows, column], steps.actions[rows, column]
        scores = torch.stack([_weight_with(known, state, action, n) for n in range(task.num_states)], dim=1)
        points += float(_share(scores, steps.targets[rows, column]).sum())
    return points


def _shown_before(task: TransitionsTask, steps: Transitions, rows: Tensor, column: Tensor) -> Tensor:
    """What episode rows[i] showed before its transition column[i]: (C, S, A), -1 where nothing."""
    entries = steps.states[rows] * task.num_actions + steps.actions[rows]
    size = task.num_states * task.num_actions
    earlier = steps.real[rows] & (torch.arange(entries.shape[1]) < column.unsqueeze(1))
    known = torch.full((len(rows), size + 1), -1)
    known.scatter_(1, entries.where(earlier, size), steps.targets[rows])
    return known[:, :size].view(-1, task.num_states, task.num_actions)


def _weight_with(known: Tensor, state: Tensor, action: Tensor, target: int) -> Tensor:
    """Prior weight of the partial tables (C, S, A) with the entry [state, action] set to `target`: (C,)."""
    known = known.clone()
    known[torch.arange(len(known)), state, action] = target
    return prior_weight(known)


def prior_weight(known: Tensor) -> Tensor:
    """How likely the generator draws a table that agrees with `known`, times S ** (entries known - S + 1).

    A table's probability is a sum over the spanning trees it holds. Summed over all that the unknown entries
    may be, a tree's term still factors by source, as the targets of a source's edges differ: an edge is one
    of the known entries, or one of the unknown ones not yet used, which holds its target with chance 1 / S.
    So completions need not be listed, however many there are.

    Args:
        known: int64 (C, S, A), -1 where unknown.
    Returns:
        float64 (C,).
    """
    _, num_states, num_actions = known.shape
    unknown = (known < 0).sum(2)
    held = torch.stack([(known == n).sum(2) for n in range(num_states)], dim=2)
    weight = torch.zeros(len(known), dtype=torch.float64)
    ways = {
        (source, children): _ways(held[:, source], unknown[:, source], children)
        for source in range(num_states)
        for size in range(1, num_states)
        for children in itertools.combinations(range(1, num_states), size)
    }
    for tree, coefficient in spanning_trees(num_states, num_actions).items():
        product = torch.full_like(weight, coefficient)
        for branch in tree:
            product *= ways[branch]
        weight += product
    return weight


def _ways(held: Tensor, unknown: Tensor, children: tuple[int, ...]) -> Tensor:
    """Expected number of ways to give each child an entry of its own: held (C, S), unknown (C,) -> (C,)."""
    num_states = held.shape[1]
    zero = torch.zeros(len(held), dtype=torch.float64)
    by_used = [zero + 1]  # by the number of unknown entries used
    for child in children:
        kept = [ways * held[:, child] for ways in by_used]
        spent = [ways * (unknown - used).clamp(min=0) / num_states for used, ways in enumerate(by_used)]
        by_used = [a + b for a, b in zip([*kept, zero], [zero, *spent], strict=True)]
    return torch.stack(by_used).sum(0)


Branch = tuple[int, tuple[int, ...]]
"""A source and its children, in rising order."""


@lru_cache(maxsize=64)
def spanning_trees(num_states: int, num_actions: int) -> dict[tuple[Branch, ...], float]:
    """Trees rooted at state 0 -> sum over attachment orders of the product of 1 / (f (S - k) (A - children)).

    k states are attached, f of them still have an unused action, and the source has `children` so far.
    """
    sums: dict[tuple[Branch, ...], float] = {}
    for sources, order in _attachments(num_states):
        children = [0] * num_states
        coefficient = 1.0
        for k, source in enumerate(sources, start=1):
            attached = (0, *order[: k - 1])
            free = sum(children[state] < num_actions for state in attached)
            if children[source] == num_actions:
                break
            coefficient /= free * (num_states - k) * (num_actions - children[source])
            children[source] += 1
        else:
            pairs = sorted(zip(sources, order, strict=True))
            tree = tuple((s, tuple(c for _, c in group)) for s, group in itertools.groupby(pairs, lambda p: p[0]))
            sums[tree] = sums.get(tree, 0.0) + coefficient
    return sums


def _attachments(num_states: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """All (sources, order): order[i] is attached to sources[i], which is state 0 or attached before it."""
    for order in itertools.permutations(range(1, num_states)):
        yield from (
            (sources, order) for sources in itertools.product(*(((0, *order)[:k]) for k in range(1, num_states)))
        )
