"""Words of a sweep file in a format that gives some characters a meaning: they stay words."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

_BREAKS = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")
_MARKUP = re.compile(
    r"[\\`*~$|]"  # code, emphasis, formulas, table cells
    r"|\](?=[(\[:])"  # links and images
    r"|<(?=[A-Za-z/!?])|(?<![\s\-=])>|&(?=#?\w+;)"  # HTML
    r"|(?<![^\W_])_|_(?![^\W_])"  # emphasis, which begins and ends at a word's ends
)
_BLOCK = re.compile(r"^(\s*)(#{1,6}(?=\s|$)|>|[-+](?=\s)|([-=])(?=\3))")
_LIST = re.compile(r"^(\s*\d{1,9})([.)])(?=\s)")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}")
_MISSING = {"NA", "NULL", "NaN", "None", "n/a", "nan", "null", "#N/A", "#N/A N/A", "#NA", "<NA>", "N/A"}
_MISSING |= {"-NaN", "-nan", "1.#IND", "1.#QNAN", "-1.#IND", "-1.#QNAN"}
"""What pandas reads as a missing value."""
_NAMES = ("name", "claim", "family", "sweep", "scale", "node", "cell", "series", "before", "after")
"""Columns of words that somebody chose: a number there is a name, too."""
_OTHER = re.compile(
    r"'.*|\s+|\s*(?:[-+]?(?:\d+\.?\d*|\.\d+)(?:e\s*[-+]?\d*)?|[-+]?inf(?:inity)?|true|false)\s*",
    re.IGNORECASE | re.DOTALL,
)
"""Names that pandas reads as numbers, as true and false or as an empty line; and those that begin with ', since ours
is the first one."""


def markdown(text: Any) -> str:
    """`text` on one line of Markdown that shows it as it is; entities mean nothing but their character anywhere."""
    line = _MARKUP.sub(lambda found: _entity(found[0]), _BREAKS.sub(" ", str(text)))
    for begin in (_BLOCK, _LIST):  # headings, quotes, lists
        line = begin.sub(lambda found: found[1] + _entity(found[2][0]) + found[2][1:], line, count=1)
    return line


def label(text: Any) -> str:
    """`text` for the brackets of a Markdown link or image."""
    return markdown(text).replace("[", "&#91;").replace("]", "&#93;")


def _entity(character: str) -> str:
    return {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(character, f"&#{ord(character)};")


def code(text: Any) -> str:
    """`text` as Markdown's inline code, whatever backticks it has."""
    line = _BREAKS.sub(" ", str(text))
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def csv(table: pd.DataFrame, float_format: str | None = None) -> bytes:
    """The table as CSV.

    What a spreadsheet would take for a formula, or pandas for nothing, has a ' before it; in a column of names so has
    what pandas would take for a number, true or false.
    """
    texts = {
        name: column.map(_name if name in _NAMES else _cell)
        for name, column in table.items()
        if column.dtype.kind not in "biufcmM"
    }
    plain = table.assign(**{str(name): column for name, column in texts.items()})
    return plain.to_csv(index=False, float_format=float_format, lineterminator="\n").encode()


def _name(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and _OTHER.fullmatch(value) else _cell(value)


def _cell(value: Any) -> Any:
    if not isinstance(value, str) or value == "-" or not (value in _MISSING or value.startswith(_FORMULA)):
        return value
    return value if _is_number(value) else f"'{value}"


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", text))
