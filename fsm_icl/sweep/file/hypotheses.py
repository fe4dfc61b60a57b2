"""A sweep's hypotheses with their roles resolved to cells of the grid."""

from __future__ import annotations

from collections.abc import Mapping

from fsm_icl.results.records import DeclaredHypothesis
from fsm_icl.sweep.file.cells import LONG, SHORT, Cell, cells_of
from fsm_icl.sweep.file.load import LoadedSweep
from fsm_icl.sweep.file.spec import Scalar
from fsm_icl.sweep.file.yaml import KeyPath, SpecError, comma_list, nearest, shown


def declared(loaded: LoadedSweep, cells: list[Cell]) -> list[DeclaredHypothesis]:
    """The sweep's hypotheses with each role resolved to the one cell it names.

    Raises:
        SpecError: a role names no cell of the grid, or more than one; cells along an axis differ in more than it.
    """
    found: list[DeclaredHypothesis] = []
    for i, hypothesis in enumerate(loaded.spec.hypotheses):
        picked = _ends(loaded, i, cells) if hypothesis.axis else _roles(loaded, i, cells)
        if len(set(picked.values())) < len(picked):
            raise loaded.error(("hypotheses", i), f"compares a cell with itself: {', '.join(picked.values())}")
        roles = {"a", "b", "low", "mid", "high", "along"}
        found.append(DeclaredHypothesis.model_validate(hypothesis.model_dump(exclude=roles) | {"cells": picked}))
    return found


def _roles(loaded: LoadedSweep, i: int, cells: list[Cell]) -> dict[str, str]:
    roles = loaded.spec.hypotheses[i].roles()
    return {role: _pick(loaded, ("hypotheses", i, role), fields, cells) for role, fields in roles.items()}


def _ends(loaded: LoadedSweep, i: int, cells: list[Cell]) -> dict[str, str]:
    """The far and the near end of a hypothesis' axis."""
    hypothesis, path = loaded.spec.hypotheses[i], ("hypotheses", i, "axis")
    axis = hypothesis.axis or ""
    if SHORT.get(axis, axis) not in (known := _coordinates(cells)):
        raise loaded.error(path, f"unknown coordinate {shown(axis)}; {nearest(axis, known)}")
    along = _matching(loaded, ("hypotheses", i, "along"), hypothesis.along or {}, cells)
    values = {cell.label: cell.field(axis) for cell in along}
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in values.values()):
        raise loaded.error(path, f"{shown(axis)} is no number in every cell, so it has no ends")
    rest = {str([(k, v) for k, v in sorted(cell.fields.items()) if k != SHORT.get(axis, axis)]) for cell in along}
    if len(rest) != 1 or len(set(values.values())) < 2:
        names = comma_list(list(values), 5) or "none"
        raise loaded.error(path, f"cells that differ in {axis} and in nothing else are needed, found {names}")
    return {"a": max(values, key=lambda name: values[name]), "b": min(values, key=lambda name: values[name])}


def _pick(loaded: LoadedSweep, path: KeyPath, fields: Mapping[str, Scalar], cells: list[Cell]) -> str:
    matching = [cell.label for cell in _matching(loaded, path, fields, cells)]
    if len(matching) != 1:
        what = "no cell" if not matching else f"{len(matching)} cells ({comma_list(matching, 5)})"
        asked = ", ".join(f"{k}: {shown(v)}" for k, v in fields.items())
        known = comma_list([c.label for c in cells], 8)
        raise loaded.error(path, f"{{{asked}}} names {what} of scale {loaded.scale!r}; cells: {known}")
    return matching[0]


def _coordinates(cells: list[Cell]) -> set[str]:
    names = {name for cell in cells for name in (*cell.fields, *type(cell.template.model).model_fields)}
    return names | LONG.keys()


def _matching(loaded: LoadedSweep, path: KeyPath, fields: Mapping[str, Scalar], cells: list[Cell]) -> list[Cell]:
    """Cells with these fields."""
    for key in fields:
        if SHORT.get(key, key) not in (known := _coordinates(cells)):
            raise loaded.error((*path, key), f"unknown key; {nearest(key, known)}")
    return [cell for cell in cells if all(_same(cell.field(k), v) for k, v in fields.items())]


def _same(value: Scalar | None, asked: Scalar) -> bool:
    """Equal, but `true` is not 1."""
    return value == asked and isinstance(value, bool) == isinstance(asked, bool)


def check_other_scales(loaded: LoadedSweep) -> None:
    """Raises SpecError where another scale of the file makes no sweep: better now than on the GPU machine."""
    for other in loaded.others:
        try:
            declared(other, cells_of(other))
        except SpecError as error:
            raise SpecError(f"{problem} (scale {other.scale})" for problem in error.problems) from None
