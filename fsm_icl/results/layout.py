"""Results folders: what SWEEP means in a command, and what lies in a sweep's folder. Reads only, no torch."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from fsm_icl.hardware import num_gpus
from fsm_icl.results.files import (
    as_folder,
    each_read,
    exists,
    found,
    is_local,
    listed,
    normal,
    read_bytes,
    refuse_dangling,
    told,
)
from fsm_icl.results.record_checks import contradictions
from fsm_icl.results.records import Manifest, TrialRecord

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder


def default_scale(gpus: int | None = None) -> str:
    """`paper` where there are GPUs, else `laptop`; without a number those of this machine that are visible."""
    return "paper" if (num_gpus() if gpus is None else gpus) else "laptop"


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
    there = folder / "records"
    try:
        if is_local(there) and there.exists() and not there.is_dir():
            raise ValueError(f"{there}: is a file; expected the folder of the records: move it away")
        yield from each_read(there, "[!.]*.json")
    except OSError as error:
        raise ValueError(f"cannot be read: {told(error)}") from None


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
    path = folder / "manifest.json"
    try:
        return parse_json(path, read_bytes(path), Manifest)
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"{folder} is not a sweep's folder: it has no manifest.json") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {told(error)}") from None


def is_imported(folder: Folder) -> bool:
    """Whether `folder` is one that `fsm-icl import` wrote. Raises ValueError where that can't be read."""
    return exists(folder / "manifest.json") and read_manifest(folder).imported


def local_folder(folder: Folder, sweep_id: str) -> Path:
    """Where W&B runs and figures of a sweep lie: in its folder, or where that is elsewhere, in one on this machine."""
    return folder if isinstance(folder, Path) else Path("results") / f"{folder.name}-{sweep_id}"


RETRAIN = "move the file away, and the trial is trained again"
"""What helps where a record can't be believed."""
UNREADABLE = ("", "")
"""Stands for the names in a manifest that can't be read."""
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


def sweep_folders(sweep: str, scale: str, results: Folder) -> list[Folder]:
    """Folders of one sweep and scale, oldest first: results/<sweep>-<scale>, then what --fresh made: -2, -3, ...

    One whose manifest can't be read is among them: its name is right, and whoever reads it will say what is wrong.
    """
    mine = ((normal(sweep), scale), UNREADABLE, None)
    return [path for path in folders_called(sweep, scale, results) if named(path) in mine]


def folders_called(sweep: str, scale: str, results: Folder) -> list[Folder]:
    """Folders whose names are those of one sweep and scale, as `sweep_folders`, whatever their manifests say.

    Raises:
        ValueError: one of them is a link to what is not there.
    """
    sweep = normal(sweep)
    name = re.compile(re.escape(f"{sweep}-{scale}") + r"(?:-(\d+))?")
    numbered = {path: name.fullmatch(normal(path.name)) for path in listed(results)}
    order = {path: int(match[1] or 1) for path, match in numbered.items() if match}
    for path in order:
        refuse_dangling(path)
    return sorted(order, key=order.__getitem__)


def fresh_folder(sweep: str, scale: str, results: Folder) -> Folder:
    """The next folder of one sweep and scale that does not exist yet."""
    taken = {normal(path.name) for path in listed(results)}
    names = (f"{sweep}-{scale}{suffix}" for suffix in ("", *(f"-{n}" for n in range(2, 10**6))))
    return next(results / name for name in names if normal(name) not in taken)


def sweep_around(folder: Folder) -> Folder | None:
    """The sweep's folder that `folder` is, or lies in; None where it is none, and may hold sweeps."""
    for path in (folder, *folder.absolute().parents) if is_local(folder) else (folder,):
        if exists(path / "manifest.json") and named(path) not in (None, UNREADABLE):
            return path
        if exists(path / "id") and exists(path / "records"):
            return path
    return None


def refuse_sweep(results: Folder) -> None:
    """Raises ValueError where `results`, which is to hold sweeps' folders, is or lies in one."""
    if (sweep := sweep_around(results)) is not None:
        where = "is itself" if sweep == results else f"lies in {sweep}, which is"
        raise ValueError(
            f"--results {results} {where} a sweep's folder; name the folder that holds it: "
            f"--results {shlex.quote(str(sweep.parent))}"
        )


def sweep_folder(sweep: str, scale: str | None, results: Folder) -> Folder:
    """The folder SWEEP means in a command: itself if it is one or a URI, else the newest of that name and scale.

    Without a scale it is the machine's default one, or the only one there is.

    Raises:
        ValueError: nothing is there; the message lists the sweeps that are.
    """
    folder = as_folder(sweep)
    if not is_local(folder) or exists(folder / "manifest.json"):
        return folder
    there, sweep = [path.parent for path in found(results, "*/manifest.json")], normal(sweep)
    scales = {names[1] for path in there if (names := named(path)) and names[0] == sweep}
    chosen = scale or default_scale()
    if scale is None and chosen not in scales and len(scales) == 1:
        (chosen,) = scales
    folders = [path for path in sweep_folders(sweep, chosen, results) if path in there]
    if not folders:
        refuse_sweep(results)
        others = ", ".join(path.name for path in there) or "none"
        raise ValueError(f"no sweep at {sweep!r} nor at {results / f'{sweep}-{chosen}'} (in {results}: {others})")
    return folders[-1]


def named(folder: Folder) -> tuple[str, str] | None:
    """Sweep and scale of a folder: two fields of its manifest, read without checking the rest; None without one."""
    try:
        plain = json.loads(read_bytes(folder / "manifest.json"))
        return normal(str(plain["sweep"])), str(plain["scale"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return UNREADABLE
