"""YAML 1.2 as plain values that remember where they stood, so that every complaint can name its line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MAX_BYTES = 1_000_000
Path_ = tuple[str | int, ...]
_CORE = ("int", "float", "bool", "null", "str")


class SpecError(ValueError):
    """A sweep file, `--set` or name that can't be used; each problem says where, what and what would be right."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Located:
    """Plain values, and for each path into them where it came from, e.g. "spectrum.yaml:12"."""

    value: Any
    origin: Mapping[Path_, str]

    def where(self, path: Path_) -> str:
        """Origin of `path`, or of the nearest thing around it that was written down."""
        while path and path not in self.origin:
            path = path[:-1]
        return self.origin.get(path, "")


def read_yaml_file(path: Path) -> Located:
    """The file's values and lines. Raises SpecError on anything but a readable YAML mapping."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SpecError([f"{path}: larger than {MAX_BYTES:,} bytes; a sweep file is a page of text"])
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise SpecError([f"{path}: is not UTF-8 text"]) from error
    located = read_yaml(text, str(path))
    if not isinstance(located.value, dict):
        raise SpecError([f"{path}:1: expected a mapping (`key: value` lines), found {_kind(located.value)}"])
    return located


def read_yaml(text: str, source: str) -> Located:
    """The values of one YAML document; `source` names it in origins and errors."""
    try:
        node = YAML(typ="rt", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line = f":{mark.line + 1}" if mark else ""
        raise SpecError([f"{source}{line}: not valid YAML: {error.problem or error.context}"]) from error
    except (YAMLError, ValueError) as error:
        raise SpecError([f"{source}: not valid YAML: {str(error).splitlines()[0]}"]) from error
    except RecursionError as error:
        raise SpecError([f"{source}: nested too deeply"]) from error
    origin: dict[Path_, str] = {}
    return Located(_plain(node, (), source, origin) if node is not None else None, origin)


def _plain(node: Node, path: Path_, source: str, origin: dict[Path_, str]) -> Any:
    here = f"{source}:{node.start_mark.line + 1}"
    origin.setdefault(path, here)
    if getattr(node, "anchor", None):
        raise SpecError([f"{here}: anchors and aliases (& and *) are not used here; write the value out"])
    if isinstance(node, MappingNode):
        return _mapping(node, path, source, origin)
    if isinstance(node, SequenceNode):
        return [_plain(item, (*path, i), source, origin) for i, item in enumerate(node.value)]
    assert isinstance(node, ScalarNode)
    return _scalar(node, here)


def _mapping(node: MappingNode, path: Path_, source: str, origin: dict[Path_, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        here = f"{source}:{key_node.start_mark.line + 1}"
        key = key_node.value
        if not isinstance(key_node, ScalarNode) or not isinstance(key, str):
            raise SpecError([f"{here}: a key must be a plain word"])
        if key in values:
            first = origin[(*path, key)].rsplit(":", 1)[-1]
            raise SpecError([f"{here}: duplicate key {key!r}, first given on line {first}"])
        origin[(*path, key)] = here
        values[key] = _plain(value_node, (*path, key), source, origin)
    return values


def _scalar(node: ScalarNode, here: str) -> Any:
    standard, _, kind = str(node.tag).rpartition(":")
    if not standard or kind not in (*_CORE, "timestamp"):
        raise SpecError([f"{here}: tag {node.tag} is not used here; write a plain value"])
    if kind in ("str", "timestamp"):
        return node.value
    return YAML(typ="safe", pure=True).load(node.value)


def _kind(value: Any) -> str:
    return "nothing" if value is None else {"str": "text", "list": "a list"}.get(type(value).__name__, "a number")


def nearest(word: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?` for the closest of `known`, or the list of them when none is close."""
    options = sorted(set(known))
    close = difflib.get_close_matches(word, options, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(options)}"
