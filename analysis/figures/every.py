"""All figures of a sweep."""

from __future__ import annotations

from analysis.figures import (
    answer_drawing,
    best_rates,
    breakthrough,
    collapse,
    in_context,
    learning_curves,
    learning_rates,
    matchings,
    search,
    timeline,
)
from analysis.figures.picture import NotDrawn, Picture
from analysis.load import Sweep

_MODULES = (
    answer_drawing,
    learning_curves,
    in_context,
    breakthrough,
    matchings,
    collapse,
    learning_rates,
    best_rates,
    search,
    timeline,
)


def pictures(sweep: Sweep) -> list[Picture | NotDrawn]:
    """Every figure of the sweep, or why there is none, in the order of a reader."""
    return [module.picture(sweep) for module in _MODULES]
