"""Numbers in words: the same ones in the printed table, the verdicts and the report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from analysis.findings.summary import CellSummary
from analysis.statistics.estimates import Estimate, Groups

CONDITIONAL = "conditional on the chosen hyperparameters"
SEEDS_ONLY = "seeds only: per-machine counts are not known"
UNGATED = ("rnn", "mi_rnn")
"""Architectures whose nonlinearity and start a claim names, because whether they learn depends on these."""


def interval_over(repeats: int, classes_known: bool = True) -> str:
    """What an interval rests on where each cell was searched `repeats` times, as every table says."""
    units = "seeds" if repeats == 1 else "searches"
    drawn = f"{units} and test classes" if classes_known else SEEDS_ONLY.replace("seeds", units)
    return f"{drawn}, {CONDITIONAL}" if repeats == 1 else drawn


def rests_on(cells: Iterable[CellSummary], repeats: int) -> str:
    """What intervals that compare these cells rest on."""
    return interval_over(repeats, all(cell.classes_known for cell in cells))


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


def listed(names: Iterable[str]) -> str:
    """A list in words: "a", "a and b", "a, b and c"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def settings(cell: CellSummary) -> str:
    """What an ungated network was like, e.g. "tanh, orthogonal start"; "" for others and before any trial has ended."""
    if cell.cell.fields["arch"] not in UNGATED or not cell.model:
        return ""
    start = str(cell.model.get("init", "orthogonal")).replace("_", " ")
    kept = cell.model.get("state_dropout", 0.0)
    return f"{cell.model.get('nonlinearity', 'tanh')}, {start} start" + (f", state dropout {kept:g}" if kept else "")


def named(cell: CellSummary) -> str:
    """The cell's label, with its settings where it does not say them: "rnn-d64-L1 (tanh, orthogonal start)"."""
    said = settings(cell)
    told = all(str(cell.model.get(name)) in cell.label.split("-") for name in ("nonlinearity", "init"))
    return f"{cell.label} ({said})" if said and not told else cell.label


def tested_at(cells: Iterable[CellSummary]) -> str:
    """Budget and settings of a comparison, e.g. "within 750 steps; rnn-d64-L1: tanh, orthogonal start"."""
    compared = list(cells)
    if len({cell.cell.steps for cell in compared}) == 1:
        said = [within(compared), *(f"{cell.label}: {settings(cell)}" for cell in compared if settings(cell))]
    else:
        said = [f"{c.label}: {', '.join(filter(None, [within([c]), settings(c)]))}" for c in compared]
    return "; ".join(said)


def mixed(cells: Iterable[CellSummary]) -> str:
    """Mixed cells with their groups: "gru: 4 of 6 seeds at .985-.991, 2 at .550-.600 within 600 steps"."""
    found = [f"{cell.label}: {two_groups(cell.groups)} {within([cell])}" for cell in cells if cell.groups]
    return f"seeds fall into two groups ({'; '.join(found)})" if found else ""


def two_groups(groups: Groups) -> str:
    """Both groups of a mixed cell's seeds: "4 of 6 seeds at .985-.991, 2 at .550-.600"."""
    up, down = groups.succeeding, groups.failing
    return f"{len(up)} of {len(up) + len(down)} seeds at {_range(up)}, {len(down)} at {_range(down)}"


def _range(accuracies: Sequence[float]) -> str:
    low, high = short(min(accuracies)), short(max(accuracies))
    return low if low == high else f"{low}-{high}"


def straddling(cells: Iterable[CellSummary]) -> str:
    """That seeds of a cell lie close by on both sides of the margin of success; "" where none do."""
    found = [
        f"{cell.score.success.successes} of {cell.num_seeds} seeds of {cell.label} reach {short(cell.solved_from)}"
        for cell in cells
        if cell.score and cell.score.success and cell.score.success.split and not cell.groups
    ]
    return f"; seeds straddle the margin of success ({', '.join(found)})" if found else ""


def rising(cells: Iterable[CellSummary]) -> str:
    """Which cells were still learning when their budget ended; "" where none were."""
    found = [cell.label for cell in cells if cell.still_rising]
    if not found:
        return ""
    were = (
        "was still rising at the end of its budget" if len(found) == 1 else "were still rising at their budgets' ends"
    )
    return f"; {listed(found)} {were}, so more steps may change this"


def absence(cell: CellSummary) -> str:
    """Why a cell has no score."""
    if cell.cell.failed:
        return f"{cell.label} fails {within([cell])}: none of its proposals finished, so it has no winner"
    return f"no measure trial of {cell.label} has ended (0 of {cell.cell.num_seeds})"
