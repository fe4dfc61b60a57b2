"""`fsm-icl import`: reads files of the source project, writes a results folder, says what became of every file."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fsm_icl.results.files import as_folder
from fsm_icl.results.lookup import refuse_sweep
from fsm_icl.results.records import Manifest
from fsm_icl.source.choosing import choose
from fsm_icl.source.content import SourceError, displayed
from fsm_icl.source.formats import SourceRun, read_source
from fsm_icl.source.naming import DIRECT
from fsm_icl.source.writing import imported_folder, write_runs

BASELINES = {"rnn": "vanilla RNN", "gru": "GRU", "lstm": "LSTM", "s4": "S4"}
"""Directly trained networks that the source's three figures compare."""


@dataclass(frozen=True)
class Reading:
    """What is in the files."""

    runs: list[SourceRun]
    skipped: list[str]
    """A line for each file that can't be used: which, and what is wrong with it."""


def import_files(paths: Sequence[Path], results: str, name: str) -> int:
    """Import what can be imported and say what can't; the exit code: 0, or 1 where a file was skipped.

    Raises:
        ValueError: no run can be imported, or the folder holds something else; nothing is written.
        OSError: the folder can't be written.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,59}", name):
        raise ValueError(f"--name {name!r}: expected up to 60 letters, digits, dots, hyphens and underscores")
    refuse_sweep(as_folder(results))
    folder = imported_folder(as_folder(results), name)
    reading = read_files(paths)
    choice = choose(reading.runs)
    problems = [*reading.skipped, *choice.problems]
    for line in problems:
        print(f"skipped: {line}", file=sys.stderr)
    if not choice.runs:
        raise ValueError("nothing could be imported, and nothing was written")
    manifest = write_runs(folder, name, choice.runs)
    for line in choice.left_out:
        print(f"left out: {line}")
    for line in [*_notes(choice.runs), *_absent(manifest)]:
        print(line)
    cells = len(manifest.cells)
    print(f"{cells} {'run' if cells == 1 else 'runs'} imported into {folder}; look at them:")
    for question in ("capacity", "depth", "spectrum"):
        print(f"  python -m analysis {question} --results {shlex.quote(str(folder))}")
    print(f"  python -m analysis {shlex.quote(str(folder))}")
    return 1 if problems else 0


def read_files(paths: Sequence[Path]) -> Reading:
    """The runs in all files; a file with the content of an earlier one is skipped."""
    reading, known = Reading([], []), dict[str, str]()
    for path in paths:
        shown = displayed(str(path))
        try:
            runs = read_source(path)
            if (digest := runs[0].sha256) in known:
                raise SourceError(f"has the same content as {known[digest]}")
            known[digest] = shown
        except SourceError as error:
            reading.skipped.append(f"{shown}: {error}")
        else:
            reading.runs.extend(runs)
    return reading


def _notes(runs: Sequence[SourceRun]) -> list[str]:
    return [f"note: {run.file}: {note}" for run in runs for note in run.notes]


def _absent(manifest: Manifest) -> list[str]:
    """What the figures will lack, one line each; nothing is put in its place."""
    direct = {cell.fields["arch"] for cell in manifest.cells if cell.fields["training"] == DIRECT}
    lines = [
        f"missing: no directly trained {shown}; nothing stands in for it"
        for arch, shown in BASELINES.items()
        if arch not in direct
    ]
    sizes = [cell.label for cell in manifest.cells if "d_model" not in cell.fields]
    counts = [cell.label for cell in manifest.cells if cell.num_params is None]
    lines += [f"missing: width and depth of {', '.join(sizes)}"] if sizes else []
    return lines + ([f"missing: parameter count of {', '.join(counts)}"] if counts else [])
