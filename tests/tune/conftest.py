"""What sweeps that are killed, starved or moved are compared with."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tune.smoke import sweep


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("one")
    done = sweep(results, "--max-concurrent", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    return results


@pytest.fixture
def terminal() -> Iterator[None]:
    """A terminal that can be closed: under nohup(1) tests inherit SIGHUP ignored, and so would what they start."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)
