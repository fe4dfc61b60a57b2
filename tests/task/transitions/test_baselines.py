"""The ladder and the ceiling, against the design's table, plain counting and enumeration of all machines."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from fsm_icl.task.base import Baselines, Batch, EvaluationSet
from fsm_icl.task.machines import uniform_machines
from fsm_icl.task.transitions.baselines import baselines, prior_weight
from fsm_icl.task.transitions.episodes import evaluation_set, evaluation_set_of, times_shown
from fsm_icl.task.transitions.spec import TransitionsTask
from tests.task.test_machines import exact_prior

NAMES = ["chance", "unigram", "per-state", "per-action", "naive Bayes", "look-up"]
LAPTOP = TransitionsTask(num_states=3, num_actions=3, demo_length=12, query_length=12, length_jitter=0)


def draw(task: TransitionsTask, num: int, seed: int = 0) -> EvaluationSet:
    """Episodes on draws from the whole generator, without the split."""
    generator = torch.Generator().manual_seed(seed)
    return evaluation_set_of(task, uniform_machines(num, task.num_states, task.num_actions, generator), generator)


def check_row(task: TransitionsTask, num: int, row: list[float], ceiling: float, unseen: float, within: float) -> None:
    evaluation = draw(task, num)
    found = baselines(task, evaluation)
    assert list(found.ladder) == NAMES
    for name, expected in zip(NAMES, row, strict=True):
        assert found.ladder[name] == pytest.approx(expected, abs=0.005), name
    assert found.ceiling == pytest.approx(ceiling, abs=within)
    assert found.ceiling_exact
    shown = times_shown(task, evaluation.batch)[evaluation.batch.scored]
    assert float((shown == 0).double().mean()) == pytest.approx(unseen, abs=0.001)


def test_the_table_at_laptop_scale() -> None:
    check_row(LAPTOP, 30_000, [1 / 3, 0.485, 0.599, 0.642, 0.842, 0.9893], 0.9910, 0.0161, within=0.001)


def test_the_table_at_5x5() -> None:
    check_row(TransitionsTask(), 4000, [0.2, 0.307, 0.446, 0.476, 0.705, 0.9991], 0.9991, 0.0011, within=0.005)


@pytest.mark.slow
def test_the_table_at_3x3_with_walks_of_20() -> None:
    task = TransitionsTask(num_states=3, num_actions=3, demo_length=20, query_length=20)
    check_row(task, 60_000, [1 / 3, 0.494, 0.612, 0.655, 0.860, 0.9971], 0.9976, 0.0044, within=0.001)


@pytest.mark.slow
def test_the_table_in_large() -> None:
    check_row(LAPTOP, 200_000, [1 / 3, 0.485, 0.599, 0.642, 0.842, 0.9893], 0.9910, 0.0161, within=0.0005)
    check_row(TransitionsTask(), 20_000, [0.2, 0.307, 0.446, 0.476, 0.705, 0.9991], 0.9991, 0.0011, within=0.0005)


def plain_ladder(task: TransitionsTask, evaluation: EvaluationSet) -> dict[str, float]:
    """The counting strategies and look-up, one token at a time, in exact order of their definition."""
    points, total = Counter[str](), 0
    states = range(task.num_states)
    for tokens, targets, scored in zip(
        evaluation.batch.tokens.tolist(),
        evaluation.batch.targets.tolist(),
        evaluation.batch.scored.tolist(),
        strict=True,
    ):
        seen: list[tuple[int, int, int]] = []
        for place, target in enumerate(targets):
            if target < 0:
                continue
            s, a = tokens[place - 1], tokens[place]
            if scored[place]:
                total += 1
                c_n = [sum(z == n for _, _, z in seen) for n in states]
                c_s = [sum((x, z) == (s, n) for x, _, z in seen) for n in states]
                c_a = [sum((y, z) == (a, n) for _, y, z in seen) for n in states]
                known = [z for x, y, z in seen if (x, y) == (s, a)]
                bayes = [
                    (c_n[n] + 0.5)
                    * ((c_s[n] + 0.5) / (c_n[n] + 0.5 * task.num_states))
                    * ((c_a[n] + 0.5) / (c_n[n] + 0.5 * task.num_actions))
                    for n in states
                ]
                look_up = [float(n in known or not known) for n in states]
                for name, scores in zip(NAMES, ([1] * task.num_states, c_n, c_s, c_a, bayes, look_up), strict=True):
                    best = [n for n in states if scores[n] > max(scores) - 1e-12]
                    points[name] += (target in best) / len(best)
            seen.append((s, a, target))
    return {name: points[name] / total for name in NAMES}


@pytest.mark.parametrize(("num_states", "num_actions", "length"), [(3, 3, 6), (4, 2, 3), (6, 2, 9), (2, 1, 2)])
def test_the_ladder_equals_plain_counting(num_states: int, num_actions: int, length: int) -> None:
    task = TransitionsTask(
        num_states=num_states,
        num_actions=num_actions,
        demo_length=length,
        query_length=length,
        length_jitter=0.4,
    )
    evaluation = draw(task, 60)
    assert baselines(task, evaluation).ladder == pytest.approx(plain_ladder(task, evaluation))


@pytest.mark.parametrize(("num_states", "num_actions", "num"), [(3, 2, 300), (4, 2, 60)])
def test_the_ceiling_equals_enumeration_of_all_machines(num_states: int, num_actions: int, num: int) -> None:
    prior = exact_prior(num_states, num_actions)
    tables, weights = np.array(list(prior)), np.array(list(prior.values()))
    task = TransitionsTask(
        num_states=num_states,
        num_actions=num_actions,
        num_demos=2,
        demo_length=3,
        query_length=4,
        length_jitter=0.4,
    )
    evaluation = draw(task, num)
    batch = evaluation.batch
    points, total = 0.0, 0
    for tokens, targets, scored in zip(
        batch.tokens.tolist(), batch.targets.tolist(), batch.scored.tolist(), strict=True
    ):
        possible = np.ones(len(tables), dtype=bool)
        for place, target in enumerate(targets):
            if target < 0:
                continue
            column = tables[:, tokens[place - 1] * num_actions + tokens[place] - num_states]
            if scored[place]:
                posterior = np.array([weights[possible & (column == n)].sum() for n in range(num_states)])
                best = np.flatnonzero(posterior > posterior.max() * (1 - 1e-9))
                points, total = points + (target in best) / len(best), total + 1
            possible &= column == target
    assert baselines(task, evaluation).ceiling == pytest.approx(points / total)


@pytest.mark.parametrize(("num_states", "num_actions"), [(2, 2), (3, 1), (3, 2), (4, 2), (5, 1)])
def test_prior_weights_are_the_generators_probabilities(num_states: int, num_actions: int) -> None:
    prior = exact_prior(num_states, num_actions)
    size = num_states * num_actions
    tables = torch.tensor(list(prior)).view(-1, num_states, num_actions)
    probability = torch.tensor(list(prior.values()), dtype=torch.float64)
    torch.testing.assert_close(prior_weight(tables) * float(num_states) ** (num_states - 1 - size), probability)

    hidden = torch.rand(tables.shape, generator=torch.Generator().manual_seed(0))[0] < 0.5
    partial = tables[0].masked_fill(hidden, -1)
    agree = (tables == tables[0]).logical_or(hidden).flatten(1).all(1)
    known = int((~hidden).sum())
    expected = float(probability[agree].sum()) * num_states ** (known - num_states + 1)
    assert float(prior_weight(partial[None])) == pytest.approx(expected)


def test_above_five_states_the_ceiling_is_a_lower_bound() -> None:
    task = TransitionsTask(num_states=6, num_actions=2, demo_length=6, query_length=6)
    found = baselines(task, draw(task, 50))
    assert not found.ceiling_exact
    assert found.ceiling == found.ladder["look-up"]


def test_nothing_depends_on_how_states_are_numbered() -> None:
    task = LAPTOP.model_copy(update={"num_demos": 1, "demo_length": 3})
    evaluation = draw(task, 200)
    batch = evaluation.batch
    rename = torch.tensor([2, 0, 1, *range(3, task.num_tokens)])
    targets = rename[batch.targets.clamp(min=0)].where(batch.targets >= 0, batch.targets)
    renamed = EvaluationSet(Batch(rename[batch.tokens], targets, batch.scored), evaluation.group, evaluation.slices)
    assert baselines(task, renamed).ladder == pytest.approx(baselines(task, evaluation).ladder)


def test_the_ladder_of_a_test_set() -> None:
    task = LAPTOP.model_copy(update={"test_machines": 300})
    found = baselines(task, evaluation_set(task, "test", 0))
    assert isinstance(found, Baselines)
    assert found.ladder["naive Bayes"] < found.ladder["look-up"] <= found.ceiling + 0.01
