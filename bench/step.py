"""A training step of train() beside a bare PyTorch loop of the same layers, optimiser and batches.

Goal: at most 1.05 times the bare loop, whose batches are made beforehand while train() makes its own. Both
hold forward, backward, clipping and AdamW; evaluation, reports and checkpoints are left out. One thread, laptop
setting. The last column is the recurrent layer's forward and backward alone, as a share of train()'s step.

    python -m bench.step
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import nn
from torch.nn import functional

from fsm_icl.training.config import BudgetSpec, OptimizerSpec, RunEnv, TrialConfig
from fsm_icl.training.loop import train
from fsm_icl.training.state import TrainingState

STEPS, ROUNDS = 64, 9
LAYERS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


def main() -> None:
    """Print one line an architecture."""
    torch.set_num_threads(1)
    print(f"{'arch':5}{'train() ms':>12}{'bare ms':>9}{'ratio':>7}{'recurrent share':>17}")
    for arch in LAYERS:
        ours, bare, layer = measure(arch)
        ratio = median(a / b for a, b in zip(ours, bare, strict=True))
        share = median(layer) / median(ours)
        print(f"{arch:5}{1e3 * median(ours):12.2f}{1e3 * median(bare):9.2f}{ratio:7.3f}{share:17.0%}")


def measure(arch: str) -> tuple[list[float], list[float], list[float]]:
    """Seconds a step of train(), of the bare loop and of the recurrent layer alone, one of each a round."""
    config = laptop(arch)
    state = TrainingState.begin(config, RunEnv())
    reports = train(config, RunEnv(), state)
    bare, layer = bare_loop(config), recurrent_alone(config)
    times: tuple[list[float], list[float], list[float]] = ([], [], [])
    for _ in range(ROUNDS + 1):
        before = state.training.seconds
        next(reports)
        times[0].append((state.training.seconds - before) / STEPS)
        times[1].append(bare())
        times[2].append(layer())
    ours, theirs, alone = (seconds[1:] for seconds in times)  # the first round warms up
    return ours, theirs, alone


def laptop(arch: str) -> TrialConfig:
    """The laptop setting, reporting every STEPS steps on one validation episode."""
    walks = {"demo_length": 12, "query_length": 12, "length_jitter": 0.0}
    machines = {"num_states": 3, "num_actions": 3, "val_machines": 1}
    return TrialConfig.model_validate(
        {
            "task": {**walks, **machines, "loss_on": "transitions"},
            "model": {"arch": arch, "d_model": 64, "num_layers": 1},
            "optimizer": OptimizerSpec(learning_rate=1e-2),
            "budget": BudgetSpec(steps=STEPS * (ROUNDS + 1), batch_size=32, report_every=STEPS),
            "phase": "search",
            "seed": 0,
            "evaluation_seed": 0,
        }
    )


def bare_loop(config: TrialConfig) -> Callable[[], float]:
    """What one would write by hand; seconds a step."""
    task, d_model = config.task, config.model.d_model
    embedding = nn.Embedding(task.num_tokens, d_model)
    layer = LAYERS[config.model.arch](d_model, d_model, batch_first=True)
    readout = nn.Linear(d_model, task.num_classes)
    parameters = [*embedding.parameters(), *layer.parameters(), *readout.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, fused=True)
    stream = TrainingState.begin(config, RunEnv()).stream
    batches = [stream.batch(step) for step in range(STEPS)]

    def run() -> float:
        begin = time.perf_counter()
        for batch in batches:
            logits = readout(layer(embedding(batch.tokens))[0])
            loss = functional.cross_entropy(logits.flatten(0, 1), batch.targets.flatten())
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
        return (time.perf_counter() - begin) / STEPS

    return run


def recurrent_alone(config: TrialConfig) -> Callable[[], float]:
    """Forward and backward of the recurrent layer at the same size; seconds a step."""
    d_model = config.model.d_model
    layer = LAYERS[config.model.arch](d_model, d_model, batch_first=True)
    time_steps = TrainingState.begin(config, RunEnv()).stream.batch(0).tokens.shape[1]
    x = torch.randn(config.budget.batch_size, time_steps, d_model, requires_grad=True)
    gradient = torch.randn_like(x)

    def run() -> float:
        begin = time.perf_counter()
        for _ in range(STEPS):
            torch.autograd.backward(layer(x)[0], gradient)
        return (time.perf_counter() - begin) / STEPS

    return run


if __name__ == "__main__":
    main()
