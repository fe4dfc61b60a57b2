"""Search trials of a sweep -> every cell's proposals, and what its search cost and brought."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    """One cell's proposals, what they cost and brought, and what to beware of in their winner."""

    cell: ManifestCell
    proposals: tuple[Proposal, ...]
    """Those that have ended, by repeat and index."""
    best: ExpectedBest
    saved: Saving
    tolerance: Tolerance
    flags: tuple[str, ...]


def searches_of(sweep: Sweep) -> tuple[CellSearch, ...]:
    """Every cell with an ended proposal."""
    found = ((cell, tuple(_proposals(sweep, cell))) for cell in sweep.manifest.cells)
    return tuple(_search(sweep, cell, proposals) for cell, proposals in found if proposals)


def _proposals(sweep: Sweep, cell: ManifestCell) -> Iterator[Proposal]:
    winners = {winner.hash for winner in cell.winners}
    for trial in sorted(cell.wanted, key=lambda trial: (trial.repeat, trial.index)):
        if trial.phase == "search" and (record := sweep.records.get(trial.hash)) is not None:
            yield Proposal(
                repeat=trial.repeat,
                index=trial.index,
                learning_rate=float(record.config["optimizer"]["learning_rate"]),
                accuracy=_last_accuracy(last_metric(record, "val/accuracy"), record.end.outcome),
                outcome=record.end.outcome,
                winner=trial.hash in winners,
            )


def _last_accuracy(accuracy: float | None, outcome: Outcome) -> float:
    """What the trial came to; the metric's worst where it broke off, as the search itself sees it."""
    return METRICS["val/accuracy"].worst if accuracy is None or outcome in ("diverged", "failed") else accuracy


def _search(sweep: Sweep, cell: ManifestCell, proposals: Sequence[Proposal]) -> CellSearch:
    search, margin = sweep.manifest.spec.get("search", {}), sweep.manifest.success_margin
    assert margin is not None, "only imported results lack it, and they have no search"
    # Independent draws from the range, each at its full budget: only of these is the estimator unbiased.
    unpruned = search.get("rungs") == []
    startup = [p for p in proposals if p.index < int(search.get("num_startup", 0))]
    used = startup if unpruned and startup else proposals
    ends = [record.end for record in sweep.ended(cell.label, "search")]
    rates, accuracies = (np.array([getattr(p, name) for p in proposals]) for name in ("learning_rate", "accuracy"))
    return CellSearch(
        cell=cell,
        proposals=tuple(proposals),
        best=expected_best([p.accuracy for p in used], unbiased=unpruned and bool(startup)),
        saved=saving([end.steps for end in ends], cell.steps),
        tolerance=tolerance(rates, accuracies, margin),
        flags=tuple(_flags(cell)),
    )


def _flags(cell: ManifestCell) -> Iterator[str]:
    if any("learning_rate" in winner.at_edge for winner in cell.winners):
        yield "edge of range"
    if any(winner.still_rising for winner in cell.winners):
        yield "still rising"
    if cell.failed:
        yield "no winner"
