"""YAML 1.2 text as nodes with lines: read by ruamel, around what ruamel refuses, changes or marks by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.docinfo import Version
from ruamel.yaml.events import Event
from ruamel.yaml.nodes import Node, ScalarNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scanner import Scanner, ScannerError
from ruamel.yaml.tag import Tag
from ruamel.yaml.tokens import FlowMappingEndToken, FlowSequenceEndToken, ScalarToken

_BREAKS_OF_1_1 = "\x85\u2028\u2029"
"""Line breaks in YAML 1.1, which is what ruamel's scanner takes them for; plain characters in YAML 1.2."""
_STAND_INS = "\ufdd0\ufdd1\ufdd2"
"""Characters that no text may have (Unicode keeps them for use inside a program), for the scanner to see instead."""
_HIDE = str.maketrans(_BREAKS_OF_1_1, _STAND_INS)
_SHOW = str.maketrans(_STAND_INS, _BREAKS_OF_1_1)
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_FLOAT = re.compile(r"[-+]?\.\d+[eE]\d+")


def composed(text: str) -> Node | None:
    """The root node of the one document in `text`, None where it is empty. Raises what ruamel does."""
    node: Node | None = _reader().compose(_hidden(text))
    return node


def events(text: str) -> Iterator[Event]:
    """What stands in `text`, one after another, without any recursion. Raises what ruamel does."""
    return iter(_reader().parse(_hidden(text)))


def text_of(node: ScalarNode) -> str:
    r"""A scalar as it was meant: JSON writes 🧪 as two escapes, \ud83e\uddea, which are one character."""
    joined = _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), str(node.value))
    return joined.translate(_SHOW)


def scalar_kind(node: ScalarNode) -> str | None:
    """int, float, bool, null, str, or the last part of another standard tag; None for a tag that is no standard one."""
    standard, _, kind = str(node.tag).rpartition(":")
    if kind in ("timestamp", "value", "merge") and not node.style:  # a date, `=` and `<<` are text in YAML 1.2
        return "str"
    return kind if standard == "tag:yaml.org,2002" else None


def _reader() -> YAML:
    # Not typ="rt": its scanner puts a \a into folded texts, wherever one of their lines ended.
    reader = YAML(typ="safe", pure=True)
    reader.Scanner = _Scanner
    reader.Resolver = _Resolver
    return reader


def _hidden(text: str) -> str:
    for stand_in in _STAND_INS:
        if stand_in in text:
            raise ReaderError("", text.index(stand_in), ord(stand_in), "unicode", "special characters are not allowed")
    return text.translate(_HIDE)


class _Resolver(VersionedResolver):
    """Takes -.5e3 for the number that it is in YAML 1.2."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        if kind is ScalarNode and implicit[0] and _FLOAT.fullmatch(value):
            return Tag(suffix="tag:yaml.org,2002:float")
        return super().resolve(kind, value, implicit)


class _Scanner(Scanner):
    """Takes what YAML 1.2 does: tabs between words, blank lines of any width before a text, a ? that begins a word."""

    def scan_yaml_directive_value(self, start_mark: Any) -> Any:
        self._skip(" \t")
        length = 0
        while self.reader.peek(length) not in "\0 \t\r\n":
            length += 1
        version = self.reader.prefix(length)
        self.reader.forward(length)
        if not re.fullmatch(r"1\.0*(?:[2-9]|[1-9]\d+)", version):
            why = f"version {version[:20]!r}: a sweep file is YAML 1.2; leave this line out"
            raise ScannerError(None, None, why, start_mark)
        self.yaml_version = (1, 2)  # the rules of a later one, too: its files are to be read as well as they can be
        self.loader.doc_infos[-1].doc_version = Version(*self.yaml_version)
        return self.yaml_version

    def scan_tag(self) -> Any:
        token = super().scan_tag()
        if token.value == (None, "!"):  # a tag without a name says of `! 12` that it is text
            token.value = (None, "tag:yaml.org,2002:str")
        return token

    def scan_to_next_token(self) -> Any:
        while True:
            super().scan_to_next_token()
            if self.reader.peek() != "\t" or self._indents():
                return
            self._skip(" \t")
            self.allow_simple_key = False  # a tab is no indentation, so no block may begin behind it

    def check_key(self) -> bool:
        return self.reader.peek(1) in ("\0 \t\r\n,[]{}" if self.flow_level else "\0 \t\r\n")

    def check_value(self) -> bool:
        if not self.flow_level or self.reader.peek(1) in "\0 \t\r\n,[]{}":
            return bool(super().check_value())
        last = self.tokens[-1] if self.tokens else None  # only behind what ends by itself it needs no blank: {"a":1}
        quoted = isinstance(last, ScalarToken) and not last.plain
        return quoted or isinstance(last, FlowMappingEndToken | FlowSequenceEndToken)

    def check_plain(self) -> bool:
        begins = self.reader.peek()
        word = (begins == "?" and not self.check_key()) or (begins == ":" and not self.check_value())
        return word or bool(super().check_plain())

    def stale_possible_simple_keys(self) -> None:
        # Only outside of braces a key stands on one line with its colon.
        levels = enumerate(self.flow_context, start=1)
        inside = {n: self.possible_simple_keys.pop(n, None) for n, bracket in levels if bracket == "{"}
        super().stale_possible_simple_keys()
        self.possible_simple_keys |= {n: key for n, key in inside.items() if key is not None}

    def scan_plain_spaces(self, indent: int, start_mark: Any) -> list[str]:
        spaces = self._skip(" \t")
        if self.reader.peek() not in "\r\n":
            return [spaces] if spaces else []
        breaks = []
        while self.reader.peek() in "\r\n":
            breaks.append(self.scan_line_break())
            self.allow_simple_key = True
            if self.check_document_start() or self.check_document_end():
                return []
            self._skip(" ")
            if self.reader.column >= indent or not self._indents():
                self._skip(" \t")
        return breaks[1:] or [" "]

    def scan_block_scalar_indicators(self, start_mark: Any) -> Any:
        reader = self.reader
        end = min(at for at in (reader.buffer.find(c, reader.pointer) for c in "\r\n\0") if at >= 0)
        header = reader.buffer[reader.pointer : end]
        if "\t" in header:
            reader.buffer = reader.buffer[: reader.pointer] + header.replace("\t", " ") + reader.buffer[end:]
        return super().scan_block_scalar_indicators(start_mark)

    def scan_block_scalar_indentation(self) -> Any:
        breaks: list[str] = []
        widest, end_mark = 0, self.reader.get_mark()
        while True:
            self._skip(" ")
            widest = max(widest, self.reader.column)
            if self.reader.peek() not in "\r\n":
                return breaks, widest, end_mark
            breaks.append(self.scan_line_break())
            end_mark = self.reader.get_mark()

    def _skip(self, characters: str) -> str:
        length = 0
        while self.reader.peek(length) in characters:
            length += 1
        skipped: str = self.reader.prefix(length)
        self.reader.forward(length)
        return skipped

    def _indents(self) -> bool:
        """Whether the tab here stands where a line's indentation does, before something."""
        buffer, here = self.reader.buffer, self.reader.pointer
        begin = max(buffer.rfind("\n", 0, here), buffer.rfind("\r", 0, here)) + 1
        end = here
        while buffer[end] in " \t":
            end += 1
        if self.indent < 0 and buffer[end] in "{[":  # JSON, indented as a whole
            return False
        return not buffer[begin:here].strip(" ") and buffer[end] not in "\r\n#\0"
