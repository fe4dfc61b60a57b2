"""Numbers in words: the same ones in the printed table, the verdicts and the report."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from analysis.stats import Estimate
from analysis.summary import CellSummary
from fsm_icl.records import Manifest

CONDITIONAL = "conditional on the chosen hyperparameters"


def interval_over(manifest: Manifest) -> str:
    """What an interval of a sweep was drawn over, as every table says."""
    if manifest.imported:
        return "seeds alone (imported results have no counts by test machine)"
    return f"seeds and test classes, {CONDITIONAL}" if manifest.repeats == 1 else "searches and test classes"


def points(value: float) -> str:
    """A fraction as percentage points to a tenth, e.g. "10", "1.5", "-0.3"."""
    return f"{round(value * 100, 1) + 0.0:.1f}".removesuffix(".0")


def amount(value: float) -> str:
    """A fraction as percentage points with the noun, e.g. "1 point", "1.5 points"."""
    return f"{points(value)} point{'' if points(value) == '1' else 's'}"


def span(estimate: Estimate) -> str:
    """The interval in points, e.g. "[40.2, 42.7]"; "" where there is none."""
    if estimate.interval is None:
        return ""
    return f"[{points(estimate.interval.low)}, {points(estimate.interval.high)}]"


def short(value: float | None, digits: int = 3) -> str:
    """Decimals without the leading zero, e.g. ".574"; "-" for what does not exist."""
    return "-" if value is None or pd.isna(value) else f"{value:.{digits}f}".removeprefix("0")


def p_text(value: float | None) -> str:
    """A p-value, e.g. ".012", "<.001"; "-" where there is none."""
    return "<.001" if value is not None and value < 0.001 else short(value)


def within(cells: Iterable[CellSummary]) -> str:
    """The budget in words: "within 600 steps", or the range where the cells' budgets differ."""
    steps = sorted({cell.cell.steps for cell in cells})
    return f"within {steps[0]:,} steps" if len(steps) == 1 else f"within {steps[0]:,} to {steps[-1]:,} steps"


def mixed(cells: Iterable[CellSummary]) -> str:
    """Cells whose seeds differ: "2 of 6 seeds of gru fail within 600 steps (accuracy 0.597 to 0.990)"."""
    found = []
    for cell in cells:
        if cell.score is not None and (rate := cell.score.success) is not None and rate.mixed:
            spread = f"(accuracy {cell.score.minimum:.3f} to {cell.score.maximum:.3f})"
            failing = f"{rate.total - rate.successes} of {rate.total} seeds of {cell.label}"
            found.append(f"{failing} fail {within([cell])} {spread}")
    return ", ".join(found)


def absence(cell: CellSummary) -> str:
    """Why a cell has no score."""
    if cell.cell.failed:
        return f"{cell.label} fails {within([cell])}: none of its proposals finished, so it has no winner"
    return f"no measure trial of {cell.label} has ended (0 of {cell.cell.num_seeds})"
