"""A name means one thing: no public function or class of the two packages is defined twice."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import fsm_icl

ROOT = Path(fsm_icl.__file__).parents[1]
INTERFACES = {"picture", "draw"}
"""What every file of a figure has."""


def test_no_public_name_is_defined_twice() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in [path for package in ("fsm_icl", "analysis") for path in (ROOT / package).rglob("*.py")]:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert len(places) > 500
    assert {name: found for name, found in places.items() if len(found) > 1 and name not in INTERFACES} == {}


def test_types_are_nouns() -> None:
    """Participles and adverbs that once stood for types stay away."""
    gone = {"Again", "Asked", "Checked", "Ended", "Found", "Located", "Lost", "Sampled", "Saved", "Scaled", "Scored"}
    gone |= {"Seen", "Synced", "Trained", "Verified"}
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "fsm_icl").rglob("*.py"))
    text += "".join(path.read_text(encoding="utf-8") for path in (ROOT / "analysis").rglob("*.py"))
    assert [name for name in sorted(gone) if f"class {name}(" in text or f"class {name}:" in text] == []
