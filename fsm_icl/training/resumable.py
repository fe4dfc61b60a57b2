"""What a checkpoint must hold for its trial to go on from it. Its digest protects against accidents, not forgery."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from fsm_icl.results.record_checks import reports_due
from fsm_icl.results.records import Report
from fsm_icl.training.config import BudgetSpec

CLOCKS = ("seconds", "training_seconds", "started_at")
FIELDS = ("model", "optimizer", "loss_sum", "step", "num_tokens", "reports", *CLOCKS)
_MOMENTS = ("exp_avg", "exp_avg_sq")


def problem_with(content: Any, model: nn.Module, optimizer: torch.optim.Optimizer, budget: BudgetSpec) -> str | None:
    """Why a trial can't go on from `content`, or None.

    Args:
        content: of the checkpoint's file, tensors on the CPU.
        model: the trial's, before its first step; only its shapes are looked at.
        optimizer: of this model.
        budget: how long the trial trains and when it reports.
    """
    if not isinstance(content, Mapping) or set(content) != set(FIELDS):
        return f"it does not hold {', '.join(FIELDS)}"
    return next(_problems(content, model, optimizer, budget), None)


def _problems(
    content: Mapping[str, Any], model: nn.Module, optimizer: torch.optim.Optimizer, budget: BudgetSpec
) -> Iterator[str]:
    step, tokens = content["step"], content["num_tokens"]
    if type(step) is not int or not 0 <= step <= budget.steps:
        yield f"step is {step!r}, with a budget of {budget.steps}"
        return
    if type(tokens) is not int or tokens < 0:
        yield f"num_tokens is {tokens!r}"
    for name in CLOCKS:
        if type(content[name]) is not float or not 0 <= content[name] < math.inf:
            yield f"{name} is {content[name]!r}"
    if not _like(content["loss_sum"], torch.zeros((), dtype=torch.float64)):
        yield "loss_sum is no number of float64"
    if not _all_like(content["model"], model.state_dict()):
        yield "model has other tensors than the trial's"
    yield from _of_optimizer(content["optimizer"], optimizer, step)
    yield from _of_reports(content["reports"], step, budget)


def _of_optimizer(saved: Any, optimizer: torch.optim.Optimizer, step: int) -> Iterator[str]:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    try:
        states, groups = saved["state"], saved["param_groups"]
        numbers = [number for group in groups for number in group["params"]]
        whole = all(set(group) == set(ours) for group, ours in zip(groups, optimizer.param_groups, strict=True))
        due = numbers if step else []  # before the first step there are no moments
        fitting = all(_like(states[n][moment], parameters[n]) for n in due for moment in _MOMENTS)
        counted = all(float(states[n]["step"]) == step for n in due)
        known = numbers == list(range(len(parameters))) and set(states) == set(due)
        if not (whole and known and fitting and counted):
            yield "optimizer has other moments than the trial's"
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        yield "optimizer is none"


def _of_reports(saved: Any, step: int, budget: BudgetSpec) -> Iterator[str]:
    try:
        reports = [Report.model_validate_json(text, strict=True) for text in saved]
    except (ValidationError, TypeError) as error:
        yield f"reports can't be read: {type(error).__name__}"
        return
    found = [report.step for report in reports]
    if found != reports_due(budget.steps, budget.report_every, step):
        yield f"reports are at steps {found}, though step {step} is reached"
    if any(report.end is not None or not report.metrics for report in reports):
        yield "a report has no metrics"


def _all_like(saved: Any, ours: Mapping[str, Tensor]) -> bool:
    return (
        isinstance(saved, Mapping)
        and list(saved) == list(ours)
        and all(_like(saved[name], ours[name]) for name in ours)
    )


def _like(saved: Any, ours: Tensor) -> bool:
    return isinstance(saved, Tensor) and saved.shape == ours.shape and saved.dtype == ours.dtype
