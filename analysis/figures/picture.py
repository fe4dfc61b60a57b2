"""A figure before it is drawn: its numbers, and what draws them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import style


@dataclass(frozen=True)
class Picture:
    """One figure of a sweep; nothing is drawn before `draw` is called."""

    name: str
    """Stem of its files."""
    title: str
    text: str
    """What is drawn and how to read it, for the caption and for those who can't see it."""
    table: pd.DataFrame
    """The numbers behind it."""
    draw: Callable[[], Figure]

    def save(self, folder: Path) -> tuple[Path, Path]:
        """Draw and write <name>.png and <name>.pdf. No clock time goes into the files."""
        with mpl.rc_context(style.RC):
            figure = self.draw()
            figure.draw_without_rendering()
            figure.set_layout_engine("none")  # laid out once, not again for each file
            png, pdf = folder / f"{self.name}.png", folder / f"{self.name}.pdf"
            figure.savefig(png, dpi=style.DPI, metadata={"Software": None})
            figure.savefig(pdf, metadata={"CreationDate": None})
        return png, pdf


@dataclass(frozen=True)
class NotDrawn:
    """A figure that the sweep has nothing for."""

    name: str
    reason: str
