"""The docstring of each room lists its files, and pyproject.toml's layers are the rooms that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from bench.rooms import PACKAGES, ROOT, house_in

ROOMS = sorted(path.parent for package in PACKAGES for path in (ROOT / package).rglob("__init__.py"))


def listed(room: Path) -> list[str]:
    text = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    return re.findall(r"^ *([\w/]+(?:\.py|/))  +\S", text, re.MULTILINE)


def files(room: Path) -> set[str]:
    inside = {f"{path.name}/" if path.is_dir() else path.name for path in room.iterdir()}
    return {name for name in inside if name.endswith((".py", "/")) and not name.startswith(("__", "."))}


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.relative_to(ROOT).as_posix())
def test_a_docstring_lists_the_files_of_its_room(room: Path) -> None:
    names = listed(room)
    assert [name for name in names if not (room / name).exists()] == []
    first = {re.match(r"\w+(?:\.py|/)", name)[0] for name in names}  # type: ignore[index]
    assert files(room) - first == set(), f"say in {room / '__init__.py'} what each is for"
    assert len(set(names)) == len(names)


def test_the_tree_of_rooms_is_that_of_the_layers() -> None:
    layered = [room for layer in house_in(ROOT).layers for room in layer]
    for package in PACKAGES:
        rooms = {
            f"{package}.{name.removesuffix('.py').strip('/').replace('/', '.')}" for name in listed(ROOT / package)
        }
        assert rooms == {room for room in layered if room.startswith(package)}
