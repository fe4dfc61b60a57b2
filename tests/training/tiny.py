"""A trial of tenths of a second."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fsm_icl.results.records import Report
from fsm_icl.training.config import TrialConfig

PLAIN: dict[str, Any] = {
    "task": {
        "num_states": 3,
        "num_actions": 3,
        "demo_length": 4,
        "query_length": 3,
        "length_jitter": 0.0,
        "loss_on": "transitions",
        "val_machines": 16,
        "test_machines": 24,
    },
    "model": {"arch": "gru", "d_model": 8},
    "optimizer": {"learning_rate": 0.01},
    "budget": {"steps": 10, "batch_size": 4, "report_every": 4},
    "phase": "search",
    "seed": 7,
    "evaluation_seed": 0,
}


def tiny(**changes: Any) -> TrialConfig:
    """The tiny trial; `changes` are merged into it, section by section."""
    plain = dict(PLAIN)
    for name, value in changes.items():
        plain[name] = {**plain[name], **value} if isinstance(value, dict) else value
    return TrialConfig.model_validate(plain)


def take(reports: Iterator[Report], count: int) -> list[Report]:
    """The first `count` reports, after which the listener goes away."""
    taken = [next(reports) for _ in range(count)]
    reports.close()  # type: ignore[attr-defined]
    return taken
