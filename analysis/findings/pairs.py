"""Which cells of two sweeps are set beside each other: by label; imported runs, beside every cell they agree with."""

from __future__ import annotations

from fsm_icl.results.records import Manifest, ManifestCell

LACKING = (
    "one run per cell, its seed unknown, its steps are epochs. It has no counts by test machine, no ceiling, no "
    "success rate and no costs, so no interval is given beside it; its test machines are not ours."
)
DIRECT = "direct"
_COORDINATES = ("d_model", "num_layers")


def pairs(a: Manifest, b: Manifest) -> list[tuple[str | None, str | None]]:
    """Labels of cells in A and in B; None stands for the cell that the other one has not.

    A cell of ours is set beside each imported run whose known fields it has, e.g. each variant of an RNN beside the
    one RNN of the source; curricula, which we do not train, match nothing.
    """
    if a.imported == b.imported:
        return [(_in(label, a), _in(label, b)) for label in dict.fromkeys(c.label for c in (*a.cells, *b.cells))]
    found = [(x.label, y.label) for x in a.cells for y in b.cells if (_agree(x, y) if a.imported else _agree(y, x))]
    paired = {label for pair in found for label in pair}
    alone: list[tuple[str | None, str | None]] = [(c.label, None) for c in a.cells if c.label not in paired]
    return [*found, *alone, *((None, c.label) for c in b.cells if c.label not in paired)]


def _in(label: str, manifest: Manifest) -> str | None:
    return label if any(cell.label == label for cell in manifest.cells) else None


def _agree(imported: ManifestCell, ours: ManifestCell) -> bool:
    known = {name: value for name, value in imported.fields.items() if name in ("arch", *_COORDINATES)}
    return imported.fields["training"] == DIRECT and all(ours.fields.get(n) == v for n, v in known.items())


def unknown(one: ManifestCell, other: ManifestCell) -> list[str]:
    """A note where one of the two does not say its size."""
    sized = all(name in cell.fields for name in _COORDINATES for cell in (one, other))
    return [] if sized else ["imported size unknown"]
