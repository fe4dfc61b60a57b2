"""The table of cells and the gains from step to step, as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pandas as pd

from analysis.findings.axis import AXES, Kind, base_cells, swept_cells
from analysis.findings.searches import CellSearch
from analysis.findings.summary import CellSummary, difference, generator, improvement
from analysis.findings.verdicts import Verdict
from analysis.findings.wording import interval_over, two_groups
from analysis.sources.sweep import Sweep
from analysis.statistics.estimates import MIN_SEEDS, Estimate, Rate
from analysis.statistics.survival import kaplan_meier, logrank_p
from fsm_icl.results.places import cell_of
from fsm_icl.results.records import ManifestCell, TrialRecord


@dataclass(frozen=True)
class Gain:
    """What one step along the sweep's axis brings: IQM test accuracy of `after` minus that of `before`."""

    before: str
    after: str
    estimate: Estimate | None
    """None while one of the two has no ended measure trial."""
    improvement: Estimate | None
    """Probability that a seed of `after` beats one of `before`."""
    logrank_p: float | None
    """Permutation log-rank: do the two need the same number of steps to threshold? None below 5 seeds."""
    success_before: Rate | None
    success_after: Rate | None
    mixed: bool
    """One of the two is: success rates tell more than accuracy, whose difference has no interval then."""


def cell_table(sweep: Sweep, cells: Iterable[CellSummary]) -> pd.DataFrame:
    """One row a cell, in the order of the manifest; accuracies are fractions of the test set's query steps."""
    return pd.DataFrame([_row(sweep, summary) for summary in cells])


def gains(sweep: Sweep, cells: Mapping[str, CellSummary], kind: Kind) -> tuple[Gain, ...]:
    """Gains between neighbours: along the sweep's axis, or from architecture to architecture at one size."""
    axis = AXES[kind]
    chains = swept_cells(cells, axis) if axis else [base_cells(sweep.manifest.cells)]
    pairs = [pair for chain in chains for pair in pairwise(chain)]
    return tuple(_gain(sweep, cells[before.label], cells[after.label]) for before, after in pairs)


def estimate_columns(name: str, estimate: Estimate | None) -> dict[str, Any]:
    """An estimate as three columns: <name>, <name>_low, <name>_high; None for what does not exist."""
    ends = estimate.interval if estimate else None
    values = (estimate.value if estimate else None, ends.low if ends else None, ends.high if ends else None)
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))


def verdict_table(verdicts: Iterable[Verdict]) -> pd.DataFrame:
    """One row a declared claim; estimates in the quantity's own unit (fractions, ratios)."""
    rows = [
        {"name": v.name, "claim": v.claim, "family": v.family, "tested_at": v.tested_at}
        | {"quantity": v.quantity, "outcome": v.outcome}
        | estimate_columns("estimate", v.estimate)
        | {"p_value": v.p_value, "adjusted_p": v.adjusted_p}
        | estimate_columns("improvement", v.improvement)
        | {"sentence": v.sentence}
        for v in verdicts
    ]
    return pd.DataFrame(rows, columns=_VERDICT_COLUMNS)


_VERDICT_COLUMNS = ["name", "claim", "family", "tested_at", "quantity", "outcome"]
_VERDICT_COLUMNS += ["estimate", "estimate_low", "estimate_high", "p_value", "adjusted_p"]
_VERDICT_COLUMNS += ["improvement", "improvement_low", "improvement_high", "sentence"]


def gain_table(found: Sequence[Gain]) -> pd.DataFrame:
    """One row a gain, in percentage points."""
    return pd.DataFrame(list(_gain_rows(found)), columns=_GAIN_COLUMNS)


_GAIN_COLUMNS = ["before", "after", "points", "points_low", "points_high", "num_units"]
_GAIN_COLUMNS += ["improvement", "improvement_low", "improvement_high", "logrank_p", "success_before", "success_after"]


def _gain(sweep: Sweep, before: CellSummary, after: CellSummary) -> Gain:
    rates = [cell.score.success if cell.score else None for cell in (before, after)]
    if before.score is None or after.score is None:
        return Gain(before.label, after.label, None, None, None, rates[0], rates[1], mixed=False)
    p_value = None
    if min(before.num_seeds, after.num_seeds) >= MIN_SEEDS and rates[0] and rates[1]:
        draw = generator(sweep.manifest.seed, "log-rank", before.label, after.label)
        p_value = logrank_p(before.steps_to_threshold, after.steps_to_threshold, draw)
    better, gained, mixed = improvement(after, before), difference(after, before), bool(before.groups or after.groups)
    return Gain(before.label, after.label, gained, better, p_value, rates[0], rates[1], mixed)


def _gain_rows(found: Sequence[Gain]) -> Iterator[dict[str, Any]]:
    for gain in found:
        row: dict[str, Any] = {"before": gain.before, "after": gain.after}
        if gain.estimate:
            row |= {"points": 100 * gain.estimate.value, "num_units": gain.estimate.num_units}
            if interval := gain.estimate.interval:
                row |= {"points_low": 100 * interval.low, "points_high": 100 * interval.high}
        if gain.improvement:
            row |= estimate_columns("improvement", gain.improvement)
        row["logrank_p"] = gain.logrank_p
        for name, rate in (("success_before", gain.success_before), ("success_after", gain.success_after)):
            row[name] = rate.value if rate else None
        yield row


