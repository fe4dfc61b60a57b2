"""Printing stops nothing: not in an encoding that lacks a character, nor where nobody reads any more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fsm_icl.output import steady_output
from tests.analysis.builder import hypothesis, spectrum, write_sweep

PRINTS = """
import sys
from pathlib import Path
from fsm_icl.output import steady_output
with steady_output():
    for _ in range(20_000):
        print("“weit” → größer")
        print("“weit”", file=sys.stderr)
    Path("written").write_text("all of it")
"""


def shell(command: str, folder: Path, encoding: str = "utf-8") -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": os.pathsep.join(sys.path)}
    typed = f"set -o pipefail; {command.replace('python', sys.executable, 1)}"
    return subprocess.run(["bash", "-c", typed], cwd=folder, env=environment, capture_output=True)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
@pytest.mark.parametrize("where", ["", "| head -1", "2>&1 | true", ">&-", "2>&-", ">/dev/null"])
def test_what_is_printed_stops_nothing(tmp_path: Path, where: str, encoding: str) -> None:
    (tmp_path / "prints.py").write_text(PRINTS, encoding="utf-8")
    done = shell(f"python prints.py {where}", tmp_path, encoding)
    assert done.returncode == 0, done.stderr[-500:]
    assert (tmp_path / "written").read_text() == "all of it"
    if not where:
        escaped = "“weit” → größer\n".encode(encoding, "backslashreplace")
        assert done.stdout == escaped * 20_000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told_in_the_end(tmp_path: Path) -> None:
    (tmp_path / "prints.py").write_text(PRINTS, encoding="utf-8")
    done = shell("python prints.py >/dev/full", tmp_path)
    assert done.returncode == 1
    assert done.stderr.endswith(b"error: what was printed is not complete: No space left on device\n")
    assert (tmp_path / "written").exists()
    assert shell("python -m fsm_icl.cli schema >/dev/full", tmp_path).returncode == 1


def test_an_analysis_that_nobody_reads_writes_its_files(tmp_path: Path) -> None:
    write_sweep(tmp_path / "s", spectrum(), [hypothesis()])
    done = shell("python -m analysis s | true", tmp_path, "ascii")
    assert done.returncode == 0, done.stderr
    assert {"report.html", "report.md", "verdicts.csv"} <= {path.name for path in (tmp_path / "s/figures").iterdir()}


def test_the_exit_code_of_a_command_stays(tmp_path: Path) -> None:
    assert shell("python -m fsm_icl.cli status nowhere | true", tmp_path).returncode == 2
    assert shell("python -m fsm_icl.tune nowhere | true", tmp_path).returncode == 2


def test_a_stream_in_memory_stays(capsys: pytest.CaptureFixture[str]) -> None:
    with steady_output():
        print("here")
    assert capsys.readouterr().out == "here\n"
