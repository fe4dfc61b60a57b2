"""Results folders: what SWEEP means in a command, and what lies in a sweep's folder. Reads only, no torch."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from fsm_icl.files import (
    as_folder,
    exists,
    found,
    is_local,
    listed,
    normal,
    read_all,
    read_bytes,
    refuse_dangling,
    told,
)
from fsm_icl.records import Manifest, TrialRecord

if TYPE_CHECKING:
    from fsm_icl.files import Folder


def num_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def num_gpus() -> int:
    """Visible NVIDIA GPUs, as the driver says; needs no torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    there = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    return there if visible is None else min(there, len([d for d in visible.split(",") if d not in ("", "-1")]))


def default_scale() -> str:
    """`paper` on a machine with a visible NVIDIA GPU, else `laptop`."""
    return "paper" if num_gpus() else "laptop"


def read_records(folder: Folder, places: Mapping[str, str] | None = None) -> dict[str, TrialRecord]:
    """Hash -> record, for every record in a sweep's folder; empty when there is none. Writes nothing.

    `places`, hash -> where a trial stands in its sweep, lets messages name the row.

    Raises:
        ValueError: a file can't be read, is no record, or holds another trial's; the message names it.
    """
    records = {}
    try:
        contents = read_all(folder / "records", "[!.]*.json")
    except OSError as error:
        raise ValueError(f"cannot be read: {told(error)}") from None
    for path, content in contents.items():
        record = parse_json(path, content, TrialRecord, (places or {}).get(path.stem))
        check_place(path, record.hash)
        records[record.hash] = record
    return records


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


Model = TypeVar("Model", bound=BaseModel)


def parse_json(path: Folder, content: bytes, model: type[Model], row: str | None = None) -> Model:
    """A file's content as a `model`. Raises ValueError naming the file, its row and the first field that is wrong."""
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(map(str, first["loc"]))
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        where = f"{path} ({row})" if row else str(path)
        raise ValueError(f"{where}: {f'{field}: ' if field else ''}{first['msg']}{more}") from error


def sweep_folders(sweep: str, scale: str, results: Folder) -> list[Folder]:
    """Folders of one sweep and scale, oldest first: results/<sweep>-<scale>, then what --fresh made: -2, -3, ...

    Raises:
        ValueError: one of them is a link to what is not there.
    """
    sweep = normal(sweep)
    name = re.compile(re.escape(f"{sweep}-{scale}") + r"(?:-(\d+))?")
    numbered = {path: name.fullmatch(normal(path.name)) for path in listed(results)}
    order = {path: int(match[1] or 1) for path, match in numbered.items() if match}
    for path in order:
        refuse_dangling(path)
    return [path for path in sorted(order, key=order.__getitem__) if _named(path) in ((sweep, scale), None)]


def fresh_folder(sweep: str, scale: str, results: Folder) -> Folder:
    """The next folder of one sweep and scale that does not exist yet."""
    taken = {normal(path.name) for path in listed(results)}
    names = (f"{sweep}-{scale}{suffix}" for suffix in ("", *(f"-{n}" for n in range(2, 10**6))))
    return next(results / name for name in names if normal(name) not in taken)


def sweep_around(folder: Folder) -> Folder | None:
    """The sweep's folder that `folder` is, or lies in; None where it is none, and may hold sweeps."""
    for path in (folder, *folder.absolute().parents) if is_local(folder) else (folder,):
        if exists(path / "manifest.json") and _named(path) not in (None, ("", "")):
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
    scales = {named[1] for path in there if (named := _named(path)) and named[0] == sweep}
    chosen = scale or default_scale()
    if scale is None and chosen not in scales and len(scales) == 1:
        (chosen,) = scales
    folders = [path for path in sweep_folders(sweep, chosen, results) if path in there]
    if not folders:
        refuse_sweep(results)
        names = ", ".join(path.name for path in there) or "none"
        raise ValueError(f"no sweep at {sweep!r} nor at {results / f'{sweep}-{chosen}'} (in {results}: {names})")
    return folders[-1]


def _named(folder: Folder) -> tuple[str, str] | None:
    """Sweep and scale of a folder: two fields of its manifest, read without checking the rest; None without one."""
    try:
        plain = json.loads(read_bytes(folder / "manifest.json"))
        return normal(str(plain["sweep"])), str(plain["scale"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return "", ""
