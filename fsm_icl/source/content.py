"""A file's bytes -> its JSON object, or one sentence about what is wrong with the file."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_BYTES = 50_000_000
"""A metrics file has a few kB; what is larger is something else, and reading it could fill the memory."""
MAX_DEPTH = 20
"""The source nests four levels; what is nested a hundred times could not be written as a record."""


class SourceError(ValueError):
    """A file that can't be imported, and why."""


@dataclass(frozen=True)
class Content:
    """A file that holds a JSON object: text that can be stored, numbers that are finite."""

    file: str
    """Its name without the folder."""
    sha256: str
    parsed: dict[str, Any]


def read_content(path: Path) -> Content:
    """The object in a file. Raises SourceError: the file can't be used; why."""
    raw = _bytes(path)
    try:
        parsed = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_without_doubles)
    except RecursionError:
        raise SourceError("is nested too deeply to be one of the source's files") from None
    except UnicodeDecodeError:
        raise SourceError("is not UTF-8 text, so no JSON") from None
    except json.JSONDecodeError as error:
        raise SourceError(f"is not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except ValueError as error:  # a key that occurs twice, or an integer of thousands of digits
        raise SourceError(str(error).partition(";")[0]) from None
    if not isinstance(parsed, dict) or not parsed:
        raise SourceError(f"expected an object with keys, found {quoted(parsed)}")
    _check_values(parsed)
    return Content(displayed(path.name), hashlib.sha256(raw).hexdigest(), parsed)


def displayed(name: str) -> str:
    """A file's name as text that can be printed and stored, whatever bytes and control characters it has."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def quoted(value: Any) -> str:
    """A value as JSON, of a long one its beginning."""
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:36]} ..."


def enumerated(names: Sequence[str] | Mapping[str, Any], most: int = 6) -> str:
    """The names, of many the first few."""
    return ", ".join(quoted(name) for name in list(names)[:most]) + (", ..." if len(names) > most else "")


def _bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise SourceError("is a folder; name the files in it")
        if not path.exists():
            raise SourceError("there is no such file")
        if not path.is_file():
            raise SourceError("is no regular file")
        if (size := path.stat().st_size) > MAX_BYTES:
            raise SourceError(f"has {size / 1e6:,.0f} MB; files of the source have a few kB")
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"can't be read: {error.strerror or error}") from None


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {quoted(key)} stands twice in one object")
        found[key] = value
    return found


def _check_values(content: dict[str, Any]) -> None:
    """Raises SourceError at the first value that no record can hold, with its place: training_history.val_losses.3."""
    stack: list[tuple[tuple[str, ...], Any]] = [((), content)]
    while stack:
        place, value = stack.pop()
        if isinstance(value, float) and not math.isfinite(value):
            raise SourceError(f"{displayed('.'.join(place))}: is not a finite number")
        if len(place) > MAX_DEPTH:
            raise SourceError("is nested too deeply to be one of the source's files")
        for text in (*place[-1:], *([value] if isinstance(value, str) else [])):
            if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
                raise SourceError(f"holds {quoted(text)}, which is no text: half of a surrogate pair")
        parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        stack += [((*place, str(name)), part) for name, part in parts]
