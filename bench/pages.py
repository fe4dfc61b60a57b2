"""The parts of README.md and docs/ that follow from the code: python -m bench.pages writes them again.

Each stands between two markers, `<!-- generated: KIND ARGUMENT -->` and `<!-- end -->`; a person writes the rest. In a
table of fields the docstring of a field says what it means; a field without one keeps the words that the page has.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import types
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel

from bench.rooms import PACKAGES, ROOT, House, house_in
from bench.rooms_picture import svg
from fsm_icl.results.layout import SweepFolder
from fsm_icl.results.records import METRICS

PAGES = ("README.md", "docs/architecture.md", "docs/file-formats.md")
HOUSE = ROOT / "docs" / "house.svg"
UNSAID = "?"
"""Stands for the meaning of a field that nobody has written down."""
_PART = re.compile(r"(<!-- generated: (\w+) ?(\S*) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_WORDS = {
    str: "string", int: "integer", float: "number", bool: "true or false", type(None): "null", Any: "anything",
    AwareDatetime: "time (ISO 8601 with its zone)", datetime: "time (ISO 8601)",
}  # fmt: skip


def written(text: str) -> str:
    """A page with its generated parts as the code is now."""
    shown = {argument.rpartition(".")[2] for _, kind, argument, _, _ in _PART.findall(text) if kind == "fields"}
    return _PART.sub(lambda part: part[1] + KINDS[part[2]](part[3], part[4], shown) + part[5], text)


def picture(house: House) -> str:
    """The picture of the house."""
    return svg(house.rooms, house.arrows, house.layers)


def _tree(*_: object) -> str:
    """Both packages with their rooms, from their docstrings."""
    lines = []
    for package in PACKAGES:
        said = _docstring(house_in(ROOT).files[package])
        lines += [
            f"{package}/",
            *(f"    {line.strip()}" for line in said.splitlines() if re.match(r" *\S+[/y]  +", line)),
        ]
    return "```text\n" + "\n".join(lines) + "\n```\n"


def _rooms(*_: object) -> str:
    """Each layer's rooms, and the first line of their docstrings."""
    house = house_in(ROOT)
    rows = [
        f"| {number} | `{room}` | {_cell(_docstring(house.files[room]).splitlines()[0])} |"
        for number, layer in enumerate(house.layers, 1)
        for room in layer
    ]
    return "\n".join(["| layer | room | what it is for |", "| ---: | --- | --- |", *rows, ""])


def _paths(*_: object) -> str:
    """Every path that layout.py knows, and its docstring."""
    rows = []
    sweep, trial = SweepFolder(Path()), SweepFolder(Path()).trial("<hash>")
    for folder, start in ((sweep, Path()), (trial, Path().absolute())):
        for name, member in vars(type(folder)).items():
            if isinstance(member, property):
                place, said = getattr(folder, name), member.__doc__
            elif name in ("record", "marker"):
                place, said = getattr(folder, name)("<hash>"), member.__doc__
            else:
                continue
            if isinstance(place, Path):
                rows.append((place.relative_to(start).as_posix(), said))
    lines = [f"| `{path}` | {_cell(said)} |" for path, said in sorted(rows)]
    return "\n".join(["| path | what it is |", "| --- | --- |", *lines, ""])


def _metrics(*_: object) -> str:
    """Every metric that a report may hold."""
    rows = [f"| `{m.name}` | {m.mode} | {m.low:g} | {m.high:g} |" for m in METRICS.values()]
    return "\n".join(["| metric | better is | least | most |", "| --- | --- | ---: | ---: |", *rows, ""])


def _fields(argument: str, before: str, shown: set[str]) -> str:
    """A model's fields: name, JSON type, what stands for an absent one, meaning."""
    module, _, name = argument.rpartition(".")
    model: type[BaseModel] = getattr(importlib.import_module(module), name)
    kept = dict(re.findall(r"^\| `(\w+)` \|.*\| (.+) \|$", before, re.MULTILINE))
    said = dict(_field_docstrings(model))
    rows = [
        f"| `{field}` | {_form(info.annotation, shown)}{_absent(info)} | {said.get(field) or kept.get(field, UNSAID)} |"
        for field, info in model.model_fields.items()
    ]
    return "\n".join(
        [f"{_cell(inspect.getdoc(model))}", "", "| field | type | meaning |", "| --- | --- | --- |", *rows, ""]
    )


KINDS: dict[str, Callable[[str, str, set[str]], str]] = {
    "tree": _tree, "rooms": _rooms, "paths": _paths, "metrics": _metrics, "fields": _fields
}  # fmt: skip


def _form(kind: Any, shown: set[str]) -> str:
    """A type as JSON has it; models that the page shows are links."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _form(inner[0], shown)
    if origin is Literal:
        return " or ".join(f"`{json.dumps(value)}`" for value in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_form(each, shown) for each in inner))
    if origin in (list, tuple):
        return f"list of {_form(inner[0], shown)}"
    if origin is dict:
        keys = "" if inner[0] is str else f" (keys {_form(inner[0], shown)})"
        return f"object of {_form(inner[1], shown)}{keys}"
    if kind in _WORDS:
        return _WORDS[kind]
    return f"[{kind.__name__}](#{kind.__name__.lower()})" if kind.__name__ in shown else "object"


def _absent(info: Any) -> str:
    if info.is_required():
        return ""
    default = info.get_default(call_default_factory=True)
    return f"; absent: `{json.dumps(default)}`"


def _field_docstrings(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """The model's own fields that have a docstring, and what it says."""
    (owner,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(owner, ast.ClassDef)
    for field, said in pairwise(owner.body):
        if isinstance(field, ast.AnnAssign) and isinstance(said, ast.Expr) and isinstance(said.value, ast.Constant):
            yield ast.unparse(field.target), _cell(str(said.value.value))


def _docstring(text: str) -> str:
    return ast.get_docstring(ast.parse(text)) or ""


def _cell(text: str | None) -> str:
    """Text as one line of a table, in the words of JSON."""
    return re.sub(r"\bNone\b", "null", " ".join((text or UNSAID).split()).replace("|", r"\|"))


def main() -> None:
    """Write every page and the picture of the house."""
    for name in PAGES:
        path = ROOT / name
        path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
    HOUSE.write_text(picture(house_in(ROOT)), encoding="utf-8")


if __name__ == "__main__":
    main()
