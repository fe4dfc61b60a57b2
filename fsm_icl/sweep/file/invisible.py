"""Characters that can't be seen or look like others: how messages show them, and which of them spoils a YAML file."""

from __future__ import annotations

import re
import unicodedata

_BLANK_LETTERS = "\u115f\u1160\u2800\u3164\uffa0"
"""Printable by Unicode's word, and yet nothing to be seen."""
_WIDE = "\uff01-\uff5e"
"""ASCII's characters as wide as Chinese ones: a full-width colon is none of YAML's."""
_SPACES = "\u00a0\u00ad\u034f\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff" + _BLANK_LETTERS
_QUOTES = "\u2018-\u201f"
_LIKE_ASCII = re.compile(
    f"[{_WIDE}\u2010\u2011\u2212]|(?<=[A-Za-z])[\u0370-\u052f]|[\u0370-\u052f](?=[A-Za-z])"  # 1e-3, and \u0430rch
)
"""Wide characters, hyphens and minus signs of typography, and a Greek or Cyrillic letter within a Latin word."""

_SPOILT = re.compile(
    rf"^[ ]*(?:-[ ]+)*(?:(?P<indent>[{_SPACES}])|-(?P<dash>[{_SPACES}])"
    rf"|[\w.]+[ ]*(?:(?P<colon>\uff1a)|:(?P<value>[{_SPACES}])))"
)
"""A line whose structure is not what it looks like."""
_KEY = re.compile(r"^[ ]*(?:-[ ]+)*[\w.\"']+[ ]*:(?:\s|$)")
_ODD = re.compile(f"[{_SPACES}{_WIDE}{_QUOTES}]")
_CONFLICT = re.compile(r"^(?:<{7}|>{7})(?:\s|$)")
_BETWEEN = re.compile(r"^(?:={7}|\|{7})(?:\s|$)")


def escaped(text: str) -> str:
    """`text` on one line; what can't be seen or told from ASCII, and what a terminal acts on, written as in Python."""
    seen = "".join(_escape(c) if not c.isprintable() or c in _BLANK_LETTERS else c for c in text)
    return _LIKE_ASCII.sub(lambda found: _escape(found[0]), seen)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def character_name(character: str) -> str:
    r"""A character as an escape with its name, e.g. '\xa0' (no-break space)."""
    name = unicodedata.name(character, "").lower()
    return f"'{_escape(character)}'" + (f" ({name})" if name else "")


def lines_of(text: str) -> list[str]:
    """The lines as YAML and editors count them."""
    return re.split(r"\r\n|\r|\n", text)


def conflict_in(text: str) -> tuple[int, str] | None:
    """Number and content of the first line that Git left behind between two versions; None where there is none."""
    if "<<<<<<<" not in text and ">>>>>>>" not in text:
        return None
    marked = ((n, line) for n, line in enumerate(lines_of(text), start=1) if _CONFLICT.match(line))
    return next(marked, None)


def culprit(text: str, number: int) -> tuple[int, str] | None:
    """What can't be seen and makes line `number` no YAML: the line that has it, and what it is; None: nothing does."""
    lines = lines_of(text)
    for at in range(min(number, len(lines)), 0, -1):
        line = lines[at - 1]
        if _BETWEEN.match(line):
            return at, f"{line[:7]!r}: a merge that Git left to you; keep one version"
        if found := _SPOILT.match(line):
            return at, _told(found)
        if at == number and (odd := _ODD.search(line.partition(" #")[0])):
            return at, f"{character_name(odd[0])} is not the character of YAML that it looks like"
        if at < number and _KEY.match(line):
            break
    return None


def _told(found: re.Match[str]) -> str:
    if colon := found["colon"]:
        return f"{character_name(colon)} is no colon of YAML; write ': '"
    where = {"indent": "at the start of the line", "dash": "behind '-'", "value": "behind ':'"}[str(found.lastgroup)]
    return f"{character_name(found[str(found.lastgroup)])} {where} can't be seen and is no space of YAML"
