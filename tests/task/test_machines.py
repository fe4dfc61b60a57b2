"""Machines, their key and the split, against brute force."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import get_args

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from bench.episodes import Machine, canonical_form
from fsm_icl.seeding import torch_generator
from fsm_icl.task import machines as module
from fsm_icl.task.machines import (
    SHARES,
    MachineSource,
    Split,
    check_splittable,
    machine_key,
    sample_machines,
    split_of,
    uniform_machines,
)

SPLITS: tuple[Split, ...] = get_args(Split)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def reachable(machine: Machine) -> set[int]:
    found, new = {0}, [0]
    while new:
        for target in machine[new.pop()]:
            if target not in found:
                found.add(target)
                new.append(target)
    return found


def exact_prior(num_states: int, num_actions: int) -> dict[tuple[int, ...], float]:
    """Probability of every table that the generator can draw, by playing all its choices out."""

    def play(fixed: dict[int, int], attached: list[int], weight: float) -> Iterator[tuple[dict[int, int], float]]:
        unattached = [state for state in range(num_states) if state not in attached]
        if not unattached:
            yield fixed, weight
            return
        free = {s: [a for a in range(num_actions) if s * num_actions + a not in fixed] for s in attached}
        sources = [s for s in attached if free[s]]
        for state in unattached:
            for source in sources:
                for action in free[source]:
                    share = weight / (len(unattached) * len(sources) * len(free[source]))
                    entry = source * num_actions + action
                    yield from play({**fixed, entry: state}, [*attached, state], share)

    size = num_states * num_actions
    trees: Counter[tuple[int, ...]] = Counter()
    for fixed, weight in play({}, [0], 1.0):
        trees[tuple(fixed.get(entry, -1) for entry in range(size))] += weight
    prior: Counter[tuple[int, ...]] = Counter()
    for tree, weight in trees.items():
        tables: list[tuple[int, ...]] = [()]
        for entry in tree:
            values = range(num_states) if entry < 0 else [entry]
            tables = [(*table, value) for table in tables for value in values]
        for table in tables:
            prior[table] += weight / len(tables)
    return dict(prior)


def relabelled(machine: Tensor, states: list[int], actions: list[int]) -> Tensor:
    """State s becomes states[s], action a becomes actions[a]."""
    other = torch.empty_like(machine)
    other[torch.tensor(states)[:, None], torch.tensor(actions)] = torch.tensor(states)[machine]
    return other


@st.composite
def machine_and_another_name(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    num_states, num_actions = draw(st.integers(2, 7)), draw(st.integers(1, 6))
    rows = st.lists(st.integers(0, num_states - 1), min_size=num_actions, max_size=num_actions)
    machine = torch.tensor(draw(st.lists(rows, min_size=num_states, max_size=num_states)))
    states, actions = draw(st.permutations(range(num_states))), draw(st.permutations(range(num_actions)))
    return machine, relabelled(machine, states, actions)


@given(machine_and_another_name())
@settings(max_examples=300, deadline=None)
def test_other_names_never_change_the_key(pair: tuple[Tensor, Tensor]) -> None:
    key, other = machine_key(torch.stack(pair)).tolist()
    assert key == other


def test_the_key_of_a_machine_does_not_depend_on_its_company() -> None:
    machines = uniform_machines(3000, 5, 5, generator())
    assert torch.equal(machine_key(machines)[[7, 2999]], machine_key(machines[[7, 2999]]))


@pytest.mark.parametrize(("num_states", "num_actions", "classes"), [(2, 2, 6), (3, 1, 3), (3, 2, 63), (2, 5, 33)])
def test_keys_are_the_classes_of_small_machines(num_states: int, num_actions: int, classes: int) -> None:
    machines = uniform_machines(4000, num_states, num_actions, generator()).unique(dim=0)
    forms = [canonical_form(machine) for machine in machines.tolist()]
    pairs = set(zip(machine_key(machines).tolist(), forms, strict=True))
    assert len({key for key, _ in pairs}) == len(set(forms)) == len(pairs) == classes


def test_3x3_has_616_classes_and_as_many_keys() -> None:
    entries = torch.cartesian_prod(*[torch.arange(3)] * 9).view(-1, 3, 3)
    # what the generator can draw: some table of the class reaches all states from state 0
    reach = torch.zeros(len(entries), 3, dtype=torch.bool)
    reach[:, 0] = True
    for _ in range(2):
        arrivals = torch.nn.functional.one_hot(entries, 3).bool() & reach[:, :, None, None]
        reach |= arrivals.any(2).any(1)
    machines = entries[reach.all(1)]
    forms = [canonical_form(machine) for machine in machines.tolist()]
    pairs = set(zip(machine_key(machines).tolist(), forms, strict=True))
    assert len({key for key, _ in pairs}) == len(set(forms)) == len(pairs) == 616


@pytest.mark.parametrize(("num_states", "num_actions"), [(4, 2), (5, 2)])
def test_different_machines_rarely_share_a_key(num_states: int, num_actions: int) -> None:
    machines = uniform_machines(1500, num_states, num_actions, generator())
    forms = {canonical_form(machine) for machine in machines.tolist()}
    assert 0 <= len(forms) - len(machine_key(machines).unique()) <= 0.01 * len(forms)


@pytest.mark.parametrize(("num_states", "num_actions"), [(2, 1), (5, 1), (4, 2), (3, 3), (6, 4)])
def test_all_states_can_be_reached(num_states: int, num_actions: int) -> None:
    for machine in uniform_machines(300, num_states, num_actions, generator()).tolist():
        assert reachable(machine) == set(range(num_states))


def test_machines_have_the_probabilities_of_the_stated_choices() -> None:
    prior = exact_prior(3, 2)
    assert sum(prior.values()) == pytest.approx(1)
    num = 200_000
    drawn = Counter(map(tuple, uniform_machines(num, 3, 2, generator()).flatten(1).tolist()))
    assert set(drawn) <= set(prior)
    chi2 = sum((drawn[table] - num * p) ** 2 / (num * p) for table, p in prior.items())
    degrees = len(prior) - 1
    assert abs(chi2 - degrees) < 5 * (2 * degrees) ** 0.5


def test_splits_are_disjoint_up_to_relabelling() -> None:
    source = MachineSource(3, 3, "uniform")
    forms = {
        split: {canonical_form(m) for m in sample_machines(source, split, 600, 0, generator(i)).tolist()}
        for i, split in enumerate(SPLITS)
    }
    assert not forms["train"] & forms["val"] | forms["train"] & forms["test"] | forms["val"] & forms["test"]


def test_splits_have_their_shares_and_change_with_the_evaluation_seed() -> None:
    splits = [split_of(key, 0) for key in range(20_000)]
    for split, share in SHARES.items():
        assert splits.count(split) / 20_000 == pytest.approx(share, abs=0.015)
    assert splits[:100] != [split_of(key, 1) for key in range(100)]


def test_golden_split() -> None:
    """A change here means other data under the same config: raise RESULTS_VERSION."""
    machines = torch.tensor([[[0, 1, 2], [1, 2, 0], [2, 2, 1]], [[1, 1, 0], [2, 0, 1], [0, 0, 0]]])
    keys = machine_key(machines).tolist()
    assert keys == GOLDEN_KEYS
    assert [split_of(key, seed) for key in keys for seed in (0, 1)] == GOLDEN_SPLITS


GOLDEN_KEYS = [882721518152322288, 5195154485452773132]
GOLDEN_SPLITS = ["test", "val", "test", "train"]


def test_nothing_depends_on_the_hash_seed() -> None:
    code = (
        "import torch; from fsm_icl.task.machines import *; "
        "print(sample_machines(MachineSource(3, 3, 'uniform'), 'val', 5, 0, "
        "torch.Generator().manual_seed(0)).flatten().tolist())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    here = sample_machines(MachineSource(3, 3, "uniform"), "val", 5, 0, generator())
    assert outputs == {f"{here.flatten().tolist()}\n"}


@pytest.mark.parametrize(("num_states", "num_actions", "found"), [(2, 2, 6), (3, 2, 63), (4, 1, 4)])
def test_too_few_classes_are_refused_with_what_would_do(num_states: int, num_actions: int, found: int) -> None:
    source = MachineSource(num_states, num_actions, "uniform")
    with pytest.raises(ValueError, match=rf"{num_states} states and {num_actions} actions show only {found} ") as e:
        check_splittable(source)
    advised = int(str(e.value).split("num_actions >= ")[1].split()[0])
    check_splittable(source._replace(num_actions=advised))
    with pytest.raises(ValueError, match="show only"):
        sample_machines(source, "val", 5, 0, generator())


def test_large_machines_are_drawn_and_split() -> None:
    module._count_classes.cache_clear()
    assert sample_machines(MachineSource(64, 64, "uniform"), "test", 2, 0, generator()).shape == (2, 64, 64)


@pytest.mark.parametrize(("num_states", "num_actions"), [(4, 1), (7, 1), (5, 2)])
def test_what_is_said_without_drawing_is_so(num_states: int, num_actions: int) -> None:
    drawn = module.uniform_machines(2000, num_states, num_actions, torch_generator(3, "drawn"))
    classes = len(torch.unique(machine_key(drawn)))
    said = module._count_classes(num_states, num_actions)
    assert classes == said if num_actions == 1 else classes >= said
