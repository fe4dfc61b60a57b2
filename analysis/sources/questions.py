"""One imported folder, three questions: which of its cells the figures of the source's notebook compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from fsm_icl.results.records import Manifest, ManifestCell

Question = Literal["capacity", "depth", "spectrum"]
QUESTIONS: dict[str, Question] = {"capacity": "capacity", "depth": "depth", "spectrum": "spectrum"}
AXES: dict[Question, str | None] = {"capacity": "d_model", "depth": "num_layers", "spectrum": None}
_ASKED: dict[Question, str] = {
    "capacity": "Is width enough? The source's runs, imported",
    "depth": "Is depth enough? The source's runs, imported",
    "spectrum": "From simple to gated: what do the source's runs say? Imported",
}
DIRECT = "direct"
_OTHER = {"d_model": "num_layers", "num_layers": "d_model"}


def selected(manifest: Manifest, question: Question) -> Manifest:
    """The imported manifest with the directly trained cells that `question` is about, as a sweep of that name.

    Raises:
        ValueError: none of them can be placed in the figure.
    """
    axis = AXES[question]
    cells = [cell for cell in manifest.cells if cell.fields["training"] == DIRECT]
    chosen = _spectrum(cells) if axis is None else _along(cells, axis)
    if not any(axis is None or axis in cell.fields for cell in chosen):
        lacking = f"a directly trained cell that says its {axis}" if axis else "a directly trained cell"
        raise ValueError(f"there is nothing to draw by {question}: no imported file holds {lacking}")
    tasks = {cell.task: manifest.tasks[cell.task] for cell in chosen}
    content = manifest.model_dump() | {"sweep": question, "question": _ASKED[question]}
    content |= {"cells": [cell.model_dump() for cell in chosen], "tasks": {k: t.model_dump() for k, t in tasks.items()}}
    return Manifest.model_validate(content)


def chains(cells: Sequence[ManifestCell], axis: str) -> list[list[ManifestCell]]:
    """Cells that differ in `axis` only, in its order; groups of one are left out."""
    groups: dict[str, list[ManifestCell]] = {}
    for cell in sorted((cell for cell in cells if axis in cell.fields), key=lambda cell: float(cell.fields[axis])):
        rest = sorted((name, value) for name, value in cell.fields.items() if name != axis)
        groups.setdefault(str(rest), []).append(cell)
    return [group for group in groups.values() if len(group) > 1]


def _along(cells: Sequence[ManifestCell], axis: str) -> list[ManifestCell]:
    """The cells that vary along the axis, and of every other architecture those that can be set beside them."""
    swept = [cell for chain in chains(cells, axis) for cell in chain]
    if not swept:
        return list(cells)
    other = _OTHER[axis]
    levels = {cell.fields.get(other) for cell in swept}
    chosen = {cell.label for cell in swept}
    for arch in {cell.fields["arch"] for cell in cells} - {cell.fields["arch"] for cell in swept}:
        mine = [cell for cell in cells if cell.fields["arch"] == arch]
        chosen |= {cell.label for cell in [c for c in mine if c.fields.get(other) in levels] or mine}
    return [cell for cell in cells if cell.label in chosen]


def _spectrum(cells: Sequence[ManifestCell]) -> list[ManifestCell]:
    """Of every architecture the cells at the size that most of them share, or all where it has none of that size."""
    archs: dict[tuple[object, ...], set[object]] = {}
    for cell in cells:
        archs.setdefault(_size(cell), set()).add(cell.fields["arch"])
    base = max(archs, key=lambda size: (len(archs[size]), None not in size), default=())
    at_base = {cell.fields["arch"] for cell in cells if _size(cell) == base}
    return [cell for cell in cells if _size(cell) == base or cell.fields["arch"] not in at_base]


def _size(cell: ManifestCell) -> tuple[object, ...]:
    return cell.fields.get("d_model"), cell.fields.get("num_layers")
