"""A trial that a sweep wants: its place, its config, and what the pruning rule holds against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fsm_icl.results.records import TrialPlace, TrialRecord
from fsm_icl.sweep.file.cells import Cell
from fsm_icl.sweep.file.spec import SweepSpec
from fsm_icl.tracking.encoding import TrackedTrial
from fsm_icl.training.config import TrialConfig

Records = Mapping[str, TrialRecord]
"""Records by the hashes of their trials."""


@dataclass(frozen=True)
class PlannedTrial:
    """A trial that the sweep wants."""

    cell: Cell
    place: TrialPlace
    config: TrialConfig
    hash: str
    params: Mapping[str, float]
    """Searched hyperparameters by name."""
    cutoffs: Mapping[int, float] = field(default_factory=dict)
    """step -> validation accuracy below which the trial is pruned there."""

    @property
    def tracked(self) -> TrackedTrial:
        """What W&B is told of it."""
        return TrackedTrial(self.hash, self.cell.label, self.cell.fields, self.place, self.config)


def plan_trial(
    spec: SweepSpec, cell: Cell, place: TrialPlace, params: Mapping[str, float], cutoffs: Mapping[int, float]
) -> PlannedTrial:
    """The trial at a place of the protocol."""
    config = cell.trial(spec, params, place.phase, place.repeat, place.index)
    return PlannedTrial(cell, place, config, config.fingerprint(), params, cutoffs)
