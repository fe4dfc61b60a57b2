"""Pydantic's complaints as one line each: file, line, field, what is wrong and what would be right."""

from __future__ import annotations

import typing
from collections.abc import Container, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from fsm_icl.sweep.file.other_tools import ALIASES, key_elsewhere, nested, written_here
from fsm_icl.sweep.file.spec import PARAMETERS, Range
from fsm_icl.sweep.file.yaml import VALUE, KeyPath, LocatedValue, nearest, shortened, shown
from fsm_icl.task.registry import FAMILIES


def explain(error: ValidationError, located: LocatedValue, model: type[BaseModel]) -> list[str]:
    """Pydantic's complaints as `file:line: field: what is wrong; what would be right`, one line a field.

    What is written as another tool has it is one complaint, however much of it pydantic complains about.
    """
    problems: dict[KeyPath, list[str]] = {}
    given: dict[KeyPath, str] = {}
    stands: dict[KeyPath, KeyPath] = {}
    # A misspelt key first: that others are missing then is often its consequence, and long lists are cut.
    for item in sorted(error.errors(), key=lambda item: item["type"] != "extra_forbidden"):
        path = _field(item, located.value)
        foreign = _foreign(item, path, located.value, model)
        if foreign is not None:
            path, message = foreign
            problems[path], given[path] = [message], ""
        else:
            problems.setdefault(path, []).append(_message(item, path, model))
            given[path] = _given(item)
        stands[path] = as_written(path, located) + ((VALUE,) if given[path] else ())
    lines = []
    for path, messages in problems.items():
        what = f"{_either(messages)}{given[path]}"
        lines.append(f"{located.where(stands[path])}: {dotted(path)}: {what}")
    return lines


def _field(item: Any, value: Any) -> KeyPath:
    """The path of a complaint, without what pydantic adds for the branches of a union."""
    path: KeyPath = ()
    for part in item["loc"]:
        inside = isinstance(part, int) and isinstance(value, list) and part < len(value)
        if inside or (isinstance(value, dict) and part in value):
            value = value[part]
            path += (part,)
    if item["type"] == "union_tag_invalid":
        return (*path, item["ctx"]["discriminator"].strip("'"))
    return (*path, item["loc"][-1]) if item["type"] == "missing" else path


def _foreign(item: Any, path: KeyPath, value: Any, model: type[BaseModel]) -> tuple[KeyPath, str] | None:
    """What a complaint is about, and how it is written here, where the file has it as another tool would."""
    if item["type"] == "extra_forbidden" and (said := _foreign_key(path, _at(value, path), model)):
        return path, said
    whole = path[: 3 if path[:1] == ("grid",) else 2]
    if (
        item["type"] == "missing"
        or len(whole) < 2
        or path[0] not in ("grid", "search", "task", "model", "optimizer", "budget")
    ):
        return None
    name, found = str(whole[-1]), _at(value, whole)
    if path[0] == "grid" and name in ("task", "model", "optimizer", "budget") and isinstance(found, dict):
        keys = {(key if name == "model" or key in PARAMETERS else f"{name}.{key}"): v for key, v in found.items()}
        return whole, f"write {', '.join(nested((key,), v) for key, v in keys.items())}"
    if path[0] in ("task", "optimizer", "budget") and name not in PARAMETERS:
        name = f"{path[0]}.{name}"
    if path[0] == "search" and name not in PARAMETERS:
        return None
    if path[0] not in ("grid", "search") and name in PARAMETERS and isinstance(found, dict) and found.keys() & _RANGES:
        return whole, f"is no place for a range; write {nested(('search', name), found)}"
    said = written_here(name, found, path[0] == "grid")
    if said is not None and path[0] == "search":
        said = f"expected a number, which fixes it, or a range to search; {said}"
    return None if said is None else (whole, said)


def _foreign_key(path: KeyPath, value: Any, model: type[BaseModel]) -> str | None:
    """What an unknown key is here: another tool's, one with dots, or one that stands in a section."""
    key, known = str(path[-1]), fields_at(model, path[:-1])
    parts = tuple(key.split("."))
    if len(parts) > 1 and parts[0] in known:
        return f"unknown key; write {nested(parts, value)}"
    if len(path) > 1 and path[0] not in _SECTIONS:
        return None
    if len(path) == 1 and (said := key_elsewhere(key, value)):
        return said
    return _stands_elsewhere(ALIASES.get(key, key), value, model, path[0])


_SECTIONS = ("search", "task", "optimizer", "budget", "measure")


