"""Time an episode: `TransitionsStream` against plain Python that does the same job one episode at a time.

    python -m bench.episodes --num-states 3 --num-actions 3 --length 12

The plain functions are also the oracle of tests/task: slow, obvious, no tensors.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import math
import random
import statistics
import time
from collections.abc import Callable

import torch

from fsm_icl.task.transitions.episodes import BLOCK_EPISODES, TransitionsStream
from fsm_icl.task.transitions.spec import TransitionsTask

Machine = list[list[int]]

GOAL_US = 13.0
"""A hundredth of the 1.3 ms that a per-episode generator on tensors needed."""


def plain_machine(num_states: int, num_actions: int, rng: random.Random) -> Machine:
    """A random spanning tree from state 0, the other entries uniform; machine[s][a] is the next state."""
    machine = [[-1] * num_actions for _ in range(num_states)]
    attached, unattached = [0], list(range(1, num_states))
    while unattached:
        state = unattached.pop(rng.randrange(len(unattached)))
        source = rng.choice([s for s in attached if -1 in machine[s]])
        action = rng.choice([a for a in range(num_actions) if machine[source][a] == -1])
        machine[source][action] = state
        attached.append(state)
    return [[rng.randrange(num_states) if entry == -1 else entry for entry in row] for row in machine]


def canonical_form(machine: Machine) -> tuple[tuple[int, ...], ...]:
    """The smallest table among all renamings of states and actions, as sorted columns: brute force."""
    forms = []
    for names in itertools.permutations(range(len(machine))):
        columns = [[0] * len(machine) for _ in machine[0]]
        for state, row in enumerate(machine):
            for action, target in enumerate(row):
                columns[action][names[state]] = names[target]
        forms.append(tuple(sorted(map(tuple, columns))))
    return min(forms)


def plain_train_machine(task: TransitionsTask, rng: random.Random) -> Machine:
    """A machine of a 60 % share of the classes, by the hash of its canonical form."""
    while True:
        machine = plain_machine(task.num_states, task.num_actions, rng)
        digest = hashlib.sha256(repr(canonical_form(machine)).encode()).digest()
        if int.from_bytes(digest[:8], "big") / 2**64 < 0.6:
            return machine


def plain_walk(task: TransitionsTask, machine: Machine, start: int, nominal: int, rng: random.Random) -> list[int]:
    """Tokens `s0 a0 s1 ... sL <eos>` of one walk."""
    low, high = nominal * (1 - task.length_jitter), nominal * (1 + task.length_jitter)
    tokens = [start]
    for _ in range(rng.randint(max(1, math.ceil(low - 1e-9)), math.floor(high + 1e-9))):
        action = rng.randrange(task.num_actions)
        tokens += [task.num_states + action, machine[tokens[-1]][action]]
    return [*tokens, task.eos]


def plain_episode(task: TransitionsTask, machine: Machine, rng: random.Random) -> list[int]:
    """Tokens of one episode, without padding."""
    states = range(task.num_states)
    few = task.num_demos <= task.num_states
    starts = rng.sample(states, task.num_demos) if few else rng.choices(states, k=task.num_demos)
    demo_length, query_length = task.nominal(task.demo_length), task.nominal(task.query_length)
    tokens = []
    for start in starts:
        tokens += plain_walk(task, machine, start, demo_length, rng)
    return [*tokens, task.query, *plain_walk(task, machine, rng.choice(states), query_length, rng)]


def microseconds(work: Callable[[int], object], num: int, repeats: int) -> float:
    """Median microseconds an item of `work(repeat)`, which makes `num` items."""
    seconds = []
    for repeat in range(repeats):
        start = time.perf_counter()
        work(repeat)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds) / num * 1e6


def main() -> None:
    """Print microseconds an episode of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-states", type=int, default=3)
    parser.add_argument("--num-actions", type=int, default=3)
    parser.add_argument("--length", default="12", help="nominal steps of each walk, or auto")
    parser.add_argument("--jitter", type=float, default=0.0)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    task = TransitionsTask.model_validate(
        {
            "num_states": args.num_states,
            "num_actions": args.num_actions,
            "demo_length": args.length if args.length == "auto" else int(args.length),
            "query_length": args.length if args.length == "auto" else int(args.length),
            "length_jitter": args.jitter,
        }
    )
    rng = random.Random(0)
    machines = [plain_train_machine(task, rng) for _ in range(100)]
    split = microseconds(lambda _: [plain_train_machine(task, rng) for _ in range(100)], 100, args.repeats)
    walks = microseconds(lambda _: [plain_episode(task, machine, rng) for machine in machines], 100, args.repeats)
    stream = TransitionsStream(task, 0, args.batch_size, 0)
    steps = 2 * BLOCK_EPISODES // args.batch_size
    vectorised = microseconds(
        lambda repeat: [stream.batch(repeat * steps + i) for i in range(steps)],
        steps * args.batch_size,
        args.repeats,
    )
    print(
        f"{task.num_states}x{task.num_actions}, walks of {args.length}; "
        f"microseconds an episode, median of {args.repeats}"
    )
    print(f"plain Python     {split + walks:9.1f}   (machine within the split {split:.1f}, walks {walks:.1f})")
    print(f"TransitionsStream   {vectorised:9.1f}   (goal: at most {GOAL_US:g})")
    print(f"ratio            {(split + walks) / vectorised:9.1f}   (to 1.3 ms: {1300 / vectorised:.0f})")


if __name__ == "__main__":
    main()
