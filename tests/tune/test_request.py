"""Durations."""

from __future__ import annotations

import pytest

from fsm_icl.tune.request import duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("45m", 2700), ("2h", 7200), ("1h30m", 5400), ("1h2m3s", 3723), ("7", 7)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "h", "2 hours", "-5m", "1.5h", "5m1h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="such as 90s, 45m, 2h or 1h30m"):
        duration(text)
