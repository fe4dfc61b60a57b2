"""Records as whoever trains reads them: each is the trial that its hash stands for. And which folder is a sweep's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from fsm_icl.models.registry import plugin_of
from fsm_icl.results.compact import Compactor
from fsm_icl.results.files import is_local
from fsm_icl.results.layout import SweepFolder
from fsm_icl.results.lookup import UNREADABLE, folders_called, names_in_manifest
from fsm_icl.results.reading import RETRAIN, each_record, first_problem, read_manifest
from fsm_icl.results.records import TrialRecord
from fsm_icl.sweep.file.cells import Cell
from fsm_icl.sweep.file.content import CellIndex
from fsm_icl.task.registry import family_plugin
from fsm_icl.training.config import TrialConfig

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder


def read_own_records(folder: Folder) -> dict[str, TrialRecord]:
    """Hash -> record, each checked, its config with its hash, too; in little memory (see `Compactor`).

    Raises:
        ValueError: as `each_record`, or a config was changed after its trial had ended.
    """
    compact = Compactor()
    return {record.hash: compact(record) for record in _own_records(folder)}


def _own_records(folder: Folder) -> Iterator[TrialRecord]:
    for record in each_record(folder):
        if not record.imported:
            _check_config(SweepFolder(folder).record(record.hash), record)
        yield record


def _check_config(path: Folder, record: TrialRecord) -> None:
    try:
        config = TrialConfig.model_validate(record.config)
    except ValidationError as error:
        raise ValueError(f"{path}: {first_problem(error, 'config')}; {RETRAIN}") from None
    if (made := config.fingerprint()) != record.hash:
        added = (plugin_of(config.model), family_plugin(config.task))
        packages = " or ".join(dict.fromkeys(plugin.distribution for plugin in added if plugin is not None))
        too = f", or the results_version of {packages} was" if packages else ""
        raise ValueError(f"{path}: config: its hash is {made[:12]}..., so it was changed{too}; {RETRAIN}")


def home_of(sweep: str, scale: str, cells: Sequence[Cell], results: Folder) -> Folder | None:
    """The newest folder in `results` of one sweep and scale; None where there is none.

    A folder's manifest says whose it is; where that can't be read, or names another sweep, its records decide.

    Raises:
        ValueError: neither can tell; or a record can't be read.
    """
    return next((f for f in reversed(folders_called(sweep, scale, results)) if _is_home(f, sweep, scale, cells)), None)


def _is_home(folder: Folder, sweep: str, scale: str, cells: Sequence[Cell]) -> bool:
    path = SweepFolder(folder).manifest
    if is_local(path) and path.is_dir():
        raise ValueError(f"{path}: is a folder; move it away: the manifest is written anew")
    names = names_in_manifest(folder)
    if names in (None, (sweep, scale)):
        return True
    records = read_own_records(folder)
    if _are_of(records, cells):
        return True
    if names != UNREADABLE:
        return False
    try:
        read_manifest(folder)
        why = "it does not say of which sweep it is"
    except ValueError as error:
        why = str(error)
    unknown = "no record beside it is of this sweep" if records else "there is no record beside it"
    raise ValueError(
        f"{why}; {unknown}, so nothing tells whose folder this is: move the file away if it is this sweep's "
        "(it is written anew), else the folder"
    )


def _are_of(records: Mapping[str, TrialRecord], cells: Sequence[Cell]) -> bool:
    index = CellIndex(cells)
    return any(index.find(record) is not None for record in records.values())
