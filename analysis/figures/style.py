"""How things look: one colour, marker and label per architecture, the same in every figure.

Colours are Okabe and Ito's (2008), told apart with every common colour blindness; markers tell them apart in
print without colour.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any

from analysis.findings.axis import ARCHITECTURES, arch_name
from fsm_icl.results.records import ManifestCell

RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "lines.linewidth": 1.2,
    "pdf.fonttype": 42,
}
"""matplotlib settings of every figure: 7.2 inches wide (a text column), no letter below 7 points."""
WIDTH, HEIGHT, DPI = 7.2, 3.8, 200
REFERENCE = "#6b6b6b"
"""Grey of the baselines."""
CEILING = "#000000"


@dataclass(frozen=True)
class ArchStyle:
    """How one architecture is drawn."""

    colour: str
    marker: str
    label: str


_KNOWN = {
    "rnn": ("#D55E00", "o"),
    "gru": ("#0072B2", "s"),
    "lstm": ("#009E73", "^"),
}
_FREE = [
    ("#CC79A7", "D"),
    ("#E69F00", "v"),
    ("#56B4E9", "P"),
    ("#8C6D31", "X"),
    ("#5E3C99", "<"),
    ("#444444", ">"),
]


def arch_styles(archs: Iterable[str]) -> dict[str, ArchStyle]:
    """A style for every architecture: known ones in their order, then the others by name on the free ones."""
    present = set(archs)
    looks = {arch: _KNOWN[arch] for arch in ARCHITECTURES if arch in present}
    looks |= {arch: _FREE[number % len(_FREE)] for number, arch in enumerate(sorted(present - set(_KNOWN)))}
    return {arch: ArchStyle(*look, arch_name(arch)) for arch, look in looks.items()}


@dataclass(frozen=True)
class Look:
    """How one cell is drawn where cells share a panel."""

    colour: tuple[float, float, float]
    marker: str
    dashes: Any
    label: str


DASHES: list[Any] = ["-", (0, (5, 1.5)), (0, (2, 1)), (0, (5, 1, 1, 1))]


def cell_looks(cells: Iterable[ManifestCell], shown: Container[str]) -> dict[str, Look]:
    """Looks of the `shown` among all `cells`, by label: the architecture's colour, darker with more parameters."""
    by_arch: dict[str, list[ManifestCell]] = {}
    for cell in cells:
        by_arch.setdefault(str(cell.fields["arch"]), []).append(cell)
    looks = {}
    for arch, style in arch_styles(by_arch).items():
        rising = sorted(by_arch[arch], key=lambda cell: (cell.num_params or 0, cell.label))
        for rank, cell in enumerate(rising):
            if cell.label not in shown:
                continue
            colour = shade(style.colour, rank, len(rising))
            name = f"{style.label} {cell.label.removeprefix(f'{arch}-')}"
            looks[cell.label] = Look(colour, style.marker, DASHES[rank % len(DASHES)], name)
    return looks


_MARKERS = ["D", "v", "P", "X", "<", ">", "h", "p"]


def series_looks(series: Iterable[tuple[str, str]]) -> dict[str, Look]:
    """Looks of lines, given as (name, architecture), by name: within one architecture shades, dashes and markers."""
    by_arch: dict[str, list[str]] = {}
    for name, arch in series:
        by_arch.setdefault(arch, []).append(name)
    styles = arch_styles(by_arch)
    looks = {}
    for arch, names in by_arch.items():
        taken = {each.marker for each in styles.values()}
        markers = [styles[arch].marker, *(marker for marker in _MARKERS if marker not in taken)]
        for rank, name in enumerate(names):
            # The lightest shade is left out: thin lines of it can't be seen.
            colour = shade(styles[arch].colour, 2 * rank + 1, 2 * len(names) if len(names) > 1 else 1)
            looks[name] = Look(colour, markers[rank % len(markers)], DASHES[rank % len(DASHES)], name)
    return looks


def shade(colour: str, rank: int, count: int) -> tuple[float, float, float]:
    """`colour` mixed with white for low ranks and with black for high ones: the order within one arch."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    if count == 1:
        return red, green, blue
    light = 0.55 - 1.1 * rank / (count - 1)  # .55 of white .. .55 of black
    target, weight = (1.0, light) if light > 0 else (0.0, -light)
    return tuple(x + (target - x) * weight for x in (red, green, blue))  # type: ignore[return-value]


def spread(positions: list[float], gap: float, low: float, high: float) -> list[float]:
    """Places for labels near `positions` (ascending), at least `gap` apart, within low .. high if they fit.

    Labels that would touch are laid out around their mean, so that none wanders further than it must.
    """
    clusters: list[list[float]] = []
    for position in positions:
        clusters.append([position])
        while len(clusters) > 1 and _start(clusters[-1], gap, low, high) < _end(clusters[-2], gap, low, high) + gap:
            last = clusters.pop()
            clusters[-1] = clusters[-1] + last
    return [_start(cluster, gap, low, high) + gap * i for cluster in clusters for i in range(len(cluster))]


def _start(cluster: list[float], gap: float, low: float, high: float) -> float:
    length = gap * (len(cluster) - 1)
    return max(low, min(sum(cluster) / len(cluster) - length / 2, high - length))


def _end(cluster: list[float], gap: float, low: float, high: float) -> float:
    return _start(cluster, gap, low, high) + gap * (len(cluster) - 1)
