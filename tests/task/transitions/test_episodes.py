"""Episodes against a plain state machine, and their purity."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from bench import episodes as bench
from bench.episodes import plain_episode
from fsm_icl.task.base import IGNORE, Batch
from fsm_icl.task.machines import machine_key, split_of, uniform_machines
from fsm_icl.task.transitions import episodes as module
from fsm_icl.task.transitions.episodes import (
    TransitionsStream,
    episodes_of,
    evaluation_set,
    evaluation_set_of,
    times_shown,
    transitions_of,
)
from fsm_icl.task.transitions.spec import TransitionsTask

SMALL = TransitionsTask(num_states=3, num_actions=3, demo_length=4, query_length=3, val_machines=40, test_machines=60)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def same(one: Batch, other: Batch) -> bool:
    return (
        torch.equal(one.tokens, other.tokens)
        and torch.equal(one.targets, other.targets)
        and torch.equal(one.scored, other.scored)
    )


Row = tuple[list[int], list[int], list[int]]


def replay(
    task: TransitionsTask, machine: list[list[int]], tokens: list[int]
) -> tuple[Row, list[int], list[list[int]]]:
    """Read an episode token by token, as a plain state machine that refuses what the sequence does not allow.

    Returns:
        what targets, query_step and times_shown must be; the walks' lengths; the walks' first states.
    """
    targets, query_step, shown = [], [], []
    counts: Counter[tuple[int, int]] = Counter()
    lengths: list[int] = []
    starts: list[int] = []
    position = 0

    def read() -> int:
        nonlocal position
        position += 1
        targets.append(IGNORE)
        query_step.append(-1)
        shown.append(-1)
        return tokens[position - 1]

    for walk in range(task.num_demos + 1):
        if walk == task.num_demos:
            assert read() == task.query
        state = read()
        assert 0 <= state < task.num_states
        starts.append(state)
        steps = 0
        while (token := read()) != task.eos:
            action = token - task.num_states
            assert 0 <= action < task.num_actions
            targets[-1] = machine[state][action]
            query_step[-1] = steps if walk == task.num_demos else -1
            shown[-1] = counts[state, action]
            counts[state, action] += 1
            assert read() == targets[-2]
            state = targets[-2]
            steps += 1
        lengths.append(steps)
    while position < len(tokens):
        assert read() == task.pad
    return (targets, query_step, shown), lengths, [starts]


@st.composite
def tasks(draw: st.DrawFn) -> TransitionsTask:
    return TransitionsTask(
        num_states=draw(st.integers(2, 6)),
        num_actions=draw(st.integers(1, 5)),
        num_demos=draw(st.integers(1, 8)),
        demo_length=draw(st.integers(1, 9) | st.just("auto")),
        query_length=draw(st.integers(1, 9) | st.just("auto")),
        length_jitter=draw(st.sampled_from([0.0, 0.2, 0.5, 0.9])),
    )


@given(tasks(), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_episodes_replay_on_a_plain_state_machine(task: TransitionsTask, seed: int) -> None:
    machines = uniform_machines(6, task.num_states, task.num_actions, generator(seed))
    evaluation = evaluation_set_of(task, machines, generator(seed))
    batch, shown = evaluation.batch, times_shown(task, evaluation.batch)
    step = evaluation.slices["query_step"].numbers.where(batch.scored, -1)
    assert batch.tokens.shape[1] == task.sequence_length
    for i, machine in enumerate(machines.tolist()):
        expected, lengths, (starts,) = replay(task, machine, batch.tokens[i].tolist())
        found = [x[i].tolist() for x in (batch.targets, step, shown)]
        assert found == list(expected)
        *demos, query = lengths
        low, high = task.length_range(task.demo_length)
        assert all(low <= length <= high for length in demos)
        low, high = task.length_range(task.query_length)
        assert low <= query <= high
        if task.num_demos <= task.num_states:
            assert len(set(starts[:-1])) == task.num_demos


@pytest.mark.parametrize(
    ("length", "jitter", "expected"),
    [(12, 0.0, (12, 12)), (20, 0.2, (16, 24)), (1, 0.9, (1, 1)), (7, 0.2, (6, 8)), (100, 0.29, (71, 129))],
)
def test_lengths_lie_within_the_share(length: int, jitter: float, expected: tuple[int, int]) -> None:
    assert SMALL.model_copy(update={"length_jitter": jitter}).length_range(length) == expected


def test_auto_lengths() -> None:
    task = TransitionsTask(num_states=3, num_actions=3, length_jitter=0)
    assert task.length_range("auto") == (19, 19)
    assert TransitionsTask().length_range("auto") == (64, 96)


def test_the_same_distribution_as_the_plain_generator() -> None:
    task = SMALL.model_copy(update={"num_demos": 2, "length_jitter": 0.5})
    machines = uniform_machines(20_000, 3, 3, generator())
    ours, theirs = Counter[str](), Counter[str]()
    rng = random.Random(0)
    for counter, rows in (
        (ours, episodes_of(task, machines, generator(1)).tokens.tolist()),
        (theirs, [plain_episode(task, machine, rng) for machine in machines[:8000].tolist()]),
    ):
        for row in rows:
            *demos, query = "".join(chr(97 + token) for token in row if token != task.pad).split(chr(97 + task.eos))[:3]
            counter["demo starts " + demos[0][0] + demos[1][0]] += 1
            counter["query start " + query[1]] += 1
            counter["demo lengths " + str((len(demos[0]), len(demos[1])))] += 1
            counter["query length " + str(len(query))] += 1
            counter["first actions " + demos[0][1] + query[2]] += 1
    assert set(ours) == set(theirs)
    for name in ours:
        p, q = ours[name] / 20_000, theirs[name] / 8000
        error = (p * (1 - p) / 20_000 + p * (1 - p) / 8000) ** 0.5
        assert abs(p - q) < 4.5 * error, name


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    stream = TransitionsStream(SMALL, 7, 32, 0)
    per_block = stream._steps
    steps = [0, 1, per_block - 1, per_block, 2 * per_block + 3]
    in_order = {step: stream.batch(step) for step in steps}
    for step in reversed(steps):
        assert same(TransitionsStream(SMALL, 7, 32, 0).batch(step), in_order[step])
        assert same(stream.batch(step), in_order[step])
    for other in (TransitionsStream(SMALL, 8, 32, 0), TransitionsStream(SMALL, 7, 32, 1)):
        assert not same(other.batch(0), in_order[0])
    assert not same(in_order[0], in_order[1])
    assert not same(in_order[0], in_order[per_block])


def test_loss_on_the_query_leaves_out_the_targets_of_the_demos() -> None:
    everywhere = TransitionsStream(SMALL.model_copy(update={"loss_on": "transitions"}), 7, 32, 0).batch(3)
    query = TransitionsStream(SMALL, 7, 32, 0).batch(3)
    assert torch.equal(query.tokens, everywhere.tokens)
    assert torch.equal(query.scored, everywhere.scored)
    assert torch.equal(query.targets, everywhere.targets.where(query.scored, IGNORE))
    assert (everywhere.targets != IGNORE).sum() > query.scored.sum() == (query.targets != IGNORE).sum()


@pytest.mark.parametrize("batch_size", [1, 32, 3000])
def test_batches_have_their_size(batch_size: int) -> None:
    stream = TransitionsStream(SMALL, 0, batch_size, 0)
    for step in (0, 1):
        batch = stream.batch(step)
        assert batch.tokens.shape == batch.targets.shape == batch.scored.shape
        assert batch.tokens.shape == (batch_size, SMALL.sequence_length)
        assert [x.dtype for x in (batch.tokens, batch.targets, batch.scored)] == [torch.int64, torch.int64, torch.bool]


def test_long_sequences_make_small_blocks() -> None:
    stream = TransitionsStream(TransitionsTask(num_states=16, num_actions=8, demo_length=5000), 0, 8, 0)
    assert stream.batch(0).tokens.shape[0] == 8
    assert stream._steps * 8 * stream._task.sequence_length <= module.BLOCK_TOKENS


def shown_tables(task: TransitionsTask, batch: Batch) -> list[tuple[int, ...]]:
    """Tables of the episodes that show every entry."""
    steps = transitions_of(task, batch)
    table = torch.full((len(batch.tokens), task.num_states * task.num_actions + 1), -1)
    entries = (steps.states * task.num_actions + steps.actions).where(steps.real, table.shape[1] - 1)
    table = table.scatter_(1, entries, steps.targets)[:, :-1]
    return [tuple(row) for row in table[table.ge(0).all(1)].tolist()]


def test_training_machines_are_train_machines_and_num_train_machines_fixes_them() -> None:
    task = TransitionsTask(num_states=3, num_actions=3, demo_length=40, query_length=5, loss_on="transitions")
    batch = TransitionsStream(task, 0, 512, 5).batch(0)
    tables = torch.tensor(shown_tables(task, batch)).view(-1, 3, 3)
    assert len(tables) > 300
    assert {split_of(key, 5) for key in machine_key(tables).tolist()} == {"train"}

    fixed = task.model_copy(update={"num_train_machines": 10})
    first, other = TransitionsStream(fixed, 0, 512, 5), TransitionsStream(fixed, 1, 512, 5)
    tables_of = [set(shown_tables(fixed, stream.batch(step))) for stream in (first, other) for step in (0, 9)]
    assert len(tables_of[0]) <= 10
    assert tables_of[0] == tables_of[1] == tables_of[2] == tables_of[3]
    assert not same(first.batch(0), other.batch(0))


def test_evaluation_sets() -> None:
    val, test = evaluation_set(SMALL, "val", 3), evaluation_set(SMALL, "test", 3)
    assert val.batch.tokens.shape[0] == 40
    assert test.batch.tokens.shape[0] == 60
    assert {split_of(key, 3) for key in machine_key(test.machines).tolist()} == {"test"}
    assert {split_of(key, 3) for key in machine_key(val.machines).tolist()} == {"val"}
    keys = machine_key(test.machines).tolist()
    pairs = set(zip(keys, test.group.tolist(), strict=True))
    assert len(pairs) == len(set(keys))
    assert sorted(number for _, number in pairs) == list(range(len(pairs)))


def test_evaluation_sets_depend_on_task_and_evaluation_seed_alone() -> None:
    before = evaluation_set(SMALL, "test", 3)
    evaluation_set.cache_clear()
    TransitionsStream(SMALL, 0, 32, 3).batch(0)
    torch.rand(5)
    assert same(evaluation_set(SMALL, "test", 3).batch, before.batch)
    assert not same(evaluation_set(SMALL, "test", 4).batch, before.batch)


def test_impossible_tasks_are_refused_before_anything_is_drawn() -> None:
    with pytest.raises(ValueError, match="show only 6 classes"):
        TransitionsStream(TransitionsTask(num_states=2, num_actions=2), 0, 4, 0)


def test_global_random_states_are_untouched() -> None:
    states = torch.get_rng_state(), np.random.get_state()[1], random.getstate()  # noqa: NPY002
    TransitionsStream(SMALL, 0, 32, 0).batch(5)
    evaluation_set.cache_clear()
    evaluation_set(SMALL, "val", 0)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert random.getstate() == states[2]


def digest(seed: int) -> str:
    tokens = TransitionsStream(SMALL, seed, 32, 0).batch(1).tokens
    return str(int((tokens * torch.arange(tokens.numel()).view_as(tokens)).sum()))


def test_batches_are_the_same_in_every_process() -> None:
    code = "from tests.task.transitions.test_episodes import digest; print(digest(3))"
    for hash_seed in ("0", "1"):
        result = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stdout.strip() == digest(3)


GOLDEN_TOKENS = "0 3 1 4 2 5 0 4 1 6 1 4 2 5 0 5 1 4 2 6 2 3 0 4 1 5 2 3 0 6 7 1 4 2 5 0 5 1 6"


def test_golden_batches() -> None:
    """A change here means other data under the same config: raise RESULTS_VERSION."""
    assert digest(3) == "2233507"
    tokens = evaluation_set(SMALL, "test", 0).batch.tokens[0].tolist()
    assert " ".join(map(str, tokens)) == GOLDEN_TOKENS


def test_the_docstring_shows_a_real_episode() -> None:
    task = TransitionsTask(num_states=3, num_actions=3, num_demos=2, demo_length=4, query_length=3, length_jitter=0.25)
    evaluation = evaluation_set(task, "test", 0)
    names = ["0", "1", "2", "a", "b", "c", "<eos>", "<query>", "<pad>"]
    batch, text = evaluation.batch, str(module.__doc__)
    lines = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.startswith("    ")}
    shown = len(lines["tokens"]) - 1
    row = 34
    assert [names[token] for token in batch.tokens[row, :shown]] == lines["tokens"][:-1]
    for name, values, nothing in (("targets", batch.targets, IGNORE), ("times_shown", times_shown(task, batch), -1)):
        assert ["." if value == nothing else str(value) for value in values[row, :shown].tolist()] == lines[name]
    assert ["x" if value else "." for value in batch.scored[row, :shown].tolist()] == lines["scored"]
    assert [lines[str(state)] for state in range(3)] == [[str(n) for n in r] for r in evaluation.machines[row].tolist()]


def test_the_bench_prints_both_times_and_their_ratio(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["episodes", "--repeats", "1", "--length", "3"])
    threads = torch.get_num_threads()
    bench.main()
    torch.set_num_threads(threads)
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("plain Python", "TransitionsStream", "ratio"))
