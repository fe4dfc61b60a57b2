"""Values that braces take apart: between { and } a comma ends a value, and a bracket has no place within one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from fsm_icl.sweep.file.other_tools import written_here

_CALL = re.compile(r"(?<![\w.])([\w.]+)\s*:\s+(?=(?:\w+\.)*\w+\()")
_SECTION = re.compile(r"(?<![\w.])(grid|search)\s*:")
_MAX_CALL = 500
"""Characters of a call that are looked through for its end."""


def torn_values(mapping: MappingNode, in_grid: bool) -> Iterator[tuple[int, str]]:
    """Line and complaint of each value that a comma has ended too early: what stands behind it has become a key."""
    pairs = [(key, value) for key, value in mapping.value if isinstance(key, ScalarNode)] if mapping.flow_style else []
    for i, (key, value) in enumerate(pairs):
        end = i + 1
        while end < len(pairs) and _is_bare(*pairs[end]):
            end += 1
        if end > i + 1 and isinstance(value, ScalarNode) and value.value and not value.style:
            text = value.start_mark.buffer[value.start_mark.index : pairs[end - 1][0].end_mark.index]
            yield value.start_mark.line + 1, _complaint(str(key.value), text, in_grid)


def torn_call(text: str, at: int) -> tuple[int, str] | None:
    """Line and complaint of the call that character `at` is part of; None where it is part of none."""
    for found in _CALL.finditer(text, 0, at):
        call = _call(text[found.end() : found.end() + _MAX_CALL])
        if at < found.end() + len(call):
            section = _SECTION.findall(text, 0, found.start())[-1:]
            line = len(re.findall(r"\r\n|\r|\n", text[: found.end()])) + 1
            return line, _complaint(found[1], call, section == ["grid"])
    return None


def _is_bare(key: Node, value: Node) -> bool:
    """Whether a key has neither a value nor a colon."""
    begin, end = key.end_mark.index, value.start_mark.index
    return isinstance(value, ScalarNode) and value.end_mark.index == end and ":" not in key.end_mark.buffer[begin:end]


def _call(text: str) -> str:
    """The call that `text` begins with, to its closing bracket; "" where that is missing."""
    depth = 0
    for found in re.finditer(r"[()]", text):
        depth += 1 if found[0] == "(" else -1
        if depth == 0:
            return text[: found.end()]
    return ""


def _complaint(name: str, text: str, in_grid: bool) -> str:
    plain = text[1:-1] if text.startswith("(") and text.endswith(")") else text
    said = written_here(name, plain, in_grid) or "write a list in [ ], or a text in quotes"
    short = text if len(text) <= 60 else f"{text[:40]} ... {text[-15:]}"
    return f"{name}: {short!r} falls apart between braces; {said}"
