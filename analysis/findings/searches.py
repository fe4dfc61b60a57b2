"""Search trials of a sweep -> every cell's proposals, and what its search cost and brought."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.sources.sweep import Sweep, last_metric
from analysis.statistics.search_cost import ExpectedBest, Saving, Tolerance, expected_best, saving, tolerance
from fsm_icl.results.records import METRICS, ManifestCell, Outcome


@dataclass(frozen=True)
class Proposal:
    """One search trial: where it was tried and the validation accuracy it had last."""

    repeat: int
    index: int
    learning_rate: float
    accuracy: float
    outcome: Outcome
    winner: bool


@dataclass(frozen=True)
class CellSearch:
    """One cell's proposals and what to beware of in its winner."""

    cell: ManifestCell
    proposals: tuple[Proposal, ...]
    flags: tuple[str, ...]


def cell_search(sweep: Sweep, cell: ManifestCell) -> CellSearch:
    """The cell's ended proposals, by repeat and index."""
    winners = {winner.hash for winner in cell.winners}
    proposals = tuple(
        Proposal(
            repeat=trial.repeat,
            index=trial.index,
            learning_rate=float(record.config["optimizer"]["learning_rate"]),
            accuracy=_last_accuracy(last_metric(record, "val/accuracy"), record.end.outcome),
            outcome=record.end.outcome,
            winner=trial.hash in winners,
        )
        for trial in sorted(cell.wanted, key=lambda trial: (trial.repeat, trial.index))
        if trial.phase == "search" and (record := sweep.records.get(trial.hash)) is not None
    )
    edge = ["edge of range"] if any("learning_rate" in winner.at_edge for winner in cell.winners) else []
    rising = ["still rising"] if any(winner.still_rising for winner in cell.winners) else []
    return CellSearch(cell, proposals, (*edge, *rising, *(["no winner"] if cell.failed else [])))


def _last_accuracy(accuracy: float | None, outcome: Outcome) -> float:
    """What the trial came to; the metric's worst where it broke off, as the search itself sees it."""
    return METRICS["val/accuracy"].worst if accuracy is None or outcome in ("diverged", "failed") else accuracy


@dataclass(frozen=True)
class SearchSummary:
    """One cell's search in numbers."""

    cell: ManifestCell
    num_ended: int
    best: ExpectedBest
    saved: Saving
    tolerance: Tolerance
    flags: tuple[str, ...]


def search_summaries(sweep: Sweep) -> list[SearchSummary]:
    """Every cell with an ended proposal."""
    found = (cell_search(sweep, cell) for cell in sweep.manifest.cells)
    return [_summary(sweep, each) for each in found if each.proposals]


def _summary(sweep: Sweep, each: CellSearch) -> SearchSummary:
    search, margin = sweep.manifest.spec.get("search", {}), sweep.manifest.success_margin
    assert margin is not None, "only imported results lack it, and they have no search"
    # Independent draws from the range, each at its full budget: only of these is the estimator unbiased.
    unpruned = search.get("rungs") == []
    startup = [p for p in each.proposals if p.index < int(search.get("num_startup", 0))]
    used = startup if unpruned and startup else list(each.proposals)
    ends = [record.end for record in sweep.ended(each.cell.label, "search")]
    rates = np.array([p.learning_rate for p in each.proposals])
    accuracies = np.array([p.accuracy for p in each.proposals])
    return SearchSummary(
        cell=each.cell,
        num_ended=len(each.proposals),
        best=expected_best([p.accuracy for p in used], unbiased=unpruned and bool(startup)),
        saved=saving([end.steps for end in ends], each.cell.steps),
        tolerance=tolerance(rates, accuracies, margin),
        flags=each.flags,
    )
