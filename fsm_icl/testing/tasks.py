"""What every task family must keep, as a test class that its author inherits.

    from fsm_icl.testing import TaskContract

    class TestParity(TaskContract):
        variants = [ParityTask(length=12)]

        def groups_of(self, spec, batch): ...
        def slow_ladder(self, spec, evaluation): ...

Letters: B batch, N episodes of a set, T time.
"""

from __future__ import annotations

import base64
import hashlib
import os
import pickle
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from fsm_icl.task.base import IGNORE, Batch, EvaluationSet, EvaluationSplit, TaskSpec

B, SEED, EVALUATION_SEED = 16, 7, 3
SPLITS: tuple[EvaluationSplit, ...] = ("val", "test")
DIGEST = """
import base64, pickle
from fsm_icl.testing.tasks import digest
print(digest(pickle.loads(base64.b64decode("{spec}"))))
"""


class TaskContract:
    """Tests of a task family, each run for every one of `variants`: small ones, of at least 40 test episodes."""

    variants: ClassVar[Sequence[TaskSpec]]

    def groups_of(self, spec: TaskSpec, batch: Batch) -> Sequence[Hashable | None]:
        """What the group of each episode is, read off its tokens; None where they don't tell."""
        raise NotImplementedError

    def slow_ladder(self, spec: TaskSpec, evaluation: EvaluationSet) -> dict[str, float]:
        """The ladder, one token at a time, as its strategies are defined."""
        raise NotImplementedError

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "spec" in metafunc.fixturenames:
            metafunc.parametrize("spec", self.variants, ids=lambda spec: str(self.variants.index(spec)))

    @pytest.fixture(params=SPLITS)
    def evaluation(self, request: pytest.FixtureRequest, spec: TaskSpec) -> EvaluationSet:
        found = spec.evaluation_set(request.param, EVALUATION_SEED)
        assert len(found.batch.tokens) == spec.num_episodes(request.param)
        return found

    def test_batches_have_their_shape(self, spec: TaskSpec, evaluation: EvaluationSet) -> None:
        training = spec.training_stream(SEED, B, EVALUATION_SEED).batch(0)
        assert len(training.tokens) == B
        for batch in (training, evaluation.batch):
            shape = (len(batch.tokens), spec.sequence_length)
            assert batch.tokens.shape == batch.targets.shape == batch.scored.shape == shape
            assert [x.dtype for x in (batch.tokens, batch.targets, batch.scored)] == [torch.int64] * 2 + [torch.bool]
            assert batch.tokens.min() >= 0
            assert batch.tokens.max() < spec.num_tokens
            asked = batch.targets[batch.targets != IGNORE]
            assert asked.min() >= 0
            assert asked.max() < spec.num_classes
            assert not (batch.scored & (batch.targets == IGNORE)).any()
            assert batch.scored.any(1).all()

    def test_a_batch_is_a_function_of_seed_and_step(self, spec: TaskSpec) -> None:
        stream = spec.training_stream(SEED, B, EVALUATION_SEED)
        in_order = [stream.batch(step) for step in range(3)]
        for step in (2, 0, 1):
            assert _same(spec.training_stream(SEED, B, EVALUATION_SEED).batch(step), in_order[step])
            assert _same(stream.batch(step), in_order[step])
        assert not _same(in_order[0], in_order[1])
        assert not _same(spec.training_stream(SEED + 1, B, EVALUATION_SEED).batch(0), in_order[0])

    def test_evaluation_sets_differ_by_split_and_seed(self, spec: TaskSpec) -> None:
        first, other = (spec.evaluation_set("test", EVALUATION_SEED + more).batch for more in (0, 1))
        assert not _same(first, other)
        assert not _same(first, spec.evaluation_set("val", EVALUATION_SEED).batch)

    def test_global_random_states_are_neither_read_nor_touched(self, spec: TaskSpec) -> None:
        before = _global_states()
        here = digest(spec)
        assert _global_states() == before
        program = DIGEST.format(spec=base64.b64encode(pickle.dumps(spec)).decode())
        environment = {**os.environ, "PYTHONHASHSEED": "11", "PYTHONPATH": os.pathsep.join(sys.path)}
        printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, env=environment)
        assert printed.stdout.decode().strip() == here

    def test_no_group_is_in_two_splits(self, spec: TaskSpec) -> None:
        stream = spec.training_stream(SEED, B, EVALUATION_SEED)
        train = {group for step in range(32) for group in self.groups_of(spec, stream.batch(step))} - {None}
        val, test = (
            set(self.groups_of(spec, spec.evaluation_set(split, EVALUATION_SEED).batch)) - {None} for split in SPLITS
        )
        assert min(len(train), len(val), len(test)) > 5
        assert not train & val | train & test | val & test

    def test_episodes_of_a_group_have_one_number(self, spec: TaskSpec, evaluation: EvaluationSet) -> None:
        numbers = evaluation.group.tolist()
        assert sorted(set(numbers)) == list(range(max(numbers) + 1))
        pairs = {pair for pair in zip(self.groups_of(spec, evaluation.batch), numbers, strict=True) if pair[0]}
        assert len(pairs) == len({group for group, _ in pairs}) == len({number for _, number in pairs})

    def test_no_earlier_token_gives_a_target_away(self, spec: TaskSpec, evaluation: EvaluationSet) -> None:
        """Reading the one token `back` places before scores below the ceiling: no input is a copy of its target."""
        ceiling = spec.baselines(evaluation).ceiling
        for back in range(spec.sequence_length):
            counts: Counter[tuple[int, int]] = Counter()
            rows, places = evaluation.batch.scored.nonzero(as_tuple=True)
            rows, places = rows[places >= back], places[places >= back]
            read, targets = evaluation.batch.tokens[rows, places - back], evaluation.batch.targets[rows, places]
            counts.update(zip(read.tolist(), targets.tolist(), strict=True))
            best = sum(max(counts[token, c] for c in range(spec.num_classes)) for token in range(spec.num_tokens))
            if len(rows) >= 10 * spec.num_tokens * spec.num_classes:  # else the best guess is fitted to few places
                assert best / len(rows) < ceiling - 0.05, back

    def test_the_ladder_equals_plain_counting(self, spec: TaskSpec, evaluation: EvaluationSet) -> None:
        ladder = spec.baselines(evaluation).ladder
        assert next(iter(ladder)) == "chance"
        assert ladder == pytest.approx(self.slow_ladder(spec, evaluation))

    def test_no_rung_is_above_the_ceiling(self, spec: TaskSpec, evaluation: EvaluationSet) -> None:
        found = spec.baselines(evaluation)
        assert max(found.ladder.values()) <= found.ceiling + 0.01  # by luck on these very episodes
        assert found.ceiling <= 1

    def test_every_scored_place_is_in_a_slice_of_each_slicing(self, spec: TaskSpec, evaluation: EvaluationSet) -> None:
        assert list(evaluation.slices) == list(spec.slices)
        for labels in evaluation.slices.values():
            numbers = labels.numbers[evaluation.batch.scored]
            assert len(set(labels.names)) == len(labels.names)
            assert numbers.min() >= 0
            assert numbers.max() < len(labels.names)

    def test_logits_that_know_the_targets_are_correct(self, spec: TaskSpec, evaluation: EvaluationSet) -> None:
        targets = evaluation.batch.targets[evaluation.batch.scored]
        logits = torch.nn.functional.one_hot(targets, spec.num_classes).float()
        assert spec.correct(logits, targets).all()
        assert not spec.correct(-logits, targets).any()

    def test_sizes_name_fields_and_are_those_of_the_episodes(self, spec: TaskSpec) -> None:
        first, *rest = spec.sizes()
        assert first.amount == spec.sequence_length >= spec.usual_length > 0
        for size in (first, *rest):
            assert size.fields
            assert set(size.fields) <= set(type(spec).model_fields)

    def test_survives_json_and_refuses_unknown_fields(self, spec: TaskSpec) -> None:
        spec.check()
        assert type(spec).model_validate_json(spec.model_dump_json()) == spec
        assert type(spec).model_validate({}).family == spec.family  # a sweep file need not say more
        with pytest.raises(ValidationError):
            type(spec).model_validate({**spec.model_dump(), "no_such_field": 1})


def digest(spec: TaskSpec) -> str:
    """SHA-256 of a training batch and both evaluation sets."""
    found = hashlib.sha256()
    stream = spec.training_stream(SEED, B, EVALUATION_SEED)
    for batch in (stream.batch(1), *(spec.evaluation_set(split, EVALUATION_SEED).batch for split in SPLITS)):
        parts: list[Any] = [batch.tokens, batch.targets, batch.scored]
        for part in parts:
            found.update(part.numpy().tobytes())
    return found.hexdigest()


def _global_states() -> tuple[object, ...]:
    numpy_state: Any = np.random.get_state()  # noqa: NPY002
    return torch.get_rng_state().tolist(), numpy_state[1].tolist(), random.getstate()


def _same(one: Batch, other: Batch) -> bool:
    pairs = ((one.tokens, other.tokens), (one.targets, other.targets), (one.scored, other.scored))
    return all(torch.equal(a, b) for a, b in pairs)
