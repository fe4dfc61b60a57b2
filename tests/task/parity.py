"""A task family in one file: is the number of ones so far odd? No file of the package knows it."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, Literal

import torch
from pydantic import Field

from fsm_icl.seeding import torch_generator
from fsm_icl.task.base import IGNORE, Baselines, Batch, EvaluationSet, EvaluationSplit, Labels, Size, Split, TaskSpec
from fsm_icl.task.machines import split_of


class ParityTask(TaskSpec):
    """Tokens and classes: 0 and 1. The first bit is its own parity, so it is not scored. A group is a string."""

    results_version: ClassVar = 1

    family: Literal["parity"] = "parity"
    length: int = Field(12, ge=8, le=62)
    num_strings: int = Field(60, ge=1)

    num_tokens: ClassVar[int] = 2
    num_classes: ClassVar[int] = 2
    dimensions: ClassVar[dict[str, int]] = {"parities": 2}
    slices: ClassVar[dict[str, str]] = {"place": "bits read before"}

    @property
    def sequence_length(self) -> int:
        return self.length

    @property
    def usual_length(self) -> int:
        return self.length

    def sizes(self) -> tuple[Size, ...]:
        return Size("bits", self.length, ("length",)), Size("strings", self.num_strings, ("num_strings",))

    def num_episodes(self, split: EvaluationSplit) -> int:
        return self.num_strings

    def check(self) -> None:
        if self.num_strings > 2**self.length // 8:
            raise ValueError(f"there are too few strings of {self.length} bits for num_strings: {self.num_strings}")

    def training_stream(self, seed: int, batch_size: int, evaluation_seed: int) -> ParityStream:
        self.check()
        return ParityStream(self, seed, batch_size, evaluation_seed)

    def evaluation_set(self, split: EvaluationSplit, evaluation_seed: int) -> EvaluationSet:
        self.check()
        return _evaluation_set(self, split, evaluation_seed)

    def baselines(self, evaluation: EvaluationSet) -> Baselines:
        batch = evaluation.batch
        last = float((batch.tokens == batch.targets)[batch.scored].double().mean())
        return Baselines({"chance": 0.5, "last bit": last}, 1.0, ceiling_exact=True)


class ParityStream:
    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments

    def batch(self, step: int) -> Batch:
        task, seed, batch_size, evaluation_seed = self.arguments
        return _drawn(task, "train", batch_size, evaluation_seed, torch_generator(seed, "train", step))


@lru_cache
def _evaluation_set(task: ParityTask, split: EvaluationSplit, evaluation_seed: int) -> EvaluationSet:
    batch = _drawn(task, split, task.num_strings, evaluation_seed, torch_generator(evaluation_seed, split))
    group = torch.unique(batch.tokens, dim=0, return_inverse=True)[1]
    place = torch.arange(task.length).expand_as(batch.tokens)
    return EvaluationSet(batch, group, {"place": Labels(tuple(map(str, range(task.length))), place)})


def _drawn(task: ParityTask, split: Split, num: int, evaluation_seed: int, generator: torch.Generator) -> Batch:
    kept: list[list[int]] = []
    while len(kept) < num:
        bits = torch.randint(2, (task.length,), generator=generator).tolist()
        if split_of(int("".join(map(str, bits)), 2), evaluation_seed) == split:
            kept.append(bits)
    tokens = torch.tensor(kept)
    scored = torch.ones_like(tokens, dtype=torch.bool)
    scored[:, 0] = False
    return Batch(tokens, (tokens.cumsum(1) % 2).where(scored, IGNORE), scored)
