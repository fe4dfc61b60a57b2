"""The loop: schedule, loss, data, randomness."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from fsm_icl.task.base import IGNORE, Batch
from fsm_icl.task.transitions.episodes import TransitionsStream
from fsm_icl.training import loop as train_module
from fsm_icl.training.config import RunEnv, TrialConfig
from fsm_icl.training.loop import DivergedError, learning_rate_at, train, training_step
from fsm_icl.training.state import TrainingState
from tests.training.tiny import take, tiny


@pytest.mark.parametrize(("steps", "warmup"), [(600, 0.07), (10, 0.0), (7, 0.5), (1, 0.0), (1, 0.07), (3, 0.99)])
def test_learning_rate_rises_to_its_peak_and_falls_towards_zero(steps: int, warmup: float) -> None:
    config = tiny(budget={"steps": steps}, optimizer={"learning_rate": 0.5, "warmup": warmup})
    rates = [learning_rate_at(config, step) for step in range(steps)]
    rising, falling = rates[: config.warmup_steps()], rates[config.warmup_steps() :]
    assert max(rates) == 0.5
    assert all(rate > 0 for rate in rates)
    assert rising == sorted(rising)
    assert rising == pytest.approx([0.5 * (i + 1) / len(rising) for i in range(len(rising))])
    assert falling == sorted(falling, reverse=True)
    if falling:
        assert falling[0] == 0.5
        assert learning_rate_at(config, steps) == pytest.approx(0, abs=1e-15)


def test_a_constant_rate_stays_after_the_warm_up() -> None:
    config = tiny(budget={"steps": 20}, optimizer={"warmup": 0.25, "schedule": "constant"})
    rates = [learning_rate_at(config, step) for step in range(20)]
    assert rates[:5] == pytest.approx([0.002, 0.004, 0.006, 0.008, 0.01])
    assert rates[5:] == [0.01] * 15


def test_optimizer_follows_the_schedule() -> None:
    config = tiny()
    state = TrainingState.begin(config, RunEnv())
    for report in train(config, RunEnv(), state):
        assert state.optimizer.param_groups[0]["lr"] == learning_rate_at(config, report.step - 1)


@pytest.mark.parametrize(
    ("steps", "every", "expected"),
    [(10, 4, [4, 8, 10]), (8, 4, [4, 8]), (3, 4, [3]), (3, 1, [1, 2, 3])],
)
def test_reports_every_so_often_and_at_the_end(steps: int, every: int, expected: list[int]) -> None:
    reports = list(train(tiny(budget={"steps": steps, "report_every": every}), RunEnv()))
    assert [report.step for report in reports] == expected
    for report in reports:
        assert set(report.metrics) == {"train/loss", "val/loss", "val/accuracy"}


@pytest.mark.parametrize("loss_on", ["query", "transitions"])
def test_loss_is_the_mean_over_the_steps_it_is_on(loss_on: str) -> None:
    config = tiny(task={"loss_on": loss_on, "length_jitter": 0.5})
    state = TrainingState.begin(config, RunEnv())
    batch = state.stream.batch(0)
    with torch.no_grad():
        logits = state.model(batch.tokens).tolist()
    losses = []
    for row in range(4):
        for t, target in enumerate(batch.targets[row].tolist()):
            if target != IGNORE:
                total = sum(math.exp(logit) for logit in logits[row][t])
                losses.append(math.log(total) - logits[row][t][target])
    assert float(training_step(config, state, batch)) == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_train_loss_is_the_mean_over_its_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    losses: list[float] = []

    def spy(config: TrialConfig, state: TrainingState, batch: Batch) -> torch.Tensor:
        loss = training_step(config, state, batch)
        losses.append(float(loss))
        return loss

    monkeypatch.setattr(train_module, "training_step", spy)
    reports = list(train(tiny(), RunEnv()))
    for report, part in zip(reports, (losses[:4], losses[4:8], losses[8:]), strict=True):
        assert report.metric("train/loss") == pytest.approx(sum(part) / len(part), rel=1e-12)


def test_gradient_is_clipped() -> None:
    config = tiny(optimizer={"clip_norm": 1e-3})
    state = TrainingState.begin(config, RunEnv())
    training_step(config, state, state.stream.batch(0))
    norm = torch.linalg.vector_norm(torch.cat([p.grad.flatten() for p in state.parameters if p.grad is not None]))
    assert float(norm) == pytest.approx(1e-3, rel=1e-2)


def test_batches_do_not_depend_on_the_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    def batches(**model: Any) -> list[torch.Tensor]:
        seen: list[torch.Tensor] = []
        draw = TransitionsStream.batch

        def spy(stream: TransitionsStream, step: int) -> Batch:
            batch = draw(stream, step)
            seen.append(batch.tokens.clone())
            return batch

        with monkeypatch.context() as patch:
            patch.setattr(TransitionsStream, "batch", spy)
            list(train(tiny(model=model), RunEnv()))
        return seen

    gru = batches()
    for other in (batches(arch="lstm", num_layers=2), batches(arch="rnn", d_model=16, dropout=0.3)):
        assert len(other) == len(gru) == 10
        assert all(torch.equal(a, b) for a, b in zip(gru, other, strict=True))


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_same_trial_gives_the_same_reports(dropout: float, precision: str) -> None:
    config = tiny(model={"dropout": dropout, "num_layers": 2}, precision=precision)
    before = torch.get_rng_state()
    first = list(train(config, RunEnv()))
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert list(train(config, RunEnv())) == first


def test_seed_dropout_and_precision_matter() -> None:
    plain = list(train(tiny(), RunEnv()))
    for other in (tiny(seed=8), tiny(model={"dropout": 0.4}), tiny(precision="bfloat16")):
        assert list(train(other, RunEnv())) != plain


def test_dropout_masks_differ_from_step_to_step() -> None:
    config = tiny(model={"dropout": 0.5}, optimizer={"learning_rate": 1e-30, "weight_decay": 0.0})
    state = TrainingState.begin(config, RunEnv())
    batch, losses = state.stream.batch(0), []
    for state.step in (0, 1, 0):
        losses.append(float(training_step(config, state, batch)))
    assert losses[0] == losses[2] != losses[1]


def test_a_loss_that_is_not_finite_diverges(monkeypatch: pytest.MonkeyPatch) -> None:
    def nan_at_6(config: TrialConfig, state: TrainingState, batch: Batch) -> torch.Tensor:
        return training_step(config, state, batch) * (math.nan if state.step == 6 else 1.0)

    monkeypatch.setattr(train_module, "training_step", nan_at_6)
    reports = train(tiny(), RunEnv())
    assert next(reports).step == 4
    with pytest.raises(DivergedError, match="training loss is nan") as caught:
        next(reports)
    assert caught.value.step == 8


def test_a_validation_loss_that_is_not_finite_diverges() -> None:
    config = tiny(budget={"report_every": 1})
    state = TrainingState.begin(config, RunEnv())
    reports = train(config, RunEnv(), state)
    next(reports)
    with torch.no_grad():  # at its end the step's own loss is still finite
        state.model.readout.bias.copy_(torch.tensor([math.inf, 0, 0]))
    with pytest.raises(DivergedError, match="loss is"):
        next(reports)


def test_closing_early_is_clean() -> None:
    assert [report.step for report in take(train(tiny(), RunEnv()), 2)] == [4, 8]


def test_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    list(train(tiny(), RunEnv()))
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arch", "learning_rate", "low", "high"),
    [("rnn", 1e-2, 0.52, 0.66), ("lstm", 2e-2, 0.975, 0.999)],
)
def test_the_laptop_setting_learns_as_measured(arch: str, learning_rate: float, low: float, high: float) -> None:
    config = tiny(
        task={"demo_length": 12, "query_length": 12, "val_machines": 512},
        model={"arch": arch, "d_model": 64},
        optimizer={"learning_rate": learning_rate},
        budget={"steps": 600, "batch_size": 32, "report_every": 30},
    )
    *_, last = train(config, RunEnv())
    assert low < last.metric("val/accuracy") < high
