"""The limits that the Ray tests use: a slow process is waited for, one that hangs is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import progress


def test_a_process_that_gets_on_is_waited_for_and_one_that_hangs_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 3.0)
    code = "import pathlib, sys, time\nfor n in range(9): time.sleep(1); pathlib.Path(sys.argv[1], str(n)).touch()"
    assert progress.run([sys.executable, "-c", code, str(tmp_path)], tmp_path).returncode == 0
    with pytest.raises(progress.NoProgress, match="nothing has changed for 3 s"):
        progress.run([sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"], tmp_path)


def test_a_wait_ends_when_the_process_does(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"], text=True)
    with pytest.raises(AssertionError, match="3"):
        progress.wait_until(lambda: False, ended, tmp_path)
