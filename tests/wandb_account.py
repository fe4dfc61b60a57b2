"""What a process needs so that its wandb talks to a double, or to nobody, and leaves this machine's own settings be."""

from __future__ import annotations

import os
from pathlib import Path

from tests.wandb_double import Double


def environment(home: Path, double: Double | None = None) -> dict[str, str]:
    """The environment of a process whose home is `home`; without a double it has no account."""
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    return kept | {"HOME": str(home), "NETRC": str(home / "netrc")} | (double.environment if double else {})
