"""Which cell of a sweep a record belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fsm_icl.results.records import Manifest, ManifestCell, TrialPlace


def cell_of(config: Mapping[str, Any], place: TrialPlace | None, manifest: Manifest) -> ManifestCell | None:
    """The cell of a record with this config and place; None where it is of none that the sweep has.

    The place says it. A record of format 1, which has none, is of the cell whose task, budget and coordinates its
    config has; of several, of the one with the most coordinates.
    """
    if place is not None and any(cell.key is not None for cell in manifest.cells):
        return next((cell for cell in manifest.cells if cell.key == place.cell), None)
    fitting = [cell for cell in manifest.cells if _fits(config, cell, manifest)]
    return max(fitting, key=lambda cell: len(cell.fields), default=None)


def _fits(config: Mapping[str, Any], cell: ManifestCell, manifest: Manifest) -> bool:
    task = manifest.tasks[cell.task].spec
    # A field that the task has got since is not in the record, and an imported one lacks what its file did not say.
    same_task = all(task.get(name, value) == value for name, value in config.get("task", {}).items())
    same_budget = config.get("budget", {"steps": cell.steps})["steps"] == cell.steps
    return same_task and same_budget and all(_value(config, k) == v for k, v in cell.fields.items())


def _value(config: Mapping[str, Any], name: str) -> Any:
    """The value of a cell's coordinate (`d_model`, `steps`, `precision`, `optimizer.weight_decay`) in a config."""
    section, dot, field = name.partition(".")
    if dot:
        return config.get(section, {}).get(field)
    parts = (config, *(config.get(part, {}) for part in ("model", "optimizer", "budget")))
    return next((part[name] for part in parts if name in part), None)
