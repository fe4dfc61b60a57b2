"""How the rooms of the house hang together: python -m bench.rooms [FOLDER | --git COMMIT] [--svg FILE].

A room is what a layers contract of pyproject.toml names, and beside these each folder. An import from one file to
another, at whatever place in the file, is an arrow between their rooms; rooms, or files, that import each other in the
end are a circle. Nothing is imported: the files are parsed.
"""

from __future__ import annotations

import argparse
import ast
import io
import subprocess
import tarfile
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import resolve_name
from pathlib import Path

from bench.rooms_picture import svg

ROOT = Path(__file__).parents[1]
PACKAGES = ("fsm_icl", "analysis")


@dataclass(frozen=True)
class House:
    """The files of a tree of code, and the layers that its pyproject.toml asks for."""

    files: Mapping[str, str]
    """Module -> its text."""
    folders: frozenset[str]
    """Modules that are folders."""
    layers: tuple[tuple[str, ...], ...]
    """Rooms by layer, from the top."""

    def room(self, module: str) -> str:
        """The room that a module lies in."""
        named = {room for layer in self.layers for room in layer}
        above = [module.rsplit(".", n)[0] for n in range(module.count(".") + 1)]
        folder = next(name for name in above if name in self.folders)
        return next((name for name in above if name in named), folder)

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """File -> files that it imports."""
        return {module: set(self._imported(module)) - {module} for module in self.files}

    def _imported(self, module: str) -> Iterable[str]:
        package = module if module in self.folders else module.rpartition(".")[0]
        for node in ast.walk(ast.parse(self.files[module])):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            if isinstance(node, ast.ImportFrom):
                base = resolve_name("." * node.level + (node.module or ""), package)
                names = [name if (name := f"{base}.{each}") in self.files else base for each in names]
            yield from (name for name in names if name in self.files)

    @cached_property
    def rooms(self) -> dict[str, list[str]]:
        """Room -> its files, by layer from the top; rooms that no layer names first, where an arrow touches them."""
        layered = [room for layer in self.layers for room in layer]
        used = {room for pair in self.arrows for room in pair}
        found: dict[str, list[str]] = {}
        for module in self.files:
            found.setdefault(self.room(module), []).append(module)
        others = [room for room in found if room in used and room not in layered]
        return {room: found[room] for room in (*others, *layered) if room in found}

    @cached_property
    def arrows(self) -> Counter[tuple[str, str]]:
        """(importing room, imported room) -> imports; a pair of one room twice counts the imports inside it."""
        return Counter((self.room(a), self.room(b)) for a, targets in self.imports.items() for b in targets)


def circles(arrows: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Groups whose members reach each other."""
    targets: dict[str, set[str]] = {}
    for a, b in arrows:
        targets.setdefault(a, set()).add(b)
    reached = {start: _reached(start, targets) for start in targets}
    return sorted({tuple(sorted(b for b in reached[a] if a in reached.get(b, ()))) for a in targets if a in reached[a]})


def _reached(start: str, targets: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = targets.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def house_in(folder: Path) -> House:
    """The house in a folder that holds pyproject.toml."""
    contracts = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    lines = [line for contract in contracts if contract["type"] == "layers" for line in contract["layers"]]
    paths = [path for package in PACKAGES for path in sorted((folder / package).rglob("*.py"))]
    modules = {path: ".".join(path.relative_to(folder).with_suffix("").parts) for path in paths}
    modules = {path: name.removesuffix(".__init__") for path, name in modules.items()}
    return House(
        files={name: path.read_text(encoding="utf-8") for path, name in modules.items()},
        folders=frozenset(name for path, name in modules.items() if path.stem == "__init__"),
        layers=tuple(tuple(room.strip() for room in line.split("|")) for line in lines),
    )


def house_at(commit: str) -> House:
    """The house as a commit has it. Raises CalledProcessError where git knows no such commit."""
    command = ["git", "archive", "--format=tar", commit, "pyproject.toml", *PACKAGES]
    packed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory() as there, tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(there, filter="data")
        return house_in(Path(there))


def table(house: House) -> str:
    """Each room: its files, the arrows that leave and reach it, and the imports inside it; then the sums."""
    between = {pair: count for pair, count in house.arrows.items() if pair[0] != pair[1]}
    lines = [f"{'room':<26}{'files':>7}{'arrows out':>12}{'arrows in':>11}{'imports inside':>16}"]
    for room, files in house.rooms.items():
        out, into = (sum(pair[side] == room for pair in between) for side in (0, 1))
        lines.append(f"{room:<26}{len(files):>7}{out:>12}{into:>11}{house.arrows[room, room]:>16}")
    pairs = [(a, b) for a, targets in house.imports.items() for b in targets]
    crossing = sum(between.values())
    lines += [
        f"{len(house.rooms)} rooms, {sum(map(len, house.rooms.values()))} files",
        f"{len(between)} arrows between rooms, {crossing} imports; {len(pairs) - crossing} imports inside rooms",
    ]
    tops = {(_top(a), _top(b)) for a, b in pairs if _top(a) != _top(b)}
    lines.append(
        f"{len({*map(_top, house.files)})} rooms and {len(tops)} arrows with the rooms of one wing taken as one"
    )
    for what, found in (("rooms", circles(between)), ("files", circles(pairs))):
        lines += [f"circles of {what}: {len(found)}", *(f"    {' <-> '.join(circle)}" for circle in found)]
    return "\n".join(lines)


def _top(module: str) -> str:
    """The wing that a module lies in: analysis, or what lies directly in fsm_icl."""
    package, *inside = module.split(".")
    return ".".join([package, *inside[:1]]) if package == "fsm_icl" else package


def main() -> None:
    """Print the table, and draw the picture where one is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("folder", type=Path, nargs="?", default=ROOT, help="which holds pyproject.toml (default: ours)")
    which.add_argument("--git", metavar="COMMIT", help="a commit of this repository in place of a folder")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the house, too")
    arguments = parser.parse_args()
    house = house_at(arguments.git) if arguments.git else house_in(arguments.folder)
    print(table(house))
    if arguments.svg:
        arguments.svg.write_text(svg(house.rooms, house.arrows, house.layers), encoding="utf-8")


if __name__ == "__main__":
    main()
