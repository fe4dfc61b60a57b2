"""Where a sweep's lines go."""

from __future__ import annotations

import sys
from typing import NoReturn

from rich.console import Console


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        """Raise what was caught: rich would end the process without a word, in the middle of a sweep."""
        raise BrokenPipeError


def sweep_console() -> Console:
    """A console as wide as the terminal, or 110 columns. Printing raises BrokenPipeError where nobody reads it."""
    return _Console(width=None if sys.stdout.isatty() else 110)
