"""All figures of a sweep."""

from __future__ import annotations

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
from analysis.sources.sweep import Sweep

_MODULES = (
    main_drawing,
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
