"""Results folders: what SWEEP means in a command, and what lies in a sweep's folder. Reads only, no torch."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from fsm_icl.records import Manifest, TrialRecord


def num_gpus() -> int:
    """Visible NVIDIA GPUs, as the driver says; needs no torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    return found if visible is None else min(found, len([d for d in visible.split(",") if d not in ("", "-1")]))


def default_scale() -> str:
    """`paper` on a machine with a visible NVIDIA GPU, else `laptop`."""
    return "paper" if num_gpus() else "laptop"


def read_records(folder: Path, places: Mapping[str, str] | None = None) -> dict[str, TrialRecord]:
    """Hash -> record, for every record in a sweep's folder; empty when there is none. Writes nothing.

    `places`, hash -> where a trial stands in its sweep, lets messages name the row.

    Raises:
        ValueError: a file can't be read, is no record, or holds another trial's; the message names it.
    """
    records = {}
    for path in sorted((folder / "records").glob("[!.]*.json")):
        record = read_json(path, TrialRecord, (places or {}).get(path.stem))
        if record.hash != path.stem:
            raise ValueError(f"{path}: holds the record of {record.hash}, so it is not where it belongs; move it away")
        records[record.hash] = record
    return records


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a sweep's folder. Raises ValueError naming the file when there is none that can be read."""
    if not (folder / "manifest.json").is_file():
        raise ValueError(f"{folder} is not a sweep's folder: it has no manifest.json")
    return read_json(folder / "manifest.json", Manifest)


Model = TypeVar("Model", bound=BaseModel)


def read_json(path: Path, model: type[Model], row: str | None = None) -> Model:
    """The file as a `model`. Raises ValueError naming the file, its row and the first field that is wrong."""
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(map(str, first["loc"]))
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        where = f"{path} ({row})" if row else str(path)
        raise ValueError(f"{where}: {f'{field}: ' if field else ''}{first['msg']}{more}") from error


def sweep_folders(sweep: str, scale: str, results: Path) -> list[Path]:
    """Folders of one sweep and scale, oldest first: results/<sweep>-<scale>, then what --fresh made: -2, -3, ..."""
    name = f"{sweep}-{scale}"
    numbered = {path: re.fullmatch(re.escape(name) + r"(?:-(\d+))?", path.name) for path in results.glob(f"{name}*/")}
    found = [(int(match[1] or 1), path) for path, match in numbered.items() if match]
    return [path for _, path in sorted(found) if _named(path) in ((sweep, scale), None)]


def fresh_folder(sweep: str, scale: str, results: Path) -> Path:
    """The next folder of one sweep and scale that does not exist yet."""
    names = (f"{sweep}-{scale}{suffix}" for suffix in ("", *(f"-{n}" for n in range(2, 10**6))))
    return next(results / name for name in names if not (results / name).exists())


def sweep_folder(sweep: str, scale: str | None, results: Path) -> Path:
    """The folder SWEEP means in a command: itself if it is one, else the newest of that name and scale.

    Without a scale it is the machine's default one, or the only one there is.

    Raises:
        ValueError: nothing is there; the message lists the sweeps that are.
    """
    if (Path(sweep) / "manifest.json").is_file():
        return Path(sweep)
    there = sorted(path.parent for path in results.glob("*/manifest.json"))
    scales = {named[1] for path in there if (named := _named(path)) and named[0] == sweep}
    chosen = scale or default_scale()
    if scale is None and chosen not in scales and len(scales) == 1:
        (chosen,) = scales
    folders = [path for path in sweep_folders(sweep, chosen, results) if path in there]
    if not folders:
        names = ", ".join(path.name for path in there) or "none"
        raise ValueError(f"no sweep at {sweep!r} nor at {results / f'{sweep}-{chosen}'} (in {results}: {names})")
    return folders[-1]


def _named(folder: Path) -> tuple[str, str] | None:
    """Sweep and scale of a folder: two fields of its manifest, read without checking the rest; None without one."""
    try:
        plain = json.loads((folder / "manifest.json").read_bytes())
        return str(plain["sweep"]), str(plain["scale"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return "", ""
