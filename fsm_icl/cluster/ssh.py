"""A machine of a cluster file, entered over SSH with the user and the key that the file names."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_SSH = (
    "ssh -o StrictHostKeyChecking=accept-new -o BatchMode=yes -o ConnectTimeout=20 "
    "-o ServerAliveInterval=5 -o ServerAliveCountMax=3"  # a machine that goes away meanwhile is given up after 15 s
)


class Host:
    """One of them."""

    def __init__(self, config: Mapping[str, Any], address: str) -> None:
        """`config` is what the cluster file says. Raises ValueError when it names no user."""
        auth = config.get("auth") or {}
        if not auth.get("ssh_user"):
            raise ValueError("auth.ssh_user is missing: who may log in on the cluster's machines?")
        self.name = f"{auth['ssh_user']}@{address}"
        key = Path(auth.get("ssh_private_key", "~/.ssh/id_ed25519")).expanduser()
        self.ssh = f"{_SSH} -i {shlex.quote(str(key))}"
        """As one string, for rsync's --rsh."""

    def command(self, command: str) -> list[str]:
        """What runs a shell command there; give it to subprocess."""
        return [*shlex.split(self.ssh), self.name, command]
