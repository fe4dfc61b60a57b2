"""Which hyperparameters a sweep compares, which it searches and which it holds fixed.

The words are those of the Deep Learning Tuning Playbook (Godbole et al. 2023): scientific, nuisance, fixed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analysis.sources.sweep import Sweep
from fsm_icl.results.records import ManifestCell

_PARTS = ("task", "model", "optimizer", "budget")
_UNSAID = {"arch", "family"}
"""Which architecture or task a field belongs to is said beside its value."""


@dataclass(frozen=True)
class Roles:
    """What each hyperparameter of a sweep is there for; name -> values in words."""

    scientific: Mapping[str, str]
    """Compared: they differ from cell to cell."""
    nuisance: Mapping[str, str]
    """Searched inside each cell: name -> range."""
    fixed: Mapping[str, str]
    """The same in every cell that has them: name -> value."""

    @property
    def fixed_model(self) -> Mapping[str, str]:
        """Those of the model, without the part's name."""
        return {name.removeprefix("model."): text for name, text in self.fixed.items() if name.startswith("model.")}


def roles(sweep: Sweep) -> Roles:
    """Taken from the grid and from what the trials that have ended were trained with."""
    fields = [cell.fields for cell in sweep.manifest.cells]
    compared = {
        name: _values(each.get(name) for each in fields) for name in dict.fromkeys(n for f in fields for n in f)
    }
    searched = dict(_ranges(sweep))
    held = dict(_held(sweep, compared.keys() | {name.split(" (")[0] for name in searched}))
    alone = {name: text for name, text in compared.items() if "," not in text}
    return Roles({name: text for name, text in compared.items() if name not in alone}, searched, alone | held)


def _values(found: Iterator[Any]) -> str:
    return ", ".join(dict.fromkeys(_text(value) for value in found if value is not None))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _ranges(sweep: Sweep) -> Iterator[tuple[str, str]]:
    """Searched names with their ranges; a range of some cells only names them."""
    for name, given in sweep.manifest.spec.get("search", {}).items():
        if isinstance(given, dict):
            yield name, _range(given)
    for row in _grid(sweep.manifest.spec.get("grid", {})):
        for name, given in row.items():
            if isinstance(given, dict):
                where = ", ".join(f"{k} {_inner(v)}" for k, v in row.items() if not isinstance(v, dict))
                yield f"{name} ({where})", _range(given)


def _grid(grid: Any) -> list[Mapping[str, Any]]:
    return [grid] if isinstance(grid, dict) else list(grid)


def _inner(value: Any) -> str:
    return "/".join(_text(each) for each in value) if isinstance(value, list) else _text(value)


def _range(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{kind} {json.dumps(ends)}" for kind, ends in given.items())


def _held(sweep: Sweep, moving: set[str]) -> Iterator[tuple[str, str]]:
    """Every field that is the same in all records that have it, with its value; those of one architecture name it."""
    configs = [(cell, config) for cell in sweep.manifest.cells if (config := _config(sweep, cell)) is not None]
    archs = {str(cell.fields["arch"]) for cell, _ in configs}
    found: dict[str, dict[str, set[str]]] = {}
    for cell, config in configs:
        for name, value in _flat(config):
            if name.rsplit(".", 1)[-1] not in moving | _UNSAID:
                found.setdefault(name, {}).setdefault(str(value), set()).add(str(cell.fields["arch"]))
    for name, by_value in found.items():
        if len(by_value) == 1:
            (value, having), *_ = by_value.items()
            yield name, value if having == archs else f"{value} ({', '.join(sorted(having))})"
        elif name.startswith("model."):
            yield name, ", ".join(f"{value} ({', '.join(sorted(having))})" for value, having in by_value.items())


def _config(sweep: Sweep, cell: ManifestCell) -> Mapping[str, Any] | None:
    """What one ended trial of the cell was trained with."""
    return next((sweep.records[w.hash].config for w in cell.wanted if w.hash in sweep.records), None)


def _flat(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for part in _PARTS:
        for name, value in config.get(part, {}).items():
            if value is not None and not isinstance(value, dict | list):
                yield f"{part}.{name}", _text(value)
