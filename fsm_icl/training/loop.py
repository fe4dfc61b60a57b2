"""The only training loop: a generator of reports. Who listens may log, prune or stop by not asking again."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor
from torch.nn import functional

from fsm_icl.results.records import Report
from fsm_icl.seeding import derive
from fsm_icl.task.base import IGNORE, Batch
from fsm_icl.training.config import RunEnv, TrialConfig
from fsm_icl.training.scoring import evaluate, places, predict
from fsm_icl.training.state import TrainingState


class DivergedError(Exception):
    """A loss is no longer a finite number."""

    def __init__(self, step: int, reason: str) -> None:
        """`step`: optimiser steps done when it was seen."""
        super().__init__(reason)
        self.step = step
        self.reason = reason


def train(config: TrialConfig, env: RunEnv, state: TrainingState | None = None) -> Iterator[Report]:
    """Train one trial; a report every `budget.report_every` steps and after the last one.

    A trial with a checkpoint in `env.folder` first yields its earlier reports again, then goes on as if it
    had never stopped, bit for bit. The exception is cuDNN's dropout between layers, which keeps its own state.
    The checkpoint is written before its report is handed out.

    Args:
        config: what to train.
        env: where.
        state: TrainingState.begin(config, env), for a caller who wants to read it along the way.

    Raises:
        Diverged: the training loss since the last report, or the validation loss, is not finite.
    """
    state = state or TrainingState.begin(config, env)
    yield from list(state.reports)
    while state.step < config.budget.steps:
        with state.total:
            report = _next_report(config, env, state)
        yield report


def learning_rate_at(config: TrialConfig, step: int) -> float:
    """Learning rate of optimiser step `step` (from 0): linear up to its peak, then as the schedule says.

    The last warm-up step has the full rate; a cosine reaches zero at `budget.steps`, one after the last step.
    """
    warmup = config.warmup_steps()
    peak = config.optimizer.learning_rate
    if step < warmup:
        return peak * (step + 1) / warmup
    if config.optimizer.schedule == "constant":
        return peak
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (config.budget.steps - warmup)))


def _next_report(config: TrialConfig, env: RunEnv, state: TrainingState) -> Report:
    every = config.budget.report_every
    stop = min((state.step // every + 1) * every, config.budget.steps)
    while state.step < stop:
        with state.training:
            _steps(config, state, stop, time.monotonic() + env.checkpoint_every_seconds)
        if state.step < stop:
            state.save(env)
    train_loss = float(state.loss_sum) / (stop - (stop - 1) // every * every)
    if not math.isfinite(train_loss):
        raise DivergedError(stop, f"training loss is {train_loss} in the interval that ends at step {stop}")
    validation = config.task.evaluation_set("val", config.evaluation_seed)
    scored = evaluate(state.model, validation.batch, config)
    if not math.isfinite(scored.loss):
        raise DivergedError(stop, f"validation loss is {scored.loss} at step {stop}")
    metrics = {"train/loss": train_loss, "val/loss": scored.loss, "val/accuracy": scored.accuracy}
    report = Report(step=stop, metrics=metrics)
    state.reports.append(report)
    state.loss_sum.zero_()
    state.save(env)
    return report


def _steps(config: TrialConfig, state: TrainingState, stop: int, deadline: float) -> None:
    """Optimiser steps up to `stop`, or to the first one after `deadline` (seconds, time.monotonic)."""
    stream = state.stream
    while state.step < stop:
        batch = stream.batch(state.step)
        state.num_tokens += batch.tokens.numel()
        state.loss_sum += training_step(config, state, batch)
        state.step += 1
        if time.monotonic() >= deadline:
            return


def training_step(config: TrialConfig, state: TrainingState, batch: Batch) -> Tensor:
    """One optimiser step; the loss before it, a float scalar on the device."""
    at = places(batch.targets != IGNORE)
    with _dropout_from(config, state):
        logits, targets = predict(state.model, batch, at, config)
    loss = functional.cross_entropy(logits, targets)
    state.optimizer.zero_grad()
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(state.parameters, config.optimizer.clip_norm)
    state.optimizer.param_groups[0]["lr"] = learning_rate_at(config, state.step)
    state.optimizer.step()
    return loss.detach()


def _dropout_from(config: TrialConfig, state: TrainingState) -> AbstractContextManager[None]:
    """Where the step's dropout masks come from."""
    if not config.model.drops_out:
        return nullcontext()
    return _seeded(derive(config.seed, "dropout", state.step), state.device)


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Inside, torch's global generators start from `seed` (dropout takes no other)."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
