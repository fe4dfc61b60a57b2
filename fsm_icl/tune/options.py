"""How a sweep is run: none of it changes what the sweep finds."""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fsm_icl.sweep.wandb_mode import Choice, Mode

MAX_TRIALS = 10_000
"""A sweep that asks for more trials than this runs with --yes only: a slip in a grid is made quickly."""


@dataclass(frozen=True)
class Asked:
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
    address: str | None = None
    """A running Ray cluster; None starts Ray on this machine."""
    max_failures: int = 3
    """How often a trial is begun again after its worker died, before it is left to the next run."""
    time_limit: float | None = None
    """Seconds after which the driver ends; the same command goes on from there."""
    stall_limit: float = 1800.0
    """Seconds without a report after which a trial's worker is given up as hung."""


class TimeLimitReached(KeyboardInterrupt):
    """The time limit has passed. Like Ctrl-C it passes through everything on its way out."""


class Terminated(KeyboardInterrupt):
    """SIGTERM: a scheduler or a shutdown wants the machine."""


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


@contextlib.contextmanager
def interruptions(time_limit: float | None) -> Iterator[None]:
    """Inside, SIGTERM and the end of the time limit raise in the main thread, as Ctrl-C does."""
    why: list[type[KeyboardInterrupt]] = []

    def end(number: int, _: FrameType | None) -> None:
        why.append(TimeLimitReached if number == signal.SIGALRM else Terminated)
        raise why[0]

    before = {number: signal.signal(number, end) for number in (signal.SIGALRM, signal.SIGTERM)}
    try:
        signal.setitimer(signal.ITIMER_REAL, time_limit or 0)
        yield
    except KeyboardInterrupt:
        raise (why[0] if why else KeyboardInterrupt) from None  # Ray's own code turns each into a plain one
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
