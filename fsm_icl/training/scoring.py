"""Loss and accuracy on fixed episodes, and the test score of a measure trial.

Letters: B batch, N episodes of a set, T time, C classes, M places where a class is asked for. Only what the task
scores counts, whatever the training loss was on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fsm_icl.models.shell import Model
from fsm_icl.results.records import Slice, TestScore
from fsm_icl.task.base import Batch, EvaluationSet, Labels
from fsm_icl.training.config import TrialConfig

CHUNK_EPISODES = 128
"""Episodes predicted at once: as fast as any at the laptop setting (all 512 take 1.5 times as long), and less
memory than a training step of the same width needs, as nothing is kept for a backward pass."""


@dataclass(frozen=True)
class Predictions:
    """Predictions on one set of episodes, on the CPU."""

    loss: float
    """Mean cross-entropy over the scored places, in nats."""
    counted: Tensor
    """bool (N, T): the scored places."""
    correct: Tensor
    """bool (N, T): those whose prediction is right, as the task says."""

    @property
    def accuracy(self) -> float:
        """Share of the scored places that are correct."""
        return int(self.correct.sum()) / int(self.counted.sum())


def evaluate(model: Model, batch: Batch, config: TrialConfig) -> Predictions:
    """Predict every scored place of `batch` on the model's device, in chunks that bound memory."""
    loss, correct = 0.0, []
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for part in chunks(batch):
            at = places(part.scored)
            logits, targets = predict(model, part, at, config)
            loss += float(functional.cross_entropy(logits, targets, reduction="none").sum(dtype=torch.float64))
            hits = torch.zeros(part.tokens.numel(), dtype=torch.bool)
            hits[at] = config.task.correct(logits, targets).cpu()
            correct.append(hits.view_as(part.tokens.t()).t())
    model.train(was_training)
    return Predictions(loss / int(batch.scored.sum()), batch.scored, torch.cat(correct))


def places(asked: Tensor) -> Tensor:
    """Where in the flattened (T B) a class is asked for, int64 (M,), from bool (B, T)."""
    return asked.t().flatten().nonzero().squeeze(1)


def predict(model: Model, batch: Batch, at: Tensor, config: TrialConfig) -> tuple[Tensor, Tensor]:
    """Logits, float32 (M, C), at the trial's precision, and targets, int64 (M,), both on the model's device.

    `batch` and `at` are on the CPU: counting the places there spares a GPU the wait.
    """
    device = model.readout.weight.device
    tokens, targets = batch.tokens.to(device), batch.targets.t().flatten()[at].to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
        logits: Tensor = model(tokens, at.to(device))
    return logits.float(), targets


def chunks(batch: Batch) -> Iterator[Batch]:
    """`batch` in parts of CHUNK_EPISODES."""
    for start in range(0, len(batch.tokens), CHUNK_EPISODES):
        part = slice(start, start + CHUNK_EPISODES)
        yield Batch(batch.tokens[part], batch.targets[part], batch.scored[part])


def score_test(model: Model, evaluation: EvaluationSet, config: TrialConfig) -> TestScore:
    """The score of a measure trial on the test set. Slices that no place belongs to are left out."""
    scored = evaluate(model, evaluation.batch, config)
    return TestScore(
        accuracy=scored.accuracy,
        loss=scored.loss,
        slices={name: _slices(scored, labels) for name, labels in evaluation.slices.items()},
        machine_correct=scored.correct.sum(1).tolist(),
        machine_total=scored.counted.sum(1).tolist(),
        machine_class=evaluation.group.tolist(),
    )


def _slices(scored: Predictions, labels: Labels) -> list[Slice]:
    found = []
    for number, label in enumerate(labels.names):
        member = labels.numbers == number
        total = int((member & scored.counted).sum())
        if total:
            found.append(Slice(label=label, correct=int((member & scored.correct).sum()), total=total))
    return found
