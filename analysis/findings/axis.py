"""Which cells of a sweep form a line along its axis, and what each line is called.

A series is all cells that are equal in every coordinate but the axis. A coordinate that a cell's grid entry does not
name has the default that its records state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from analysis.findings.summary import CellSummary
from analysis.sources.sweep import Sweep
from fsm_icl.results.records import ManifestCell

Kind = Literal["spectrum", "capacity", "depth", "budget"]
AXES: dict[Kind, str | None] = {"spectrum": None, "capacity": "d_model", "depth": "num_layers", "budget": "steps"}
_DEFAULTS = {"nonlinearity": "tanh", "init": "orthogonal", "residual": False, "norm": "none", "state_dropout": 0.0}
"""What a model has whose records say nothing: records of earlier versions lack these, and a cell may have none yet."""
_WORDS: dict[str, Callable[[Any], str]] = {
    "nonlinearity": lambda value: "ReLU" if value == "relu" else str(value),
    "init": lambda value: f"{str(value).replace('_', ' ')} start",
    "residual": lambda value: "residual" if value else "",
    "norm": lambda value: {"none": "", "layer": "LayerNorm", "rms": "RMSNorm"}.get(value, f"norm {value}"),
    "state_dropout": lambda value: f"state dropout {value:g}" if value else "",
    "num_layers": lambda value: f"{value} layer{'' if value == 1 else 's'}",
    "steps": lambda value: f"{value:,} steps",
    "learning_rate": lambda value: f"learning rate {value:g}",
}
"""How a coordinate's value is said; "" for one that a plain network has."""


