"""Which code this is, for records: the commit of this checkout, or the one that was sent along with a copy of it."""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The checkout, or the folder of an installed copy."""
_SENT = "FSM_ICL_COMMIT"
_DIRTY = "+"


@functools.cache
def code_version() -> tuple[str | None, bool]:
    """Git commit of this code and whether it had uncommitted changes; (None, False) where nothing says which.

    A checkout knows it; a copy without `.git`, as on a cluster, was told by whoever sent it, see `sent_along`.
    """
    if not (ROOT / ".git").exists():  # git itself would take the repository that an installed copy may lie in
        sent = os.environ.get(_SENT, "")
        return sent.removesuffix(_DIRTY) or None, sent.endswith(_DIRTY)
    try:
        return _git(ROOT, "rev-parse", "HEAD"), bool(_git(ROOT, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return None, False


def sent_along(more: bool = False) -> dict[str, str]:
    """Environment variables that tell a copy of this code which commit it is; none where that isn't known.

    `more`: the copy holds code that is in no commit.
    """
    commit, dirty = code_version()
    return {} if commit is None else {_SENT: commit + _DIRTY * (dirty or more)}


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
