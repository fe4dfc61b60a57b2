"""The YAML files of cluster/: read as plain values, placeholders found and filled."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

ROOT = Path(__file__).parents[2]
_PLACEHOLDER = re.compile(r"<([A-Z][A-Z_]*)>")


def read_cluster_file(path: Path) -> dict[str, Any]:
    """The file's values. Raises ValueError when it is no YAML mapping."""
    try:
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        raise ValueError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: is not UTF-8 text") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected a mapping (`key: value` lines)")
    return values


def placeholders(text: str) -> list[str]:
    """Names of the <PLACEHOLDERS> outside comments, each once, in order."""
    plain = (line.partition("# ")[0] for line in text.splitlines())
    return list(dict.fromkeys(name for line in plain for name in _PLACEHOLDER.findall(line)))


def filled(text: str, values: Mapping[str, str]) -> str:
    """`text` with its placeholders replaced.

    Raises:
        ValueError: one of them has no value.
    """
    if missing := [f"<{name}>" for name in placeholders(text) if name not in values]:
        raise ValueError(f"no value for {', '.join(missing)}; known here: {', '.join(sorted(values))}")
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def local_copy(file: Path, name: str | None = None) -> Path:
    """Where a filled copy goes: beside the file, under a name that git ignores. gpu.yaml -> gpu[.NAME].local.yaml."""
    if file.suffixes[-2:-1] == [".local"]:
        return file
    return file.with_suffix(f"{'' if name is None else f'.{name}'}.local{file.suffix}")


def with_name(text: str, old: str, new: str) -> str:
    """`text` with the cluster's name, and those of its roles, replaced."""
    return re.sub(rf"(?<=[ :]){re.escape(old)}(?=(-head|-worker)?[ ,}}\n])", new, text)


def ray_program() -> str:
    """The `ray` command: that of the path, else the one beside this interpreter, whose environment may not be active.

    Raises:
        ValueError: there is none.
    """
    beside = Path(sys.executable).parent
    if found := shutil.which("ray") or shutil.which("ray", path=str(beside)):
        return found
    raise ValueError(
        f"no `ray` command, neither on the path nor in {beside}: pip install -c constraints.txt -e '.[cluster]'"
    )


def pinned() -> dict[str, str]:
    """Package -> version of constraints.txt. Raises ValueError where this is no checkout."""
    path = ROOT / "constraints.txt"
    if not path.is_file():
        raise ValueError(f"{path}: not found; run from a checkout of the repository")
    lines = (line.partition("==") for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return {name.lower(): version for name, _, version in lines}