def _stands_elsewhere(name: str, value: Any, model: type[BaseModel], here: str | int) -> str | None:
    sections = [section for section in _SECTIONS if section != here and name in fields_at(model, (section,))]
    if name in ("arch", "d_model", "num_layers") or (sections and isinstance(value, list)):
        written = name if not sections or name in PARAMETERS else f"{sections[0]}.{name}"
        return f"unknown key; it stands in the grid: {nested(('grid', written), value)}"
    return f"unknown key; it stands in {sections[0]}: {nested((sections[0], name), value)}" if sections else None


def _at(value: Any, path: KeyPath) -> Any:
    for part in path:
        value = value[part]
    return value


def suggestion(key: str, known: list[str]) -> str:
    """The one of `known` that `key` is meant for, as a question; else the list of them."""
    for word in (ALIASES.get(key), key.rpartition(".")[2]):
        if word in known:
            return nearest(word, known)
    return nearest(key, known)


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


def dotted(path: KeyPath) -> str:
    """A path as it is written on a command line, e.g. `search.num_trials`."""
    return ".".join(shortened(str(p)) for p in path) or "the file"


def as_written(path: KeyPath, located: LocatedValue) -> KeyPath:
    """A grid given as one mapping has no index in the file."""
    return ("grid", *path[2:]) if path[:1] == ("grid",) and ("grid", 0) not in located.origin else path


_EXPECTED = {
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), "a mapping"),
    **dict.fromkeys(("list_type", "tuple_type"), "a list"),
}
_RANGES = Range.model_fields.keys()
_RANGE_ENDS = {(name,) for name in _RANGES}
_GRID = "a mapping from fields to the values to compare, such as {arch: [rnn, gru], d_model: [32, 64]}"


def _wrong_length(item: Any) -> str:
    context = item["ctx"]
    least, most = context.get("min_length"), context.get("max_length")
    bound = f"at least {least}" if least is not None else f"at most {most}"
    return f"expected {bound} {'entry' if 1 in (least, most) else 'entries'}, found {context['actual_length']:,}"


def _message(item: Any, path: KeyPath, model: type[BaseModel]) -> str:
    kind = item["type"]
    if kind == "extra_forbidden":
        known = fields_at(model, path[:-1], item["loc"])
        return f"unknown key; {suggestion(str(path[-1]), known)}" if known else "unknown key"
    if kind == "union_tag_invalid":
        return f"input should be {item['ctx']['expected_tags'].replace(', ', ' or ')}"
    if kind == "missing":
        return "is missing"
    if path[-1:] in _RANGE_ENDS and kind in ("tuple_type", "too_short", "too_long"):
        return "expected two numbers, [low, high]"
    if kind in _EXPECTED:
        return f"expected {_GRID if path == ('grid',) else _EXPECTED[kind]}"
    if kind in ("too_short", "too_long"):
        return _wrong_length(item)
    return in_our_words(item["msg"])


def in_our_words(message: str) -> str:
    """Pydantic's message as the end of a line."""
    text = message.removeprefix("Value error, ")
    return f"{text[0].lower()}{text[1:]}"


def _given(item: Any) -> str:
    """What was found; empty where a key itself is wrong or missing, and where a whole section was checked."""
    whole = isinstance(item["input"], dict | list) and item["type"] == "value_error"
    told = item["type"] in ("extra_forbidden", "missing", "too_short", "too_long")
    found = item["ctx"]["tag"] if item["type"] == "union_tag_invalid" else item["input"]
    return "" if whole or told else f", found {shown(found)}"


def fields_at(model: type[BaseModel], path: KeyPath, branches: Container[object] = FAMILIES) -> list[str]:
    """Names of the fields a mapping at `path` may have, empty where any are allowed.

    A task's are those of the families in `branches`.
    """
    current = [model]
    if path[:1] == ("grid",) and len(path) > 2:  # a grid's entries have no model: what stands in one is a range
        return list(Range.model_fields)
    for step in path:
        if not isinstance(step, int):
            current = [m for outer in current if step in outer.model_fields for m in _models_in(outer, step)]
    chosen = [m for m in current if "family" in m.model_fields and m.model_fields["family"].default in branches]
    return list(dict.fromkeys(name for m in chosen or current for name in m.model_fields))


def _models_in(model: type[BaseModel], field: str) -> list[type[BaseModel]]:
    return [m for m in _parts(model.model_fields[field].annotation) if issubclass(m, BaseModel)]


def _parts(annotation: Any) -> Iterator[type]:
    """The classes that a type is made of."""
    if isinstance(annotation, type) and not typing.get_args(annotation):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _parts(argument)