ARCHITECTURES = {"rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}
"""What architectures are called, in the order in which they are shown; others follow by name."""
_NAMES = ARCHITECTURES | {"s4": "S4"}


def arch_name(arch: str) -> str:
    """What an architecture is called in text and legends."""
    return _NAMES.get(arch, arch)


def in_words(name: str, value: Any) -> str:
    """A coordinate's value as a reader says it, e.g. "ReLU", "identity start", "residual", "d_model 64"."""
    if name in _WORDS:
        return _WORDS[name](value)
    if isinstance(value, bool):
        return name.replace("_", " ") if value else ""
    return f"{name if name == 'd_model' else name.replace('_', ' ')} {value}"


@dataclass(frozen=True)
class Group:
    """Cells that are equal in every coordinate but the axis, in its order."""

    name: str
    """The architecture and what tells the group from others of it, e.g. "RNN, ReLU, identity start"."""
    arch: str
    cells: tuple[CellSummary, ...]


def kind_of(sweep: Sweep, cells: Mapping[str, CellSummary]) -> Kind:
    """By the axis that most of the sweep's cells vary along, a spectrum where no axis leads; whatever it is called.

    Imported results are about the question that they were selected for.
    """
    kinds: dict[str, Kind] = {kind: kind for kind in AXES}
    if sweep.manifest.imported and sweep.manifest.sweep in kinds:
        return kinds[sweep.manifest.sweep]
    varying = {kind: _num_varying(cells, axis) for kind, axis in AXES.items() if axis}
    leading = [kind for kind, count in varying.items() if count and count == max(varying.values())]
    return leading[0] if len(leading) == 1 else "spectrum"


def _num_varying(cells: Mapping[str, CellSummary], axis: str) -> int:
    """How many cells vary along the axis.

    None where they are fewer than half, and do so only because of cells of another width that have as many parameters
    as another architecture: those are there to compare architectures.
    """
    chains = swept_cells(cells, axis)
    count = sum(map(len, chains))
    if axis != "d_model" or 2 * count > len(cells):
        return count
    matched = _matched([summary.cell for summary in cells.values()])
    widths = ([cell for cell in chain if cell.label not in matched] for chain in chains)
    return count if any(len(chain) > 1 for chain in widths) else 0


_ALIKE = 0.1
"""By what share numbers of parameters may differ that are meant to be the same."""


def _matched(cells: Sequence[ManifestCell]) -> set[str]:
    """Labels of cells beside those at the width that most architectures share, with another one's parameters there."""
    archs: dict[Any, set[str]] = {}
    for cell in cells:
        archs.setdefault(cell.fields.get("d_model"), set()).add(arch_of(cell))
    base = max(archs, key=lambda width: len(archs[width]), default=None)
    there = [cell for cell in cells if cell.fields.get("d_model") == base and cell.num_params]
    return {
        cell.label
        for cell in cells
        if cell.fields.get("d_model") != base and cell.num_params and arch_of(cell) in map(arch_of, there)
        for other in there
        if arch_of(other) != arch_of(cell) and abs(cell.num_params / (other.num_params or 1) - 1) <= _ALIKE
    }


def groups(cells: Mapping[str, CellSummary], axis: str) -> list[Group]:
    """All groups, by architecture and then in the order of the grid; cells that have no place on the axis are left out.

    A group's name says what differs between the architecture's groups; where all are alike, there is one.
    """
    coordinates = _coordinates(cells)
    found: dict[tuple[Any, ...], list[CellSummary]] = {}
    for summary in cells.values():
        if place(summary.cell, axis) is not None:
            rest = {name: value for name, value in coordinates[summary.label].items() if name != axis}
            found.setdefault((summary.cell.task, *sorted(rest.items())), []).append(summary)
    ordered = sorted(found.values(), key=lambda alike: arch_rank(alike[0].cell))
    names = _names([coordinates[alike[0].label] for alike in ordered], axis)
    return [
        Group(name, arch_of(alike[0].cell), tuple(sorted(alike, key=lambda each: place(each.cell, axis) or 0)))
        for name, alike in zip(names, ordered, strict=True)
    ]


def swept_cells(cells: Mapping[str, CellSummary], axis: str) -> list[list[ManifestCell]]:
    """The cells of every group that varies along `axis`, in its order."""
    return [[each.cell for each in group.cells] for group in groups(cells, axis) if len(group.cells) > 1]


def place(cell: ManifestCell, axis: str) -> int | None:
    """Where the cell stands on the axis; None where an imported file does not say."""
    if axis == "steps":
        return cell.steps
    return int(cell.fields[axis]) if axis in cell.fields else None


def arch_of(cell: ManifestCell) -> str:
    """The cell's architecture."""
    return str(cell.fields["arch"])


def arch_rank(cell: ManifestCell) -> tuple[int, str]:
    """rnn, gru, lstm, then the others by name."""
    known, arch = list(ARCHITECTURES), arch_of(cell)
    return (known.index(arch) if arch in known else len(known)), arch


def _size(cell: ManifestCell) -> tuple[Any, ...]:
    """The coordinates other than the architecture."""
    return tuple(sorted((name, value) for name, value in cell.fields.items() if name != "arch"))


def base_size(cells: Iterable[ManifestCell]) -> tuple[Any, ...]:
    """The size that most architectures share; the first of them in the manifest."""
    archs: dict[tuple[Any, ...], set[str]] = {}
    for cell in cells:
        archs.setdefault(_size(cell), set()).add(arch_of(cell))
    return max(archs, key=lambda size: len(archs[size]), default=())


def cell_order(cell: ManifestCell, base: tuple[Any, ...]) -> tuple[Any, ...]:
    """Cells of the base size first, by architecture; then the others, by architecture and parameters."""
    return _size(cell) != base, *arch_rank(cell), cell.num_params or 0, cell.label


def base_cells(cells: Sequence[ManifestCell]) -> list[ManifestCell]:
    """One cell an architecture at the size that most of them share, in the order rnn, gru, lstm, others."""
    base = base_size(cells)
    return sorted((c for c in cells if _size(c) == base), key=lambda c: cell_order(c, base))


def _coordinates(cells: Mapping[str, CellSummary]) -> dict[str, dict[str, Any]]:
    """By label, the value of every coordinate that any cell's grid entry names; those that a model lacks left out."""
    names = {name for summary in cells.values() for name in summary.cell.fields}
    return {
        summary.label: {name: value for name in names if (value := _value(summary, name)) is not None}
        for summary in cells.values()
    }


def _value(summary: CellSummary, name: str) -> Any:
    return summary.cell.steps if name == "steps" else summary.coordinates.get(name, _DEFAULTS.get(name))


def _names(found: Sequence[Mapping[str, Any]], axis: str) -> list[str]:
    """The architecture's label and, in the order of the words' table, what differs within it."""
    order = [*_WORDS, *sorted({name for each in found for name in each})]
    names = []
    for mine in found:
        alike = [each for each in found if each["arch"] == mine["arch"]]
        differing = [
            name
            for name in dict.fromkeys(order)
            if name not in ("arch", axis) and len({each.get(name) for each in alike}) > 1
        ]
        said = [in_words(name, mine[name]) for name in differing if name in mine]
        arch = str(mine["arch"])
        names.append(", ".join([arch_name(arch), *filter(None, said)]))
    return names
