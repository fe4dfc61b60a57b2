"""Where a sweep file's rungs fall within a budget."""

from __future__ import annotations

import functools
import math
from fractions import Fraction

from fsm_icl.sweep.file.spec import SearchSpec
from fsm_icl.training.config import BudgetSpec


def rung_steps(search: SearchSpec, budget: BudgetSpec) -> list[int]:
    """Steps at which trials are pruned: for each rung the first report at or after that share of the budget."""
    return list(_rung_steps(search.rungs, budget.steps, budget.report_every))


@functools.lru_cache(maxsize=1024)
def _rung_steps(rungs: tuple[Fraction, ...], budget: int, every: int) -> tuple[int, ...]:
    steps = {min(math.ceil(share * budget / every) * every, budget) for share in rungs}
    return tuple(sorted(step for step in steps if step < budget))
