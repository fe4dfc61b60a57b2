"""All that changes while a trial trains, and how it gets into a checkpoint and out again."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from fsm_icl.models.shell import Model, build_model, spectral_radii
from fsm_icl.results.layout import TrialFolder
from fsm_icl.results.records import Report
from fsm_icl.task.base import TrainingStream
from fsm_icl.training import checkpoint
from fsm_icl.training.config import RunEnv, TrialConfig
from fsm_icl.training.resumable import problem_with


class Stopwatch:
    """Adds up the wall-clock seconds spent inside its `with` blocks."""

    def __init__(self, seconds: float = 0.0) -> None:
        """Stand at `seconds`, not running."""
        self._before = seconds
        self._started: float | None = None

    @property
    def seconds(self) -> float:
        """What it shows now, running or not."""
        running = 0.0 if self._started is None else time.perf_counter() - self._started
        return self._before + running

    def __enter__(self) -> Stopwatch:
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._before, self._started = self.seconds, None


@dataclass
class TrainingState:
    """A trial in progress. Its clocks go on over interruptions; work lost with a process is not in them."""

    fingerprint: str
    model: Model
    optimizer: torch.optim.AdamW
    stream: TrainingStream
    loss_sum: Tensor
    """float64 scalar on the device: training losses since the last report."""
    spectral_radius: list[float]
    """Of each recurrent matrix before the first step."""
    step: int = 0
    """Optimiser steps done."""
    num_tokens: int = 0
    """Tokens trained on, padding included."""
    reports: list[Report] = field(default_factory=list)
    total: Stopwatch = field(default_factory=Stopwatch)
    """Building, training, evaluating and writing checkpoints; not what listeners do between reports."""
    training: Stopwatch = field(default_factory=Stopwatch)
    """Optimiser steps and their batches alone."""
    started_at: float = field(default_factory=time.time)

    @classmethod
    def begin(cls, config: TrialConfig, env: RunEnv) -> TrainingState:
        """The state of the trial's checkpoint in `env.folder`, or that before the first step."""
        with Stopwatch() as building:
            state = cls._fresh(config, env)
            if env.folder and (content := checkpoint.load_checkpoint(env.folder, state.fingerprint)) is not None:
                if (why := problem_with(content, state.model, state.optimizer, config.budget)) is not None:
                    checkpoint.set_aside(TrialFolder(env.folder).checkpoint, why)
                else:
                    state._restore(content)
        state.total = Stopwatch(state.total.seconds + building.seconds)
        return state

    @classmethod
    def _fresh(cls, config: TrialConfig, env: RunEnv) -> TrainingState:
        task, optimizer = config.task, config.optimizer
        model = build_model(config.model, task.num_tokens, task.num_classes, config.seed)
        radii = spectral_radii(model.core)
        model = model.to(env.device)
        return cls(
            fingerprint=config.fingerprint(),
            model=model,
            optimizer=torch.optim.AdamW(
                model.parameters(),
                lr=optimizer.learning_rate,
                betas=(optimizer.beta1, optimizer.beta2),
                weight_decay=optimizer.weight_decay,
                fused=True,  # one kernel for all tensors, on the CPU too
            ),
            stream=task.training_stream(config.seed, config.budget.batch_size, config.evaluation_seed),
            loss_sum=torch.zeros((), dtype=torch.float64, device=env.device),
            spectral_radius=radii,
        )

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.loss_sum.device

    @property
    def parameters(self) -> list[nn.Parameter]:
        """All trained tensors."""
        parameters: list[nn.Parameter] = self.optimizer.param_groups[0]["params"]
        return parameters

    def save(self, env: RunEnv) -> None:
        """Write the checkpoint, if the trial has a folder."""
        if env.folder is None:
            return
        content = {
            "model": dict(self.model.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "loss_sum": self.loss_sum,
            "step": self.step,
            "num_tokens": self.num_tokens,
            "reports": [report.model_dump_json() for report in self.reports],
            "seconds": self.total.seconds,
            "training_seconds": self.training.seconds,
            "started_at": self.started_at,
        }
        checkpoint.save_checkpoint(env.folder, self.fingerprint, content)

    def _restore(self, content: dict[str, Any]) -> None:
        self.model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.loss_sum.copy_(content["loss_sum"])
        self.step = content["step"]
        self.num_tokens = content["num_tokens"]
        self.reports = [Report.model_validate_json(report) for report in content["reports"]]
        self.total = Stopwatch(content["seconds"])
        self.training = Stopwatch(content["training_seconds"])
        self.started_at = content["started_at"]
