"""Reads the records and the manifest of a results folder; a problem is told with file and field. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from fsm_icl.results.files import each_read, exists, is_local, os_error_text, read_bytes
from fsm_icl.results.layout import RECORD_FILES, SweepFolder
from fsm_icl.results.record_checks import contradictions
from fsm_icl.results.records import Manifest, TrialRecord

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder

RETRAIN = "move the file away, and the trial is trained again"
"""What helps where a record can't be believed."""
Model = TypeVar("Model", bound=BaseModel)


def parse_json(path: Folder, content: bytes, model: type[Model], row: str | None = None) -> Model:
    """A file's content as a `model`. Raises ValueError naming the file, its row and the first field that is wrong."""
    try:
        return model.model_validate_json(content, strict=True)
    except ValidationError as error:
        where = f"{path} ({row})" if row else str(path)
        raise ValueError(f"{where}: {first_problem(error)}") from error


def first_problem(error: ValidationError, *within: str) -> str:
    """The first field that is wrong, below `within`, what is wrong with it, and how many more there are."""
    first = error.errors(include_url=False, include_context=False)[0]
    field = ".".join(map(str, (*within, *first["loc"])))
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{f'{field}: ' if field else ''}{first['msg']}{more}"


def read_records(folder: Folder, places: Mapping[str, str] | None = None) -> dict[str, TrialRecord]:
    """Hash -> record, for every record in a sweep's folder; as `each_record`."""
    return {record.hash: record for record in each_record(folder, places)}


def each_record(folder: Folder, places: Mapping[str, str] | None = None) -> Iterator[TrialRecord]:
    """Every record in a sweep's folder, one at a time; none where there is no such folder. Writes nothing.

    `places`, hash -> where a trial stands in its sweep, lets messages name the row.

    Raises:
        ValueError: a file can't be read, is no record, holds another trial's or contradicts itself; the message names
            it.
    """
    for path, content in record_files(folder):
        row = (places or {}).get(path.stem)
        yield _checked(path, parse_json(path, content, TrialRecord, row), row)


def record_files(folder: Folder) -> Iterator[tuple[Folder, bytes]]:
    """Path and content of every record's file in a sweep's folder. Raises ValueError where one can't be read."""
    there = SweepFolder(folder).records
    try:
        if is_local(there) and there.exists() and not there.is_dir():
            raise ValueError(f"{there}: is a file; expected the folder of the records: move it away")
        yield from each_read(there, RECORD_FILES)
    except OSError as error:
        raise ValueError(f"cannot be read: {os_error_text(error)}") from None


def _checked(path: Folder, record: TrialRecord, row: str | None) -> TrialRecord:
    """The record, where it lies where it belongs and agrees with itself. Raises ValueError where it does not."""
    check_place(path, record.hash)
    for problem in () if record.imported else contradictions(record):
        where = f"{path} ({row})" if row else str(path)
        raise ValueError(f"{where}: {problem}; {RETRAIN}")
    return record


def check_place(path: Folder, trial: str) -> None:
    """Raises ValueError where the record of `trial` lies in another's file, as in a copy that a file manager made."""
    if trial != path.stem:
        raise ValueError(f"{path}: holds the record of {trial}, so it is not where it belongs; move it away")


def read_manifest(folder: Folder) -> Manifest:
    """The manifest of a sweep's folder. Raises ValueError naming the file when there is none that can be read."""
    path = SweepFolder(folder).manifest
    try:
        return parse_json(path, read_bytes(path), Manifest)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"{folder} is not a sweep's folder: it has no manifest.json") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {os_error_text(error)}") from None


def is_imported(folder: Folder) -> bool:
    """Whether `folder` is one that `fsm-icl import` wrote. Raises ValueError where that can't be read."""
    return exists(SweepFolder(folder).manifest) and read_manifest(folder).imported
