"""Records, manifest and lock of one sweep in one folder. The driver is its only writer, one driver at a time.

results/spectrum-laptop/  id  lock  sweep.yaml  manifest.json  records/<hash>.json  trials/<hash>/  wandb/  figures/
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import io
import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import fsm_icl
from fsm_icl.folders import read_records
from fsm_icl.records import Manifest, Report, TrialEnd, TrialRecord
from fsm_icl.sweep.search import Planned

PROBE_BYTES = 100_000
LOCK_ATTEMPTS = 4


class StoreError(Exception):
    """The results folder can't be used: what is wrong with it, and what would help."""


class Store:
    """One sweep's folder, locked while open."""

    def __init__(self, folder: Path) -> None:
        """Open or create `folder` and read its records.

        Raises:
            StoreError: it can't be written, another driver has it, or a record in it can't be read.
        """
        self.folder = folder
        try:
            for name in ("records", "trials", "wandb"):
                (folder / name).mkdir(parents=True, exist_ok=True)
            self._lock = _lock(folder / "lock")
            self.id = self._read_id()
        except OSError as error:
            raise StoreError(f"{folder}: cannot be written: {error.strerror}") from error
        try:
            self.records = read_records(folder)  # under the lock: another driver may just have ended
        except ValueError as error:
            self.close()
            raise StoreError(str(error)) from None

    def close(self) -> None:
        """Let another driver in."""
        self._lock.close()

    def __enter__(self) -> Store:
        """The open store."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _read_id(self) -> str:
        path = self.folder / "id"
        if not path.exists():
            write_atomically(path, secrets.token_hex(4))
        found = path.read_text().strip()
        if not re.fullmatch("[0-9a-f]{8}", found):
            raise StoreError(f"{path}: expected 8 hexadecimal digits, found {found[:40]!r}")
        return found

    def trial_folder(self, trial_hash: str) -> Path:
        """Where a trial keeps its checkpoint and log."""
        return self.folder.absolute() / "trials" / trial_hash

    def write(self, planned: Planned, reports: list[Report], end: TrialEnd) -> TrialRecord:
        """Keep an ended trial, and drop the checkpoint of a search trial: nobody will ask for it again.

        Raises:
            OSError: the record could not be written; it is in memory all the same.
        """
        commit, dirty = code_version()
        config = planned.config.model_dump(mode="json")
        record = TrialRecord(hash=planned.hash, config=config, reports=reports, end=end, commit=commit, dirty=dirty)
        known = self.records.get(planned.hash)
        assert known is None or known.config == config, f"two configs with hash {planned.hash}"
        if known is not None:  # taken up again: what W&B has of it is not all any more
            (self.folder / "wandb" / f"{planned.hash}.done").unlink(missing_ok=True)
        self.records[planned.hash] = record
        write_atomically(self.folder / "records" / f"{record.hash}.json", record.model_dump_json())
        folder = self.trial_folder(planned.hash)
        if planned.phase == "search" and record.end.outcome in ("finished", "pruned"):
            shutil.rmtree(folder, ignore_errors=True)
        return record

    def forget_failed(self) -> list[str]:
        """Drop the records of failed trials, and only these, so that they are asked for again, from their first step.

        Their W&B markers go, so that they are logged anew, and their checkpoints, which the faulty code wrote; their
        logs stay. Each record goes last: what is interrupted here is a failed trial still.

        Raises:
            StoreError: a file can't be removed.
        """
        failed = failed_in(self.records)
        for trial in failed:
            paths = [*self.trial_folder(trial).glob("checkpoint*"), self.folder / "wandb" / f"{trial}.done"]
            try:
                for path in [*paths, self.folder / "records" / f"{trial}.json"]:
                    path.unlink(missing_ok=True)
            except OSError as error:
                raise StoreError(f"{error.filename}: cannot be removed: {error.strerror}") from error
            del self.records[trial]
        return failed

    def check_space(self, needed: int) -> None:
        """Raises StoreError when the disk has less than `needed` bytes free."""
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise StoreError(f"{self.folder}: needs about {needed / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free")

    def check_writable(self) -> None:
        """Raises OSError when nothing can be written any more, however little."""
        write_atomically(self.folder / "probe", "x" * PROBE_BYTES)
        (self.folder / "probe").unlink()

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace manifest.json."""
        write_atomically(self.folder / "manifest.json", manifest.model_dump_json(indent=1))

    def write_sweep_file(self, spec: Mapping[str, Any]) -> None:
        """sweep.yaml: the sweep file with the scale and --set applied; it runs as it is."""
        stream = io.StringIO()
        YAML(typ="safe", pure=True).dump(dict(spec), stream)
        write_atomically(self.folder / "sweep.yaml", stream.getvalue())


def failed_in(records: Mapping[str, TrialRecord]) -> list[str]:
    """Hashes of the trials whose code failed."""
    return [trial for trial, record in records.items() if record.end.outcome == "failed"]


def write_atomically(path: Path, text: str) -> None:
    """Write `text` under a temporary name, flush it to the disk, then rename: a reader sees all of it or nothing."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _lock(path: Path) -> io.TextIOWrapper:
    """An exclusive lock that the kernel drops with the process."""
    stream = path.open("a+")
    if not _acquired(stream):
        stream.seek(0)
        owner = stream.read().strip() or "another process"
        stream.close()
        raise StoreError(f"{path.parent}: in use by {owner}; one driver at a time (fsm-icl status looks in)")
    stream.truncate(0)
    stream.write(f"pid {os.getpid()} on {socket.gethostname()}\n")
    stream.flush()
    return stream


def _acquired(stream: io.TextIOWrapper) -> bool:
    """Whether the lock is ours now. Tried for a moment: who asks for a sweep's status holds it for as long."""
    for attempt in range(LOCK_ATTEMPTS):
        time.sleep(0.05 if attempt else 0)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False


@functools.cache
def code_version() -> tuple[str | None, bool]:
    """Git commit of this checkout and whether it has uncommitted changes; (None, False) outside a checkout."""
    root = Path(fsm_icl.__file__).parent.parent
    try:
        commit = _git(root, "rev-parse", "HEAD").strip()
        return commit, bool(_git(root, "status", "--porcelain", "--untracked-files=no").strip())
    except (OSError, subprocess.CalledProcessError):
        return None, False


def _git(root: Path, *arguments: str) -> str:
    if not (root / ".git").exists():  # an installed copy inside someone else's repository
        raise FileNotFoundError(root / ".git")
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
