"""A network of simulated hosts for the tests that need one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.hosts import Host, hosts, why_not


@pytest.fixture(scope="module")
def lab() -> Iterator[list[Host]]:
    """A laptop, a head and a worker. Skips with a reason where there can't be any."""
    if reason := why_not():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="fsm-lab-") as folder, hosts(3, Path(folder)) as machines:
        yield machines
