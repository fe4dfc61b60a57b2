"""The secret that every part of a Ray cluster has to show. It is never printed, logged or committed."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path


def token_path() -> Path:
    """Where Ray looks for it: $RAY_AUTH_TOKEN_PATH, else ~/.ray/auth_token."""
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")


def ensure_token() -> bool:
    """Make a token that its owner alone can read, unless there is one; True if it was made.

    `ray get-auth-token --generate` prints the token and leaves a file that everybody can read.

    Raises:
        ValueError: there is a file, but it can't serve; the message says why and what to do.
    """
    path = token_path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if problem := token_problem():
            raise ValueError(problem) from None
        return False
    with os.fdopen(descriptor, "w") as stream:
        stream.write(secrets.token_hex(32))
    return True


def token_problem() -> str | None:
    """Why the token can't be used, and what would help; None if all is well."""
    path = token_path()
    if not path.is_file():
        return f"{path}: there is no token; make one with `fsm-icl cluster token`"
    if mode := stat.S_IMODE(path.stat().st_mode) & 0o077:
        return f"{path}: others may read or write it (mode {mode:03o} too much); run chmod 600 {path}"
    if not path.read_text().strip():
        return f"{path}: is empty; remove it and run `fsm-icl cluster token`"
    return None
