"""Results folders: what SWEEP means in a command, and which folders are a sweep's. Reads only."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

from fsm_icl.hardware import num_gpus
from fsm_icl.results.files import (
    as_folder,
    children,
    exists,
    found,
    is_local,
    normal,
    read_bytes,
    refuse_dangling,
)
from fsm_icl.results.layout import SweepFolder

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder


def default_scale(gpus: int | None = None) -> str:
    """`paper` where there are GPUs, else `laptop`; without a number those of this machine that are visible."""
    return "paper" if (num_gpus() if gpus is None else gpus) else "laptop"


UNREADABLE = ("", "")
"""Stands for the names in a manifest that can't be read."""


def sweep_folders(sweep: str, scale: str, results: Folder) -> list[Folder]:
    """Folders of one sweep and scale, oldest first: results/<sweep>-<scale>, then what --fresh made: -2, -3, ...

    One whose manifest can't be read is among them: its name is right, and whoever reads it will say what is wrong.
    """
    mine = ((normal(sweep), scale), UNREADABLE, None)
    return [path for path in folders_called(sweep, scale, results) if names_in_manifest(path) in mine]


def folders_called(sweep: str, scale: str, results: Folder) -> list[Folder]:
    """Folders whose names are those of one sweep and scale, as `sweep_folders`, whatever their manifests say.

    Raises:
        ValueError: one of them is a link to what is not there.
    """
    sweep = normal(sweep)
    name = re.compile(re.escape(f"{sweep}-{scale}") + r"(?:-(\d+))?")
    numbered = {path: name.fullmatch(normal(path.name)) for path in children(results)}
    order = {path: int(match[1] or 1) for path, match in numbered.items() if match}
    for path in order:
        refuse_dangling(path)
    return sorted(order, key=order.__getitem__)


def fresh_folder(sweep: str, scale: str, results: Folder) -> Folder:
    """The next folder of one sweep and scale that does not exist yet."""
    taken = {normal(path.name) for path in children(results)}
    names = (f"{sweep}-{scale}{suffix}" for suffix in ("", *(f"-{n}" for n in range(2, 10**6))))
    return next(results / name for name in names if normal(name) not in taken)


def sweep_around(folder: Folder) -> Folder | None:
    """The sweep's folder that `folder` is, or lies in; None where it is none, and may hold sweeps."""
    for path in (folder, *folder.absolute().parents) if is_local(folder) else (folder,):
        if exists(SweepFolder(path).manifest) and names_in_manifest(path) not in (None, UNREADABLE):
            return path
        if exists(SweepFolder(path).id) and exists(SweepFolder(path).records):
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
    if not is_local(folder) or exists(SweepFolder(folder).manifest):
        return folder
    there, sweep = [path.parent for path in found(results, f"*/{SweepFolder(results).manifest.name}")], normal(sweep)
    scales = {names[1] for path in there if (names := names_in_manifest(path)) and names[0] == sweep}
    chosen = scale or default_scale()
    if scale is None and chosen not in scales and len(scales) == 1:
        (chosen,) = scales
    folders = [path for path in sweep_folders(sweep, chosen, results) if path in there]
    if not folders:
        refuse_sweep(results)
        others = ", ".join(path.name for path in there) or "none"
        raise ValueError(f"no sweep at {sweep!r} nor at {results / f'{sweep}-{chosen}'} (in {results}: {others})")
    return folders[-1]


def names_in_manifest(folder: Folder) -> tuple[str, str] | None:
    """Sweep and scale of a folder: two fields of its manifest, read without checking the rest; None without one."""
    try:
        plain = json.loads(read_bytes(SweepFolder(folder).manifest))
        return normal(str(plain["sweep"])), str(plain["scale"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return UNREADABLE
