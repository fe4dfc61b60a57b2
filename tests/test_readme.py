"""The README stays true: its commands and its Python run as written, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import s3

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def loading() -> str:
    """The Python that needs a sweep's results."""
    (found,) = (block for block in blocks("python") if "fsm_icl.load" in block)
    return found


def commands() -> list[str]:
    return [line for block in blocks("bash") for line in block.splitlines()]


def run(command: list[str] | str, cwd: Path) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    shell = isinstance(command, str)
    done = subprocess.run(command, shell=shell, cwd=cwd, env=environment, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def test_make_targets_are_those_that_ci_runs() -> None:
    made = {line.split()[1] for line in commands() if line.startswith("make ")}
    assert made == {"spectrum", "test"}
    assert all(f"make {target}" in (ROOT / ".ci" / "run").read_text() for target in made)


@pytest.mark.ray
@pytest.mark.timeout(3600)
def test_every_other_command_runs_in_order(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(blocks("yaml")[0])
    with s3.served():
        for command in commands():
            if not command.startswith("make "):
                run(command, tmp_path)
    run([sys.executable, "-c", loading()], tmp_path)
    assert (tmp_path / "results" / "spectrum-smoke" / "figures" / "report.html").is_file()
    assert (tmp_path / "results" / "mine-default" / "figures" / "report.md").is_file()


@pytest.mark.slow
def test_the_python_runs(tmp_path: Path) -> None:
    for block in blocks("python"):
        if block != loading():
            run([sys.executable, "-c", block], tmp_path)
