"""Pydantic's complaints as one line each: file, line, field, what is wrong and what would be right."""

from __future__ import annotations

import typing
from typing import Any

from pydantic import BaseModel, ValidationError

from fsm_icl.sweep.space import Range
from fsm_icl.sweep.yaml_file import VALUE, Located, Path_, nearest, shortened, shown


def explain(error: ValidationError, located: Located, model: type[BaseModel]) -> list[str]:
    """Pydantic's complaints as `file:line: field: what is wrong; what would be right`, one line a field."""
    problems: dict[Path_, list[str]] = {}
    given: dict[Path_, str] = {}
    stands: dict[Path_, Path_] = {}
    # A misspelt key first: that others are missing then is often its consequence, and long lists are cut.
    for item in sorted(error.errors(), key=lambda item: item["type"] != "extra_forbidden"):
        path = _field(item, located.value)
        problems.setdefault(path, []).append(_message(item, path, model))
        given[path] = _given(item)
        stands[path] = as_written(path, located) + ((VALUE,) if given[path] else ())
    lines = []
    for path, messages in problems.items():
        what = f"{_either(messages)}{given[path]}"
        lines.append(f"{located.where(stands[path])}: {dotted(path)}: {what}")
    return lines


def _field(item: Any, value: Any) -> Path_:
    """The path of a complaint, without what pydantic adds for the branches of a union."""
    path: Path_ = ()
    for part in item["loc"]:
        inside = isinstance(part, int) and isinstance(value, list) and part < len(value)
        if inside or (isinstance(value, dict) and part in value):
            value = value[part]
            path += (part,)
    return (*path, item["loc"][-1]) if item["type"] == "missing" else path


_NO_SCALAR = {f"input should be a valid {kind}" for kind in ("string", "integer", "number", "boolean")}


def _either(messages: list[str]) -> str:
    """The branches of a union as one complaint."""
    unique = list(dict.fromkeys(messages))
    start = "input should be "
    if set(unique) == _NO_SCALAR:
        return "expected a word, a number, true or false"
    if len(unique) > 1 and all(m.startswith(start) for m in unique):
        return start + " or ".join(m.removeprefix(start) for m in unique)
    return "; ".join(unique)


def dotted(path: Path_) -> str:
    """A path as it is written on a command line, e.g. `search.num_trials`."""
    return ".".join(shortened(str(p)) for p in path) or "the file"


def as_written(path: Path_, located: Located) -> Path_:
    """A grid given as one mapping has no index in the file."""
    return ("grid", *path[2:]) if path[:1] == ("grid",) and ("grid", 0) not in located.origin else path


def _message(item: Any, path: Path_, model: type[BaseModel]) -> str:
    kind = item["type"]
    if kind == "extra_forbidden":
        known = fields_at(model, path[:-1])
        return f"unknown key; {nearest(str(path[-1]), known)}" if known else "unknown key"
    if kind == "missing":
        return "is missing"
    expected = {"model_type": "a mapping", "dict_type": "a mapping", "list_type": "a list", "tuple_type": "a list"}
    if kind in expected:
        return f"expected {expected[kind]}"
    if path[:1] == ("search",) and kind == "float_type" and isinstance(item["input"], list):
        return "expected a number, which fixes it, or a range to search, {log: [low, high]}; lists stand in the grid"
    return in_our_words(item["msg"])


def in_our_words(message: str) -> str:
    """Pydantic's message as the end of a line."""
    text = message.removeprefix("Value error, ")
    return f"{text[0].lower()}{text[1:]}"


def _given(item: Any) -> str:
    """What was found, but for keys that are wrong or missing themselves, and checks of a whole section."""
    whole = isinstance(item["input"], dict | list) and item["type"] == "value_error"
    return "" if whole or item["type"] in ("extra_forbidden", "missing") else f", found {shown(item['input'])}"


def fields_at(model: type[BaseModel], path: Path_) -> list[str]:
    """Names of the fields a mapping at `path` may have, empty where any are allowed."""
    current: Any = model
    if path[:1] == ("grid",) and len(path) > 2:  # a grid's entries have no model: what stands in one is a range
        return list(Range.model_fields)
    for step in path:
        if isinstance(step, int) or current is None:
            continue
        info = current.model_fields.get(step)
        current = _model_in(info.annotation) if info is not None else None
    return list(current.model_fields) if current is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in typing.get_args(annotation) if (m := _model_in(a)) is not None), None)
