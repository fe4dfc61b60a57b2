"""From a YAML file, a scale and `--set` to a SweepSpec, or to errors that name the line and the right word.

tune_configs/spectrum.yaml + `scales: laptop:` + --set search.num_trials=4  ->  SweepSpec
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from fsm_icl.results.files import as_folder, is_local, normal, os_error_text, refuse_dangling
from fsm_icl.results.lookup import default_scale, refuse_sweep
from fsm_icl.sweep.file.errors import as_written, dotted, explain
from fsm_icl.sweep.file.spec import SweepSpec
from fsm_icl.sweep.file.yaml import (
    MAX_BYTES,
    MAX_DEPTH,
    KeyPath,
    LocatedValue,
    SpecError,
    nearest,
    read_yaml,
    read_yaml_file,
    shortened,
    shown,
)

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder

SHIPPED = Path(__file__).parents[3] / "tune_configs"


M = TypeVar("M", bound=BaseModel)


def strictly(model: type[M], value: Any) -> M:
    """`value` as a `model`, nothing converted: `true` is no number, `"3"` is text. Raises ValidationError."""
    return model.model_validate_json(json.dumps(value), strict=True)


@dataclass(frozen=True)
class LoadedSweep:
    """A checked sweep at one scale, and where each of its values was written."""

    name: str
    scale: str
    spec: SweepSpec
    located: LocatedValue
    others: tuple[LoadedSweep, ...] = ()
    """The file's other scales as they are written, without `--set`."""

    def error(self, path: KeyPath, message: str) -> SpecError:
        """A SpecError about the value at `path`."""
        return SpecError([f"{self.located.where(as_written(path, self.located))}: {dotted(path)}: {message}"])


def load_sweep_file(
    sweep: str, scale: str | None = None, sets: Sequence[str] = (), default: str | None = None
) -> LoadedSweep:
    """Read, merge and check a sweep file.

    Args:
        sweep: a path to a YAML file, or the name of a shipped one (tune_configs/<name>.yaml).
        scale: a name under `scales:`; None takes the default.
        sets: `key.path=value` overrides, applied last.
        default: the default scale; None: this machine's.

    Raises:
        SpecError: every problem with file, line, field and what would be right.
    """
    path = find_sweep_file(sweep)
    written = read_yaml_file(path)
    located, chosen = _with_scale(written, scale, str(path), default)
    for assignment in sets:
        located = _with_set(located, assignment)
    spec, located = _checked(located)
    scales = written.value.get("scales") or {}
    others = [_with_scale(written, name, str(path)) for name in scales if name != chosen]
    sweep = normal(path.stem)
    loaded = [LoadedSweep(sweep, name, *_checked(other)) for other, name in others]
    return LoadedSweep(sweep, chosen, spec, located, tuple(loaded))


def _checked(located: LocatedValue) -> tuple[SweepSpec, LocatedValue]:
    if "grid" in located.value:
        located = LocatedValue({**located.value, "grid": _grid_as_list(located.value["grid"])}, located.origin)
    try:
        return strictly(SweepSpec, located.value), located
    except ValidationError as error:
        raise SpecError(explain(error, located, SweepSpec)) from None


def find_sweep_file(sweep: str) -> Folder:
    """The file that SWEEP means: itself if it looks like a path, else the shipped file of that name."""
    if not sweep.isprintable():
        raise SpecError([f"{shown(sweep)}: a sweep's name has no control characters"])
    if Path(sweep).suffix in (".yaml", ".yml") or os.path.isfile(sweep):
        return _folder(_no_editors_file(sweep))
    shipped = {p.stem: p for p in SHIPPED.glob("*.yaml") if not _is_editors(p.name)}
    if sweep in shipped:
        return shipped[sweep]
    what = "a folder" if os.path.isdir(sweep) else "no sweep"
    raise SpecError([f"{what} named {shown(sweep)}: {nearest(sweep, shipped)} (or give a path to a YAML file)"])


def _is_editors(name: str) -> bool:
    """Whether a file is hidden, or one that an editor or a file manager keeps beside another: .#x, ._x, .x.swp, x~."""
    return name.startswith((".", "#")) or name.endswith(("~", "#", ".swp", ".swo"))


