"""YAML 1.2 as plain values that remember where they stood, so that every complaint can name its line."""

from __future__ import annotations

import difflib
import unicodedata
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from fsm_icl.results.files import as_os_errors, is_local
from fsm_icl.sweep.file.braces import torn_call, torn_values
from fsm_icl.sweep.file.invisible import conflict_in, culprit, escaped, lines_of
from fsm_icl.sweep.file.scalars import composed, events, scalar_kind, text_of

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
MAX_DIGITS = 18
"""Of a whole number: what a 64-bit integer holds."""
MAX_PROBLEMS = 10
MAX_MESSAGE = 600
if TYPE_CHECKING:
    from fsm_icl.results.files import Folder

KeyPath = tuple[str | int, ...]
VALUE = -1
"""Ends the path of a plain value that stands on another line than its key."""
_CORE = ("int", "float", "bool", "null", "str")
_BOOLS = {"true": True, "false": False}
_TURNING = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
"""Characters that turn the direction of text, and so can show a line as what it is not."""


class SpecError(ValueError):
    """A sweep file, `--set` or name that can't be used; each problem says where, what and what would be right.

    Fit for a terminal: at most MAX_PROBLEMS lines of bounded length, control characters escaped.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        every = list(dict.fromkeys(problems))
        self.problems = [shortened(escaped(problem), MAX_MESSAGE) for problem in every[:MAX_PROBLEMS]]
        if len(every) > MAX_PROBLEMS:
            self.problems.append(f"and {len(every) - MAX_PROBLEMS:,} more problems")
        super().__init__("\n".join(self.problems))


def shortened(text: str, most: int = 60) -> str:
    """`text`, its middle left out where it is longer than `most`."""
    return text if len(text) <= most else f"{text[: most - 20]} ... {text[-15:]}"


def shown(value: Any) -> str:
    """A value as messages show it: short, on one line."""
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else shortened(repr(value))


@dataclass(frozen=True)
class LocatedValue:
    """Plain values, and for each path into them where it came from, e.g. "spectrum.yaml:12"."""

    value: Any
    origin: Mapping[KeyPath, str]

    def where(self, path: KeyPath) -> str:
        """Origin of `path`, or of the nearest thing around it that was written down."""
        while path and path not in self.origin:
            path = path[:-1]
        return self.origin.get(path, "")


def read_yaml_file(path: Folder) -> LocatedValue:
    """The file's values and lines. Raises SpecError on anything but a readable YAML mapping."""
    try:
        if is_local(path) and path.exists() and not path.is_file():  # a pipe, which might never end
            raise SpecError([f"{path}: is not a file"])
        with as_os_errors(path), path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise SpecError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        if len(raw) <= MAX_BYTES:
            line = raw.count(b"\n", 0, error.start) + 1
            wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
            hint = " but UTF-16, as Windows PowerShell writes it; save it as UTF-8" if wide else ""
            raise SpecError([f"{path}:{line}: is not UTF-8 text{hint}"]) from error
    if len(raw) > MAX_BYTES:
        raise SpecError([f"{path}: larger than {MAX_BYTES:,} bytes; a sweep file is a page of text"])
    located = read_yaml(text, str(path))
    if not isinstance(located.value, dict):
        found = "nothing" if located.value is None else shown(located.value)
        raise SpecError([f"{path}:1: expected a mapping (`key: value` lines), found {found}"])
    return located


def read_yaml(text: str, source: str) -> LocatedValue:
    """The values of one YAML document; `source` names it in origins and errors."""
    origin: dict[KeyPath, str] = {}
    if (conflict := conflict_in(text)) is not None:
        number, line = conflict
        raise SpecError([f"{source}:{number}: {shortened(line)!r}: a merge that Git left to you; keep one version"])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an anchor defined twice, say: refused below
            if text.count("[") + text.count("{") > _MANY_BRACKETS:
                _refuse_depth(text, source)
            node = composed(text)
        return LocatedValue(_plain(node, (), source, origin) if node is not None else None, origin)
    except SpecError:
        raise
    except MarkedYAMLError as error:
        raise SpecError([_no_yaml(error, text, source)]) from error
    except ReaderError as error:
        number = len(lines_of(text[: error.position]))
        what = f"a control character ({text[error.position : error.position + 1]!r})"
        raise SpecError([f"{source}:{number}: not valid YAML: {what}"]) from error
    except RecursionError as error:
        raise SpecError([f"{source}:1: nested too deeply"]) from error
    except (YAMLError, *_RUAMEL_SLIPS) as error:
        why = (str(error).splitlines() or ["it can't be read"])[0]
        raise SpecError([f"{source}:1: not valid YAML: {why}"]) from error


