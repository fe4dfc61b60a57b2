"""What W&B takes: the lengths of names and values that it refuses beyond. What is cut stays distinct by a hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

TAG = 64
NAME = 128
"""Characters of a group's, a run's and an artifact's name."""
REASON = 10_000
"""Characters of why a trial ended, in its run's summary."""
NOTES = 100_000
"""Characters of a run's notes."""
VALUE = 500_000
"""Characters of one value in a run's config; W&B warns from 1 MB on."""
CONFIG = 9_000_000
"""Characters of all of a config's values; W&B takes 10 MB."""


def cut(text: str, limit: int) -> str:
    """The text where it fits, else its beginning and a hash of the whole: two long names stay two."""
    return text if len(text) <= limit else f"{text[: limit - 9]}-{_hash(text)}"


def shortened_value(text: str, limit: int, rest: str) -> str:
    """The text where it fits, else its beginning and the words `rest`, which say where the rest is."""
    return text if len(text) <= limit else f"{text[: limit - len(rest) - 2]}\n{rest}\n"[:limit]


def tags(names: Iterable[str]) -> list[str]:
    """The names as a run's tags: each once, none empty, none too long."""
    return list(dict.fromkeys(cut(name, TAG) for name in names if name.strip()))


def artifact_name(text: str) -> str:
    """The text as an artifact's name: letters, digits, dashes, underscores and dots; changed, it ends in a hash."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", text)
    return cut(text, NAME) if plain == text else f"{plain[: NAME - 9]}-{_hash(text)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
