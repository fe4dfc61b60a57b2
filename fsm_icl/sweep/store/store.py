"""Records, manifest and lock of one sweep in one folder. The driver is its only writer, one driver at a time."""

from __future__ import annotations

import contextlib
import io
import platform
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from fsm_icl.commit import code_version
from fsm_icl.results.compact import Compactor
from fsm_icl.results.files import (
    exists,
    found,
    is_local,
    read_bytes,
    remove,
    remove_tree,
    write_atomically,
)
from fsm_icl.results.layout import SweepFolder, TrialFolder
from fsm_icl.results.reading import parse_json, read_manifest
from fsm_icl.results.records import Manifest, Report, TrialEnd, TrialRecord
from fsm_icl.sweep.file.planned import PlannedTrial
from fsm_icl.sweep.store.declarations import DeclarationLog
from fsm_icl.sweep.store.lock import LockedError, lock
from fsm_icl.sweep.store.own_records import read_own_records
from fsm_icl.sweep.store.probe import PROBE, probe
from fsm_icl.training import checkpoint
from fsm_icl.training.config import TrialConfig

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder

PROBE_BYTES = 100_000


class StoreError(Exception):
    """The results folder can't be used: what is wrong with it, and what would help."""


class Store:
    """One sweep's folder, locked while open."""

    def __init__(self, folder: Folder) -> None:
        """Open or create `folder` and read its records.

        Raises:
            StoreError: it can't be written, another driver has it, or a record in it can't be read.
        """
        self.folder, self.layout = folder, SweepFolder(folder)
        with _as_store_errors(folder), contextlib.ExitStack() as undo:
            if is_local(folder):
                for made in (self.layout.records, self.layout.trials):
                    made.mkdir(parents=True, exist_ok=True)
            self._lock = undo.enter_context(contextlib.closing(lock(folder)))
            self.id = self._read_id()
            self.local = SweepFolder(folder).local(self.id)
            SweepFolder(self.local).wandb.mkdir(parents=True, exist_ok=True)
            probe(folder)
            self._compact = Compactor()
            self.records = read_own_records(folder)  # under the lock: another driver may just have ended
            self.declarations = DeclarationLog.read(folder)
            self._remove_left_overs()
            undo.pop_all()  # all is well: it stays locked

    def close(self) -> None:
        """Let another driver in."""
        self._lock.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _remove_left_overs(self) -> None:
        """What writers that died have left behind, and checkpoints of trials that have ended since."""
        if is_local(self.folder):
            for path in [*self.layout.left_behind(), *found(self.folder, f"{PROBE}-*")]:
                remove(path)
        written = self.layout.records_modified()
        recorded = {path.stem: when for path, when in written.items()}
        for trial, when in self.layout.checkpoints_modified().items():
            if when <= recorded.get(trial, 0):  # a newer one is of a trial that was taken up again
                self._drop_checkpoint(self.records[trial])

    def _drop_checkpoint(self, record: TrialRecord) -> None:
        folder = self.trial_folder(record.hash)
        if record.phase == "search" and record.end.outcome in ("finished", "pruned"):
            remove_tree(folder.path)
        else:
            checkpoint.forget(folder.path)

    def _read_id(self) -> str:
        path = self.layout.id
        if not exists(path):
            self._check_new()
            write_atomically(path, secrets.token_hex(4))
        text = read_bytes(path).decode(errors="replace").strip()
        if not re.fullmatch("[0-9a-f]{8}", text):
            raise StoreError(f"{path}: expected 8 hexadecimal digits, found {text[:40]!r}")
        return text

    def _check_new(self) -> None:
        """Raises StoreError where the folder has had an id: with another, its W&B runs would belong to nobody."""
        if exists(self.layout.manifest):
            try:
                known = read_manifest(self.folder).id
            except ValueError:
                known = "8 hexadecimal digits"
            raise StoreError(f"{self.layout.id}: is missing, though a driver has been here; write {known} into it")

    def trial_folder(self, trial_hash: str) -> TrialFolder[Folder]:
        """Where a trial keeps its checkpoint and log."""
        return self.layout.trial(trial_hash)

    def write(self, planned: PlannedTrial, reports: list[Report], end: TrialEnd) -> TrialRecord:
        """Keep an ended trial, and drop its checkpoint: nobody will ask for it again.

        Raises:
            OSError: the record could not be written, or the folder is another driver's by now; it is in memory all
                the same.
        """
        commit, dirty = code_version()
        config = planned.config.model_dump(mode="json")
        record = TrialRecord(
            hash=planned.hash,
            config=config,
            place=planned.place,
            reports=reports,
            end=end,
            commit=commit,
            dirty=dirty,
        )
        known = self.records.get(planned.hash)
        # Through the type: a record of an earlier version lacks fields that have come since.
        same = known is None or TrialConfig.model_validate(known.config) == planned.config
        assert same, f"two configs with hash {planned.hash}"
        if known is not None:  # taken up again: what W&B has of it is not all any more
            remove(self.layout.marker(planned.hash))
        self.records[planned.hash] = self._compact(record)
        self._lock.check()
        write_atomically(self.layout.record(record.hash), record.model_dump_json())
        self._drop_checkpoint(record)
        return record

    def read(self, trial_hash: str) -> TrialRecord:
        """A record in full; `records` has what the protocol reads. Raises OSError or ValueError, naming the file."""
        path = self.layout.record(trial_hash)
        return parse_json(path, read_bytes(path), TrialRecord)

    def forget_failed(self) -> list[str]:
        """Drop the records of failed trials, and only these, so that they are asked for again, from their first step.

        Their W&B markers go, so that they are logged anew; their logs stay. Each record goes last: what is interrupted
        here is a failed trial still.

        Raises:
            StoreError: a file can't be removed.
        """
        failed = failed_in(self.records)
        for trial in failed:
            try:
                remove(self.layout.marker(trial))
                remove(self.layout.record(trial))
            except OSError as error:
                raise StoreError(f"{error.filename}: cannot be removed: {error.strerror}") from error
            del self.records[trial]
        return failed

    def check_space(self, needed: int) -> None:
        """Raises StoreError when the disk has less than `needed` bytes free. Object stores have no end."""
        free = shutil.disk_usage(self.local).free
        if is_local(self.folder) and free < needed:
            raise StoreError(f"{self.folder}: needs about {needed / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free")

    def check_writable(self) -> None:
        """Raises OSError when nothing can be written any more, however little, or not by this driver."""
        self._lock.check()
        probe(self.folder, PROBE_BYTES)

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace manifest.json. Raises OSError, also when the folder is another driver's by now."""
        self._lock.check()
        write_atomically(self.layout.manifest, manifest.model_dump_json(indent=1))

    def declare(self, log: DeclarationLog) -> None:
        """Replace declarations.json. Raises OSError, also when the folder is another driver's by now."""
        if log != self.declarations:
            self._lock.check()
            write_atomically(self.layout.declarations, log.model_dump_json(indent=1))
            self.declarations = log

    def write_sweep_file(self, spec: Mapping[str, Any]) -> None:
        """sweep.yaml: the sweep file with the scale and --set applied; it runs as it is."""
        stream, yaml = io.StringIO(), YAML(typ="safe", pure=True)
        # The order of a grid's keys is that in its cells' labels.
        yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
        yaml.dump(dict(spec), stream)
        write_atomically(self.layout.sweep_file, stream.getvalue())


@contextlib.contextmanager
def _as_store_errors(folder: Folder) -> Iterator[None]:
    """What can go wrong with a folder while it is opened, as a StoreError."""
    try:
        yield
    except LockedError as error:
        raise StoreError(f"{folder}: in use by {error}; one driver at a time (fsm-icl status looks in)") from None
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written by {platform.node()}: {error.strerror}") from error
    except ValueError as error:
        raise StoreError(str(error)) from None


def failed_in(records: Mapping[str, TrialRecord]) -> list[str]:
    """Hashes of the trials whose code failed."""
    return [trial for trial, record in records.items() if record.end.outcome == "failed"]
