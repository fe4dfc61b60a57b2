"""How a sweep is run: none of it changes what the sweep finds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fsm_icl.tracking.account import Destination

if TYPE_CHECKING:
    from fsm_icl.tracking.mode import Choice, Mode

MAX_TRIALS = 10_000
"""A sweep that asks for more trials than this runs with --yes only: a slip in a grid is made quickly."""


@dataclass(frozen=True)
class TuneRequest:
    """Which sweep the command line means, and what to do with it."""

    sweep: str
    scale: str | None
    sets: list[str]
    results: str
    """The folder or URI that holds the sweeps' folders."""
    plan: bool
    yes: bool
    retry_failed: bool
    fresh: bool
    wandb: Choice
    default_scale: str | None = None
    """The scale that is taken where none is given; None: this machine's."""


@dataclass(frozen=True)
class RunOptions:
    """What the command line says beside the sweep itself."""

    wandb: Mode = "offline"
    wandb_to: Destination = field(default_factory=Destination)
    """Where in W&B runs go."""
    address: str | None = None
    """A running Ray cluster; None starts Ray on this machine."""
    max_failures: int = 3
    """How often a trial is begun again after its worker died, before it is left to the next run."""
    stall_limit: float = 1800.0
    """Seconds without a report after which a trial's worker is given up as hung."""


def duration(text: str) -> float:
    """Seconds in a duration such as `90s`, `45m`, `2h` or `1h30m`.

    Raises:
        ValueError: it is none; the message says what would be.
    """
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", text.strip())
    seconds = sum(int(n or 0) * unit for n, unit in zip(match.groups(), (3600, 60, 1), strict=True)) if match else 0
    if not seconds:
        raise ValueError(f"expected a duration such as 90s, 45m, 2h or 1h30m, found {text!r}")
    return float(seconds)
