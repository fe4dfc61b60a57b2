"""One cell's learning curve, as numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fsm_icl.results.records import TrialRecord


@dataclass(frozen=True)
class LearningCurve:
    """Validation accuracy over training of one cell's measure trials: median and range over seeds by step."""

    steps: tuple[int, ...]
    median: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    num_seeds: tuple[int, ...]


def curve_of(records: Iterable[TrialRecord]) -> LearningCurve | None:
    """Median and range over the records' last-known validation accuracies by step; None without a report."""
    by_step: dict[int, list[float]] = {}
    for record in records:
        for report in record.reports:
            if "val/accuracy" in report.metrics:
                by_step.setdefault(report.step, []).append(report.metrics["val/accuracy"])
    if not by_step:
        return None
    steps = sorted(by_step)
    values = [by_step[step] for step in steps]
    median, low, high = (tuple(float(f(v)) for v in values) for f in (np.median, np.min, np.max))
    return LearningCurve(tuple(steps), median, low, high, tuple(len(v) for v in values))