def _no_editors_file(sweep: str) -> str:
    name = sweep.rpartition("/")[2]
    if not _is_editors(name):
        return sweep
    meant = re.sub(r"^(?:\.[#_]|\.|#)|(?:~|#|\.sw[op])$", "", name)
    hint = f"; did you mean {shown(meant)}?" if meant else ""
    raise SpecError([f"{shown(sweep)}: a hidden file, or one that an editor keeps, is no sweep{hint}"])


def _folder(text: str) -> Folder:
    try:
        return as_folder(text)
    except ValueError as error:
        raise SpecError([str(error)]) from None


def results_folder(text: str) -> Folder:
    """The folder or URI that `--results` names. Raises SpecError where it can't be one."""
    results = _folder(text)
    if not f"{text}{results}".isprintable():
        raise SpecError([f"--results {shown(text)}: a folder's name has no control characters"])
    try:
        for path in (results, *results.parents) if is_local(results) else ():
            if os.path.lexists(path):
                refuse_dangling(path)
                if not path.is_dir():
                    raise ValueError(f"{path} is a file; expected a folder")
                break
    except ValueError as error:
        raise SpecError([f"--results {results}: {error}"]) from None
    try:
        refuse_sweep(results)
    except (ValueError, OSError) as error:
        raise SpecError([os_error_text(error) if isinstance(error, OSError) else str(error)]) from None
    return results


def _with_scale(
    located: LocatedValue, scale: str | None, source: str, default: str | None = None
) -> tuple[LocatedValue, str]:
    """The file with one of its scales laid over it; a file without `scales:` has one scale, `default`."""
    value = dict(located.value)
    scales = value.pop("scales", None)
    if scales is None:
        if scale not in (None, "default"):
            raise SpecError([f"{source}:1: has no `scales:`, so --scale {shown(scale)} names nothing; leave it out"])
        return LocatedValue(value, located.origin), "default"
    chosen = (default or default_scale()) if scale is None else scale
    where = located.where(("scales",))
    if not isinstance(scales, dict) or not all(v is None or isinstance(v, dict) for v in scales.values()):
        raise SpecError(
            [f"{where}: scales: expected a mapping from a scale's name to its overrides, found {_wrong_scale(scales)}"]
        )
    if chosen not in scales:
        raise SpecError([f"{where}: scales: no scale {shown(chosen)}: {nearest(chosen, scales)}"])
    for name in scales:
        if not re.fullmatch(r"[A-Za-z0-9_.][A-Za-z0-9_. -]{0,39}", name):
            here = located.where(("scales", name))
            raise SpecError([f"{here}: scales.{shortened(name)}: expected a short name, of letters, digits, _ and -"])
    origin = dict(located.origin)
    merged = _merge(value, scales[chosen] or {}, (), ("scales", chosen), origin)
    return LocatedValue(merged, origin), chosen


def _wrong_scale(scales: Any) -> str:
    if not isinstance(scales, dict):
        return shown(scales)
    return next(f"{shown(v)} at {shortened(k)}" for k, v in scales.items() if v is not None and not isinstance(v, dict))


def _merge(base: Any, over: Any, path: KeyPath, source: KeyPath, origin: dict[KeyPath, str]) -> Any:
    """`over` laid on `base`: mappings merge key by key, hypotheses by name; grids, lists and values replace."""
    if isinstance(base, dict) and isinstance(over, dict) and path != ("grid",):
        merged = dict(base)
        for key, value in over.items():
            merged[key] = _merge(base.get(key), value, (*path, key), (*source, key), origin)
        return merged
    if path == ("hypotheses",) and isinstance(base, list) and isinstance(over, list):
        return _merge_named(base, over, path, source, origin)
    _move(path, source, origin)
    return over


def _merge_named(
    base: list[Any], over: list[Any], path: KeyPath, source: KeyPath, origin: dict[KeyPath, str]
) -> list[Any]:
    merged = list(base)
    index = {name: i for i, entry in enumerate(base) if (name := _name(entry)) is not None}
    for i, entry in enumerate(over):
        name = _name(entry)
        at = None if name is None else index.get(name)
        if at is None:
            at = len(merged)
            merged.append({})
        merged[at] = _merge(merged[at], entry, (*path, at), (*source, i), origin)
    return merged


