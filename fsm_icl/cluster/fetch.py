"""Results brought home from where a cluster keeps them, so that `python -m analysis` works on them here."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fsm_icl.cluster.cluster_file import read_cluster_file
from fsm_icl.cluster.jobs import results_of
from fsm_icl.cluster.ssh import Host
from fsm_icl.results.files import as_folder, as_os_errors, changed_at, read_all
from fsm_icl.results.layout import SweepFolder


def fetch_results(file: Path, results: Path, trials: bool) -> Iterator[Path]:
    """Copy what is new; yields each sweep's folder. Without `trials` no checkpoints and logs, which are most of it.

    Raises:
        ValueError: a folder here holds another sweep of the same name, or nothing can be copied.
    """
    where = results_of(file)
    source = _Bucket(where) if "://" in where else _Head(file, where)
    ids = source.ids()
    for name, there in ids.items():
        here = SweepFolder(results / name).id
        if here.is_file() and here.read_text().strip() != there:
            raise ValueError(f"{here.parent}: holds another sweep of this name; choose another folder with --results")
    for name in ids:
        source.copy(name, results / name, trials)
        yield results / name


class _Head:
    """A folder that the head sees, over SSH."""

    def __init__(self, file: Path, folder: str) -> None:
        config = read_cluster_file(file)
        address = config["provider"].get("head_ip")
        if not address:
            raise ValueError(f"{file}: metadata.results is a folder, but provider.head_ip does not say whose")
        self.folder = folder
        self.head = Host(config, address)

    def ids(self) -> dict[str, str]:
        """Name of each sweep's folder -> its id."""
        said = self._run(self.head.command(f"cd {shlex.quote(self.folder)} && grep -H . */id"))
        return {
            name.removesuffix("/id"): found for name, _, found in (line.partition(":") for line in said.splitlines())
        }

    def copy(self, name: str, target: Path, trials: bool) -> None:
        """Copy one folder, each file whole or not at all."""
        target.mkdir(parents=True, exist_ok=True)
        left = [] if trials else ["--exclude=/trials/"]
        remote = f"{self.head.name}:{self.folder}/{name}/"
        self._run(["rsync", "--archive", "--protect-args", *left, "--rsh", self.head.ssh, remote, f"{target}/"])

    def _run(self, command: list[str]) -> str:
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError:
            raise ValueError(f"{command[0]} is not installed on this machine; results come home with it") from None
        if done.returncode:
            raise ValueError(f"{self.head.name}:{self.folder}: {done.stderr.strip() or 'no results yet'}")
        return done.stdout


class _Bucket:
    """A URI such as s3://bucket/results."""

    def __init__(self, uri: str) -> None:
        self.folder: Any = as_folder(uri)

    def ids(self) -> dict[str, str]:
        """Name of each sweep's folder -> its id."""
        found = read_all(self.folder, "*/id")
        if not found:
            raise ValueError(f"{self.folder}: no results yet; a slip in the bucket's name would look the same")
        return {path.parent.name: content.decode().strip() for path, content in found.items()}

    def copy(self, name: str, target: Path, trials: bool) -> None:
        """Copy one folder, each file whole or not at all."""
        root, files = f"{self.folder.path}/{name}/", self.folder.fs
        with as_os_errors(self.folder):
            for path, info in files.find(root, detail=True).items():
                inside = path[path.index(root) + len(root) :]
                if (trials or not inside.startswith("trials/")) and not _is_here(info, target / inside):
                    partial = (target / inside).with_name(f".{Path(inside).name}.partial")
                    partial.parent.mkdir(parents=True, exist_ok=True)
                    files.get_file(path, str(partial))
                    partial.replace(target / inside)


def _is_here(info: Mapping[str, Any], target: Path) -> bool:
    """As large as there, and not older."""
    if not target.is_file() or target.stat().st_size != info["size"]:
        return False
    return target.stat().st_mtime >= changed_at(info)
