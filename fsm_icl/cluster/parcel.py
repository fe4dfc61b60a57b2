"""What a job is sent: the code that runs a sweep, from a list of what may travel, so that nothing else does."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsm_icl.cluster import cluster_file
from fsm_icl.commit import sent_along

FOLDERS = ("analysis", "fsm_icl", "tune_configs")
"""What a run imports and reads. Secrets, results and notes lie elsewhere."""
FILES = ("LICENSE", "constraints.txt", "pyproject.toml")
_NEW = {".py", ".yaml", ".yml", ".j2", ".json"}
"""Kinds of files that travel from FOLDERS also where git does not know them yet."""


@dataclass(frozen=True)
class Parcel:
    """A copy of what travels."""

    folder: Path
    names: tuple[str, ...]
    """Of its files, relative to the checkout."""
    new: tuple[str, ...]
    """Those of them that git does not know: the commit does not tell what is in them."""

    @property
    def told(self) -> str:
        """How much it is, and what of it is in no commit."""
        size = sum((self.folder / name).stat().st_size for name in self.names)
        new = f", {len(self.new)} of them in no commit: {', '.join(self.new[:5])}" if self.new else ""
        return f"{len(self.names)} files, {size / 1e6:.1f} MB{new}"

    @property
    def runtime_env(self) -> dict[str, Any]:
        """As Ray wants it: the code, and which commit it is."""
        return {"working_dir": str(self.folder), "env_vars": sent_along(bool(self.new))}


def packed(sweep: str | None = None) -> Parcel:
    """A parcel in a temporary folder, which goes when this process does; with the sweep file, if that is one.

    Raises:
        ValueError: this is no checkout.
    """
    cluster_file.pinned()
    known, others = _tracked(), _untracked()
    mine = [] if sweep is None or Path(sweep).suffix not in (".yaml", ".yml") else [_inside(Path(sweep))]
    new = sorted({name for name in [*others, *mine] if name not in known and (name in mine or _travels(name, _NEW))})
    names = sorted({name for name in known if _travels(name)} | set(new))
    folder = Path(tempfile.mkdtemp(prefix="fsm-icl-code-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in names:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(cluster_file.ROOT / name, target)
    # The sweep file itself is part of no commit's identity: its content is in the manifest.
    return Parcel(folder, tuple(names), tuple(name for name in new if name not in mine))


def _inside(path: Path) -> str:
    return str(path.resolve().relative_to(cluster_file.ROOT))


def _travels(name: str, kinds: set[str] | None = None) -> bool:
    """Whether a file, by its name in the checkout, may leave it."""
    path = Path(name)
    if any(part.startswith(".") or part == "__pycache__" for part in path.parts):
        return False
    if not (cluster_file.ROOT / name).is_file():  # deleted, but not in git yet
        return False
    return name in FILES or (path.parts[0] in FOLDERS and (kinds is None or path.suffix in kinds))


def _tracked() -> set[str]:
    """Files that git knows; where there is no git, those of what may travel."""
    said = _git("ls-files", "-z")
    return {*FILES, *_everything()} if said is None else set(said.split("\0")) - {""}


def _untracked() -> list[str]:
    """Files that git neither knows nor ignores."""
    said = _git("ls-files", "-z", "--others", "--exclude-standard", "--", *FOLDERS)
    return [name for name in (said or "").split("\0") if name]


def _everything() -> Iterator[str]:
    for folder in FOLDERS:
        yield from (
            str(path.relative_to(cluster_file.ROOT))
            for path in (cluster_file.ROOT / folder).rglob("*")
            if path.is_file()
        )


def _git(*arguments: str) -> str | None:
    """What git says; None where this is no checkout of its own or there is no git."""
    if not (cluster_file.ROOT / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(cluster_file.ROOT), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
