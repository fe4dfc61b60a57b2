"""Where each thing lies in a sweep's results folder. No other file spells a name that is used there.

results/spectrum-laptop/  id  lock  sweep.yaml  manifest.json  declarations.json  records/<hash>.json
                          trials/<hash>/  checkpoint.pt  weights.pt  weights.pt.sha256  log.txt  stack.txt
                          wandb/<hash>.done  wandb/sweep.sent  figures/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from fsm_icl.results.files import TEMPORARY, found, modified

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder

Place = TypeVar("Place", bound="Folder")
"""A path of this machine stays one."""

RECORD_FILES = "[!.]*.json"
"""Pattern of the files of records; hidden files are of editors, or still being written."""
_MARKER = ".done"


@dataclass(frozen=True)
class TrialFolder(Generic[Place]):
    """What a trial leaves behind beside its record."""

    path: Place

    @property
    def checkpoint(self) -> Place:
        """What the trial needs to go on where it was stopped."""
        return _below(self.path, "checkpoint.pt")

    @property
    def weights(self) -> Place:
        """The trained weights of a measure trial."""
        return _below(self.path, "weights.pt")

    @property
    def weights_digest(self) -> Place:
        """SHA-256 of the weights."""
        return _below(self.path, "weights.pt.sha256")

    @property
    def log(self) -> Place:
        """Trace-backs; written by failures only."""
        return _below(self.path, "log.txt")

    @property
    def stack(self) -> Place:
        """Where the trial's worker stood when it was given up as hung."""
        return _below(self.path, "stack.txt")

    @property
    def sweep(self) -> SweepFolder[Place]:
        """The folder of the trial's sweep."""
        return SweepFolder(cast("Place", self.path.parent.parent))


@dataclass(frozen=True)
class SweepFolder(Generic[Place]):
    """A sweep's results folder, on a disk or in an object store."""

    path: Place

    @property
    def id(self) -> Place:
        """8 hexadecimal digits, written once."""
        return _below(self.path, "id")

    @property
    def lock(self) -> Place:
        """Held by the driver that works in the folder."""
        return _below(self.path, "lock")

    @property
    def sweep_file(self) -> Place:
        """The sweep file with the scale and --set applied."""
        return _below(self.path, "sweep.yaml")

    @property
    def manifest(self) -> Place:
        """What the sweep asks for and where it stands."""
        return _below(self.path, "manifest.json")

    @property
    def declarations(self) -> Place:
        """Every version of every claim, and when it was declared."""
        return _below(self.path, "declarations.json")

    @property
    def records(self) -> Place:
        """One file per ended trial."""
        return _below(self.path, "records")

    @property
    def trials(self) -> Place:
        """One folder per trial that has begun."""
        return _below(self.path, "trials")

    @property
    def wandb(self) -> Place:
        """Logs of W&B runs, and markers of those that are complete."""
        return _below(self.path, "wandb")

    @property
    def sweep_sent(self) -> Place:
        """Says with which manifest the server has the sweep's own run."""
        return _below(self.wandb, "sweep.sent")

    @property
    def figures(self) -> Place:
        """What analysis writes."""
        return _below(self.path, "figures")

    def record(self, trial_hash: str) -> Place:
        """The file of a trial's record."""
        return _below(self.records, f"{trial_hash}.json")

    def trial(self, trial_hash: str) -> TrialFolder[Place]:
        """The folder of a trial, absolute, so that every process means the same."""
        return TrialFolder(_below(_below(cast("Place", self.path.absolute()), "trials"), trial_hash))

    def marker(self, trial_hash: str) -> Place:
        """Says that W&B has all of the trial's record."""
        return _below(self.wandb, f"{trial_hash}{_MARKER}")

    def records_modified(self) -> Mapping[Folder, float]:
        """The files of records, and when each was written, in Unix seconds."""
        return modified(self.records, RECORD_FILES)

    def checkpoints_modified(self) -> Mapping[str, float]:
        """Hash -> when the trial's checkpoint was written, in Unix seconds."""
        written = modified(self.trials, f"*/{TrialFolder(Path()).checkpoint.name}")
        return {path.parent.name: changed for path, changed in written.items()}

    def left_behind(self) -> list[Folder]:
        """Files that writers were writing when they died."""
        patterns = (f".*{TEMPORARY}", f"records/.*{TEMPORARY}", f"trials/*/.*{TEMPORARY}")
        return [path for pattern in patterns for path in found(self.path, pattern)]

    def local(self, sweep_id: str) -> Path:
        """Where W&B logs and figures go: the folder itself, or, for one that is elsewhere, one on this machine."""
        return self.path if isinstance(self.path, Path) else Path("results") / f"{self.path.name}-{sweep_id}"


MARKER_FILES = f"*{_MARKER}"


def marked_trial(marker: Folder) -> str:
    """The hash of the trial that a marker stands for."""
    return marker.name.removesuffix(_MARKER)


def _below(place: Place, name: str) -> Place:
    return cast("Place", place / name)
