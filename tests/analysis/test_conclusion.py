"""The conclusion follows the data: four synthetic worlds, one set of claims, four different conclusions."""

from pathlib import Path

import pytest

from analysis.conclusion import conclusion, overall
from analysis.load import load_sweep
from analysis.verdicts import judge
from fsm_icl.records import DeclaredHypothesis
from tests.analysis.builder import Plan, around, hypothesis, write_sweep

CLAIMS: list[DeclaredHypothesis] = [
    hypothesis("lstm-d64-L1", "rnn-d64-L1", name="gates", claim="Gates matter"),
    hypothesis("rnn-d256-L1", "rnn-d64-L1", name="capacity", claim="Capacity matters"),
]


def world(rnn: float, wide: float, lstm: float) -> list[Plan]:
    return [
        Plan("rnn", around(rnn, 0.004)),
        Plan("rnn", around(wide, 0.004), d_model=256),
        Plan("lstm", around(lstm, 0.001)),
    ]


@pytest.mark.parametrize(
    ("plans", "expected"),
    [
        (
            world(0.57, 0.60, 0.989),
            "2 of 2 declared claims are decided. Supported: “Gates matter”. Refuted: “Capacity matters”.",
        ),
        (
            world(0.57, 0.985, 0.60),
            "2 of 2 declared claims are decided. Supported: “Capacity matters”. Refuted: “Gates matter”.",
        ),
        (
            world(0.57, 0.58, 0.59),
            "2 of 2 declared claims are decided. Refuted: “Gates matter”; “Capacity matters”.",
        ),
        (
            world(0.984, 0.985, 0.989),
            "Nothing can be concluded from this sweep. Not testable here, the base is too close to its bound: "
            "“Gates matter”; “Capacity matters”.",
        ),
    ],
    ids=["gates matter", "capacity matters", "nothing matters", "everything is saturated"],
)
def test_four_worlds(tmp_path: Path, plans: list[Plan], expected: str) -> None:
    sweep = load_sweep(write_sweep(tmp_path / "s", plans, CLAIMS))
    assert conclusion(sweep, judge(sweep)) == expected


def test_one_decided_claim_among_two(tmp_path: Path) -> None:
    sweep = load_sweep(write_sweep(tmp_path / "s", world(0.57, 0.67, 0.989), CLAIMS))
    assert overall(judge(sweep)) == (
        "1 of 2 declared claims is decided. Supported: “Gates matter”. Open: “Capacity matters”."
    )
