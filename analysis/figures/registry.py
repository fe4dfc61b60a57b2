"""All figures of a sweep. One of ours is a file beside this one, with a function `picture`, and one line below.

Or it is in a package of its own, whose entry point of the group `fsm_icl.figures` refers to such a function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

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
from fsm_icl.plugins import plugins

Figure = Callable[[Findings], Picture | NotDrawn]
FIGURES: tuple[Figure, ...] = (
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
    """Every figure of the sweep, or why there is none; those of installed packages come last."""
    added = plugins("fsm_icl.figures", (), _checked)
    unusable = [NotDrawn(name, why) for name, why in sorted(added.unusable.items())]
    figures = [*FIGURES, *(added.usable[name].value for name in sorted(added.usable))]
    return [figure(findings) for figure in figures] + unusable


def _checked(name: str, found: Any) -> Figure:
    """What a package's entry point refers to. Raises ValueError where it can't be called."""
    if not callable(found):
        raise ValueError(f"expected a function of Findings for {name!r}, found {found!r}")
    return cast("Figure", found)
