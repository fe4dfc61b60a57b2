"""The table of cells and the gains from step to step, as data; report.py prints and writes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pandas as pd

from analysis.figures import base_cells, figure_info, swept_cells
from analysis.load import Sweep
from analysis.stats import Estimate, Rate
from analysis.summary import CellSummary, difference, summarise
from fsm_icl.records import ManifestCell


@dataclass(frozen=True)
class Gain:
    """What one step along the sweep's axis brings: IQM test accuracy of `after` minus that of `before`."""

    before: str
    after: str
    estimate: Estimate | None
    """None while one of the two has no ended measure trial."""
    success_before: Rate | None
    success_after: Rate | None

    @property
    def mixed(self) -> bool:
        """In one of the two some seeds succeed and others fail: success rates tell more than accuracy."""
        return any(rate is not None and rate.mixed for rate in (self.success_before, self.success_after))


def cell_table(sweep: Sweep) -> pd.DataFrame:
    """One row a cell, in the order of the manifest; accuracies are fractions of the test set's query steps."""
    return pd.DataFrame([_row(sweep, summary) for summary in summarise(sweep).values()])


def gains(sweep: Sweep) -> list[Gain]:
    """Gains between neighbours: along d_model or num_layers, or from architecture to architecture at one size."""
    axis = figure_info(sweep).axis
    chains = swept_cells(sweep, axis) if axis else [base_cells(sweep)]
    pairs = [pair for chain in chains for pair in pairwise(chain)]
    summaries = summarise(sweep)
    return [_gain(summaries[before.label], summaries[after.label]) for before, after in pairs]


def gain_table(found: list[Gain]) -> pd.DataFrame:
    """One row a gain, in percentage points."""
    return pd.DataFrame(list(_gain_rows(found)), columns=_GAIN_COLUMNS)


_GAIN_COLUMNS = ["before", "after", "points", "points_low", "points_high", "num_seeds"]
_GAIN_COLUMNS += ["success_before", "success_after"]


def _gain(before: CellSummary, after: CellSummary) -> Gain:
    rates = [cell.score.success if cell.score else None for cell in (before, after)]
    estimate = difference(after, before) if all(rates) else None
    return Gain(before.label, after.label, estimate, rates[0], rates[1])


def _gain_rows(found: list[Gain]) -> Iterator[dict[str, Any]]:
    for gain in found:
        row: dict[str, Any] = {"before": gain.before, "after": gain.after}
        if gain.estimate:
            row |= {"points": 100 * gain.estimate.value, "num_seeds": gain.estimate.num_seeds}
            if interval := gain.estimate.interval:
                row |= {"points_low": 100 * interval.low, "points_high": 100 * interval.high}
        for name, rate in (("success_before", gain.success_before), ("success_after", gain.success_after)):
            row[name] = rate.value if rate else None
        yield row


def _row(sweep: Sweep, summary: CellSummary) -> dict[str, Any]:
    cell, score = summary.cell, summary.score
    row: dict[str, Any] = {"cell": cell.label, **cell.fields}
    row |= {"num_params": cell.num_params, "state_size": cell.state_size}
    row |= {"flops_per_token": cell.flops_per_token, "steps": cell.steps}
    row |= {"seeds": summary.num_seeds, "seeds_asked": cell.num_seeds}
    ends = score.iqm.interval if score else None
    row |= {"iqm": score.iqm.value if score else None}
    row |= {"iqm_low": ends.low if ends else None, "iqm_high": ends.high if ends else None}
    row |= {name: getattr(score, name) if score else None for name in ("mean", "minimum", "maximum")}
    rate = score.success if score else None
    row |= {"successes": rate.successes if rate else None, "success_rate": rate.value if rate else None}
    row |= {"success_low": rate.interval.low if rate else None}
    row |= {"success_high": rate.interval.high if rate else None, "ceiling": summary.ceiling}
    return row | _search(sweep, cell)


def _search(sweep: Sweep, cell: ManifestCell) -> dict[str, Any]:
    """How the search went: winners' learning rates, proposals, outcomes of all trials, flags."""
    rates = [w.params["learning_rate"] for w in sorted(cell.winners, key=lambda w: w.repeat)]
    ended = {phase: sweep.ended(cell.label, phase) for phase in ("search", "measure")}
    outcomes = Counter(record.end.outcome for records in ended.values() for record in records)
    row: dict[str, Any] = {"best_learning_rate": " ".join(f"{rate:.4g}" for rate in rates)}
    row |= {"proposals": len(ended["search"]), "proposals_asked": cell.num_proposals}
    row |= {name: outcomes[name] for name in ("pruned", "diverged", "failed")}
    row["at_edge"] = " ".join(sorted({name for winner in cell.winners for name in winner.at_edge}))
    return row | {"still_rising": any(w.still_rising for w in cell.winners), "no_winner": cell.failed}
