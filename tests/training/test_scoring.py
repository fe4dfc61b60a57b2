"""Loss, accuracy and the test score, counted one prediction at a time."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from fsm_icl.models.shell import Model, build_model
from fsm_icl.results import records
from fsm_icl.task.base import EvaluationSet
from fsm_icl.task.transitions.episodes import evaluation_set, times_shown
from fsm_icl.training import scoring as evaluate_module
from fsm_icl.training.config import TrialConfig
from fsm_icl.training.scoring import chunks, evaluate, score_test
from tests.training.tiny import tiny


@pytest.fixture
def config() -> TrialConfig:
    return tiny(task={"length_jitter": 0.4, "demo_length": 6, "query_length": 5})


@pytest.fixture
def model(config: TrialConfig) -> Model:
    return build_model(config.model, config.task.num_tokens, config.task.num_classes, seed=3)


@pytest.fixture
def test_set(config: TrialConfig) -> EvaluationSet:
    return evaluation_set(config.task, "test", 0)


def by_hand(config: TrialConfig, model: Model, evaluation: EvaluationSet) -> list[tuple[int, int, int, bool, float]]:
    """(episode, query step, times shown, correct, loss) of every query step."""
    found = []
    shown = times_shown(config.task, evaluation.batch)
    with torch.no_grad():
        for n, tokens in enumerate(evaluation.batch.tokens):
            step = -1
            for t, logits in enumerate(model(tokens[None])[0].tolist()):
                if evaluation.batch.scored[n, t]:
                    step += 1
                    target = int(evaluation.batch.targets[n, t])
                    loss = math.log(sum(map(math.exp, logits))) - logits[target]
                    correct = max(range(3), key=logits.__getitem__) == target
                    found.append((n, step, int(shown[n, t]), correct, loss))
    return found


def test_counts_the_query_only(config: TrialConfig, model: Model, test_set: EvaluationSet) -> None:
    expected = by_hand(config, model, test_set)
    scored = evaluate(model, test_set.batch, config)
    assert int(scored.counted.sum()) == len(expected)
    assert scored.accuracy == sum(correct for *_, correct, _ in expected) / len(expected)
    assert scored.loss == pytest.approx(sum(loss for *_, loss in expected) / len(expected), rel=1e-6)
    assert not (scored.correct & ~scored.counted).any()


def test_score_is_counted_by_slice_and_machine(config: TrialConfig, model: Model, test_set: EvaluationSet) -> None:
    expected = by_hand(config, model, test_set)
    result = score_test(model, test_set, config)
    steps = Counter(str(step) for _, step, *_ in expected)
    shown = Counter("3+" if times > 2 else str(times) for _, _, times, *_ in expected)
    correct_steps = Counter(str(step) for _, step, _, correct, _ in expected if correct)
    correct_shown = Counter("3+" if n > 2 else str(n) for _, _, n, correct, _ in expected if correct)
    assert {s.label: (s.correct, s.total) for s in result.slices["query_step"]} == {
        label: (correct_steps[label], total) for label, total in steps.items()
    }
    assert {s.label: (s.correct, s.total) for s in result.slices["times_shown"]} == {
        label: (correct_shown[label], total) for label, total in shown.items()
    }
    machines = range(config.task.test_machines)
    assert result.machine_total == [sum(n == m for n, *_ in expected) for m in machines]
    assert result.machine_correct == [sum(n == m and ok for n, _, _, ok, _ in expected) for m in machines]
    assert result.machine_class == test_set.group.tolist()
    assert result.accuracy == sum(result.machine_correct) / sum(result.machine_total)
    assert records.TestScore.model_validate_json(result.model_dump_json()) == result


def test_slices_stand_in_order(config: TrialConfig, model: Model, test_set: EvaluationSet) -> None:
    result = score_test(model, test_set, config)
    assert [s.label for s in result.slices["query_step"]] == [str(i) for i in range(7)]  # 5 steps + 40 %
    assert [s.label for s in result.slices["times_shown"]] == ["0", "1", "2", "3+"]


@pytest.mark.parametrize("episodes", [1, 5, 24])
def test_chunks_change_nothing(
    config: TrialConfig,
    model: Model,
    test_set: EvaluationSet,
    monkeypatch: pytest.MonkeyPatch,
    episodes: int,
) -> None:
    whole = evaluate(model, test_set.batch, config)
    monkeypatch.setattr(evaluate_module, "CHUNK_EPISODES", episodes)
    sizes = [len(part.tokens) for part in chunks(test_set.batch)]
    assert sum(sizes) == 24
    assert max(sizes) == episodes
    parts = evaluate(model, test_set.batch, config)
    assert parts.loss == pytest.approx(whole.loss, rel=1e-6)
    assert torch.equal(parts.correct, whole.correct)


def test_evaluates_without_dropout_and_gives_the_model_back(test_set: EvaluationSet) -> None:
    config = tiny(model={"dropout": 0.5})
    model = build_model(config.model, config.task.num_tokens, config.task.num_classes, seed=3)
    first = evaluate(model, test_set.batch, config)
    assert evaluate(model, test_set.batch, config).loss == first.loss
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
