"""All figures of a sweep: to add one, write `picture` in a file of its own and name it here."""

from __future__ import annotations

from collections.abc import Callable

from analysis.figures import (
    best_rates,
    breakthrough,
    collapse,
    in_context,
    learning_curves,
    learning_rates,
    main_drawing,
    matchings,
    search,
    timeline,
)
from analysis.figures.picture import NotDrawn, Picture
from analysis.findings.findings import Findings

FIGURES: tuple[Callable[[Findings], Picture | NotDrawn], ...] = (
    main_drawing.picture,
    learning_curves.picture,
    in_context.picture,
    breakthrough.picture,
    matchings.picture,
    collapse.picture,
    learning_rates.picture,
    best_rates.picture,
    search.picture,
    timeline.picture,
)
"""In the order of a reader; the first one answers the sweep's question."""


def pictures(findings: Findings) -> list[Picture | NotDrawn]:
    """Every figure of the sweep, or why there is none."""
    return [picture(findings) for picture in FIGURES]