def _no_yaml(error: MarkedYAMLError, text: str, source: str) -> str:
    """The complaint about a text that is no YAML, on the line at fault."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return f"{source}: not valid YAML: {error.problem or error.context}"
    if text[mark.index : mark.index + 1] == "\t":
        return f"{source}:{mark.line + 1}: not valid YAML: a tab ('\\t'); indent with spaces"
    if "flow mapping" in str(error.context) and (torn := torn_call(text, mark.index)) is not None:
        return f"{source}:{torn[0]}: {torn[1]}"
    number, why = culprit(text, mark.line + 1) or (mark.line + 1, f"{error.problem or error.context}")
    return f"{source}:{number}: not valid YAML: {why}"


_RUAMEL_SLIPS = (
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    TypeError,
    AssertionError,
    NotImplementedError,
)
"""What ruamel raises on some texts that are no YAML, instead of a YAMLError."""


_MANY_BRACKETS = 500
"""A text with more of them is looked through before it is composed, which recurses and takes seconds to give up."""


def _refuse_depth(text: str, source: str) -> None:
    depth = 0
    for event in events(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise SpecError([f"{source}:{event.start_mark.line + 1}: nested too deeply"])


def _plain(node: Node, path: KeyPath, source: str, origin: dict[KeyPath, str]) -> Any:
    here = f"{source}:{node.start_mark.line + 1}"
    origin.setdefault(path, here)
    _refuse_anchor(node, here)
    if len(path) > MAX_DEPTH:
        raise SpecError([f"{here}: nested too deeply"])
    if isinstance(node, ScalarNode):
        return _scalar(node, here)
    if str(node.tag) not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
        raise SpecError([f"{here}: tag {node.tag} is not used here; write a plain value"])
    if isinstance(node, MappingNode):
        return _mapping(node, path, source, origin)
    assert isinstance(node, SequenceNode)
    return [_plain(item, (*path, i), source, origin) for i, item in enumerate(node.value)]


def _refuse_anchor(node: Node, here: str) -> None:
    if getattr(node, "anchor", None):
        raise SpecError([f"{here}: anchors and aliases (& and *) are not used here; write the value out"])


def _mapping(node: MappingNode, path: KeyPath, source: str, origin: dict[KeyPath, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for line, why in torn_values(node, in_grid="grid" in path):
        raise SpecError([f"{source}:{line}: {why}"])
    for key_node, value_node in node.value:
        here = f"{source}:{key_node.start_mark.line + 1}"
        _refuse_anchor(key_node, here)
        if not isinstance(key_node, ScalarNode):
            raise SpecError([f"{here}: a key must be a plain word"])
        key = text_of(key_node)
        _refuse_controls(key, here)
        if key == "<<":
            raise SpecError([f"{here}: merge keys (<<) are not used here; write the values out"])
        if key in values:
            first = origin[(*path, key)].rsplit(":", 1)[-1]
            raise SpecError([f"{here}: duplicate key {shortened(key)!r}, first given on line {first}"])
        origin[(*path, key)] = here
        line = value_node.start_mark.line
        if isinstance(value_node, ScalarNode) and value_node.value and line != key_node.start_mark.line:
            origin[(*path, key, VALUE)] = f"{source}:{line + 1}"
        values[key] = _plain(value_node, (*path, key), source, origin)
    return values


def _scalar(node: ScalarNode, here: str) -> Any:
    kind, text = scalar_kind(node), text_of(node)
    if kind not in _CORE:
        raise SpecError([f"{here}: tag {node.tag} is not used here; write a plain value"])
    if kind == "str":
        _refuse_controls(text, here)
        return text
    try:
        return _number(text, kind) if kind in ("int", "float") else None if kind == "null" else _BOOLS[text.lower()]
    except (ValueError, KeyError):
        raise SpecError([f"{here}: {shortened(text)!r} is no {kind} of YAML 1.2, or too long"]) from None


def _number(text: str, kind: str) -> int | float:
    """A number as YAML 1.2 writes it. Raises ValueError."""
    digits = text.replace("_", "").lower()
    if kind == "int":
        sign, bare = (-1 if digits[0] == "-" else 1), digits.lstrip("+-")
        base = {"0x": 16, "0o": 8, "0b": 2}.get(bare[:2], 10)
        number = sign * int(bare[2:] if base != 10 else bare, base)
        if abs(number) >= 10**MAX_DIGITS:
            raise ValueError(text)
        return number
    bare = digits.lstrip("+-")
    return float(digits.replace(".inf", "inf").replace(".nan", "nan")) if bare else float(text)


def _refuse_controls(text: str, here: str) -> None:
    for character in text:
        if character not in "\n\t" and (unicodedata.category(character) in ("Cc", "Cs") or ord(character) in _TURNING):
            raise SpecError([f"{here}: control character {character!r} in {shortened(text)!r}"])


def nearest(word: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?` for the closest of `known`, or the list of them when none is close."""
    options = sorted(set(known))
    by_lower = {option.lower(): option for option in options}
    close = difflib.get_close_matches(word[:100].lower(), by_lower, n=1, cutoff=0.6)
    return f"did you mean {by_lower[close[0]]!r}?" if close else f"known: {comma_list(options)}"


def comma_list(names: Sequence[str], most: int = 20) -> str:
    """The first of `names`, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(shortened(name) for name in names[:most]) + more