def _name(entry: Any) -> str | None:
    name = entry.get("name") if isinstance(entry, dict) else None
    return name if isinstance(name, str) else None


def _move(path: KeyPath, source: KeyPath, origin: dict[KeyPath, str]) -> None:
    """Let `path` and all below it come from where `source` stood."""
    for old in [p for p in origin if p[: len(path)] == path]:
        del origin[old]
    for found in [p for p in origin if p[: len(source)] == source]:
        origin[path + found[len(source) :]] = origin[found]


def _with_set(located: LocatedValue, assignment: str) -> LocatedValue:
    """`key.path=value` laid over the file; the value is read as YAML. Hypotheses go by their names."""
    key, equals, text = assignment.partition("=")
    source = f"--set {shortened(assignment, 100)}"
    if len(assignment) > MAX_BYTES:
        raise SpecError([f"{source}: longer than {MAX_BYTES:,} characters"])
    parts = tuple(part.strip() for part in key.split("."))
    if not equals or not all(parts):
        raise SpecError([f"{source}: expected key=value, for example search.num_trials=4"])
    if len(parts) > MAX_DEPTH:
        raise SpecError([f"{source}: nested too deeply"])
    path: KeyPath = parts
    if parts[0] == "grid" and parts[1:2] and parts[1] in ("task", "optimizer", "budget"):
        path = ("grid", ".".join(parts[1:3]), *parts[3:])  # one key, as it is written in a grid
    if parts[0] == "hypotheses" and parts[1:]:
        path = _by_name(located, key, source)
    parsed = read_yaml(text, source).value
    if path[0] == "scales":
        raise SpecError([f"{source}: scales are chosen with --scale"])
    origin = {p: o for p, o in located.origin.items() if p[: len(path)] != path}
    for end in range(1, len(path) + 1):
        if end > 1 or path[:1] not in origin:  # a whole section keeps its line in the file
            origin[path[:end]] = source
    return LocatedValue(_laid(located.value, path, parsed, source), origin)


def _by_name(located: LocatedValue, key: str, source: str) -> KeyPath:
    """`hypotheses.NAME.threshold` as the path of that hypothesis' field; a name may have dots in it."""
    entries = located.value.get("hypotheses")
    names = [_name(entry) for entry in entries] if isinstance(entries, list) else []
    rest = key.partition(".")[2].strip()
    named = max((name for name in names if name and rest.startswith(f"{name}.")), key=len, default=None)
    if named is None:
        known = [name for name in names if name]
        hint = f"no hypothesis {shown(rest.partition('.')[0])}: {nearest(rest.partition('.')[0], known)}"
        raise SpecError([f"{source}: {hint}; write hypotheses.NAME.threshold=0.1, or give the list whole"])
    fields = rest.removeprefix(f"{named}.").split(".")
    return "hypotheses", names.index(named), *(field.strip() for field in fields)


def _laid(base: Any, path: KeyPath, value: Any, source: str) -> Any:
    """`base` with `value` at `path`, mappings on the way made where they are missing."""
    if not path:
        return value
    if isinstance(base, list) and isinstance(path[0], int):
        return [_laid(entry, path[1:], value, source) if i == path[0] else entry for i, entry in enumerate(base)]
    if base is not None and not isinstance(base, dict):
        raise SpecError([f"{source}: {shown(path[0])} would stand inside a list or a plain value; give that whole"])
    return {**(base or {}), path[0]: _laid((base or {}).get(path[0]), path[1:], value, source)}


def _grid_as_list(grid: Any) -> Any:
    """One mapping becomes a list of one, and each scalar a list of one, so that `arch: rnn` can be written.

    A mapping inside an entry is a range, which stays what it is.
    """
    if not isinstance(grid, list | dict):
        return grid
    return [
        {key: value if isinstance(value, list | dict) else [value] for key, value in entry.items()}
        if isinstance(entry, dict)
        else entry
        for entry in (grid if isinstance(grid, list) else [grid])
    ]