def _row(sweep: Sweep, summary: CellSummary) -> dict[str, Any]:
    cell, score = summary.cell, summary.score
    row: dict[str, Any] = {"cell": cell.label, **cell.fields}
    row |= {"num_params": cell.num_params, "state_size": cell.state_size}
    row |= {"flops_per_token": cell.flops_per_token, "steps": cell.steps}
    row |= {"seeds": summary.num_seeds, "seeds_asked": cell.num_seeds}
    row |= estimate_columns("iqm", score.iqm if score else None)
    row["interval_over"] = interval_over(sweep.manifest.repeats, summary.classes_known)
    row |= {name: getattr(score, name) if score else None for name in ("mean", "minimum", "maximum")}
    rate = score.success if score else None
    row |= {"successes": rate.successes if rate else None, "success_rate": rate.value if rate else None}
    row |= {"success_low": rate.interval.low if rate else None}
    row |= {"success_high": rate.interval.high if rate else None, "ceiling": summary.ceiling}
    row["groups"] = two_groups(summary.groups) if summary.groups else ""
    curve = kaplan_meier(summary.steps_to_threshold, cell.steps) if summary.solved_from is not None else None
    row["reached_threshold"] = curve.reached if curve else None
    row["steps_to_threshold"] = curve.median if curve else None
    return row | _search(sweep, summary)


def _search(sweep: Sweep, summary: CellSummary) -> dict[str, Any]:
    """How the search went: winners' learning rates, proposals, outcomes of all trials, flags."""
    cell = summary.cell
    ended = {phase: sweep.ended(cell.label, phase) for phase in ("search", "measure")}
    rates = [
        w.params["learning_rate"] for w in sorted(cell.winners, key=lambda w: w.repeat) if "learning_rate" in w.params
    ]
    if not rates:  # it was fixed, or an imported file says it, or none does
        said = {record.config.get("optimizer", {}).get("learning_rate") for record in ended["measure"]} - {None}
        rates = sorted(map(float, said))
    outcomes = Counter(record.end.outcome for records in ended.values() for record in records)
    row: dict[str, Any] = {"best_learning_rate": " ".join(f"{rate:.4g}" for rate in rates)}
    row |= {"proposals": len(ended["search"]), "proposals_asked": cell.num_proposals}
    row |= {name: outcomes[name] for name in ("pruned", "diverged", "failed")}
    row["at_edge"] = " ".join(sorted({name for winner in cell.winners for name in winner.at_edge}))
    return row | {"still_rising": summary.still_rising, "no_winner": cell.failed}


def search_table(searches: Iterable[CellSearch]) -> pd.DataFrame:
    """One row a cell with an ended proposal: what its search cost, saved and found."""
    rows = [
        {"cell": each.cell.label, "proposals": len(each.proposals)}
        | {"steps": each.saved.steps, "full_steps": each.saved.full}
        | {"times_fewer_steps": each.saved.factor if each.saved.steps else None}
        | {"best_accuracy": each.best.values[-1]}
        | {"good_lr_lowest": each.tolerance.lowest, "good_lr_highest": each.tolerance.highest}
        | {"good_lr_factor": each.tolerance.factor, "flags": ", ".join(each.flags)}
        for each in searches
    ]
    return pd.DataFrame(rows)


COUNTS = ("finished", "pruned", "diverged", "failed", "missing", "no_longer_wanted")
ELSEWHERE = "(no cell of this sweep)"


def count_table(sweep: Sweep) -> pd.DataFrame:
    """One row a cell and phase: trials asked for, by outcome, missing, and no longer wanted; nothing is left out."""
    gone = Counter(_belongs(sweep, record) for record in sweep.unwanted.values())
    rows = [_counted(sweep, cell, phase, gone) for cell in sweep.manifest.cells for phase in ("search", "measure")]
    for place in sorted(place for place in gone if place[0] == ELSEWHERE):
        rows.append({"cell": ELSEWHERE, "phase": place[1], "asked": 0, "no_longer_wanted": gone[place]})
    frame = pd.DataFrame(rows, columns=["cell", "phase", "asked", *COUNTS])
    return frame.fillna(0).astype(dict.fromkeys(("asked", *COUNTS), "int64"))


def _counted(sweep: Sweep, cell: ManifestCell, phase: str, gone: Counter[tuple[str, str]]) -> dict[str, Any]:
    outcomes = Counter[str](record.end.outcome for record in sweep.ended(cell.label, phase))
    asked = cell.num_proposals if phase == "search" else 0 if cell.failed else cell.num_seeds
    row: dict[str, Any] = {"cell": cell.label, "phase": phase, "asked": asked, **outcomes}
    return row | {"missing": asked - outcomes.total(), "no_longer_wanted": gone[cell.label, phase]}


def _belongs(sweep: Sweep, record: TrialRecord) -> tuple[str, str]:
    """Cell and phase of a record of a trial that the manifest no longer names."""
    home = cell_of(record.config, record.place, sweep.manifest)
    return home.label if home else ELSEWHERE, record.phase
