"""The order of tests: two processes end at about the same time when the long files come first."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("fsm_icl.testing")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    long = {item.path for item in items if item.get_closest_marker("ray") or item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)  # stable: a file's tests stay together, and in their order
