"""What `wandb sync` writes down while it works: that something arrives, and what was refused though it says nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

_LOST = re.compile(r"failed to (log artifact|upload|send|save)|giving up|filestream: fatal|quota", re.IGNORECASE)
"""Errors after which something of a run is missing on the server."""
_NO_PROGRESS = re.compile(r"retry|error|timeout|failed", re.IGNORECASE)
_WHY = re.compile(r'"(?:message|error)": ?"([^"]+)"')
"""The server's own words, in the body of its answer."""


class Diary:
    """The lines of one call, read as they come."""

    def __init__(self, home: Path) -> None:
        """`home` is the sweep's `wandb/`, in which `wandb sync` was started."""
        self._home = home
        self._read: dict[Path, int] = {}
        self.signs = 0
        """Lines that say that something went on."""
        self.failures: dict[str, str] = {}
        """Log, relative to `home` -> what of it was refused."""

    @property
    def problem(self) -> str | None:
        """The first thing that was refused."""
        return next((f"W&B did not take all of it: {why}" for why in self.failures.values()), None)

    def read(self) -> int:
        """Read on; returns `signs`."""
        for path in sorted((self._home / "wandb" / "logs").glob("debug-sync*.log")):
            with path.open("rb") as stream:
                stream.seek(self._read.get(path, 0))
                content = stream.read()
            whole = content[: content.rfind(b"\n") + 1]
            self._read[path] = self._read.get(path, 0) + len(whole)
            for line in whole.splitlines():
                self._take(line)
        return self.signs

    def _take(self, line: bytes) -> None:
        entry = _entry(line)
        if (why := _lost(entry)) is not None and "sync_path" in entry:
            self.failures.setdefault(str(entry["sync_path"]), why)
        elif not _is_trouble(entry) and not _NO_PROGRESS.search(str(entry.get("msg", "retry"))):
            self.signs += 1


def refused_in(diary: Path) -> str | None:
    """What the server refused of a run, by what wandb wrote down while it sent it; None where it took all."""
    try:
        lines = diary.read_bytes().splitlines()
    except OSError:
        return None
    return next((why for line in lines if (why := _lost(_entry(line))) is not None), None)


def _entry(line: bytes) -> dict[str, Any]:
    """A line that is none of theirs says nothing."""
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _is_trouble(entry: dict[str, Any]) -> bool:
    return str(entry.get("level")).startswith(("ERROR", "WARN"))  # a fatal one is ERROR+4


def _lost(entry: dict[str, Any]) -> str | None:
    message = str(entry.get("msg", ""))
    lost = str(entry.get("level")).startswith("ERROR") and _LOST.search(message)
    return _words(message) if lost else None


def _words(message: str) -> str:
    plain = message.replace('\\"', '"')
    found = _WHY.search(plain)
    return found[1] if found else plain.splitlines()[0][:300]
