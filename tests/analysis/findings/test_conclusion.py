"""The conclusion follows the data: five synthetic worlds, one set of claims, five conclusions."""

from pathlib import Path

import pytest

from analysis.findings.conclusion import conclusion, overall
from analysis.findings.findings import findings_of
from analysis.sources.sweep import load_sweep
from fsm_icl.results.records import DeclaredHypothesis
from tests.analysis.builder import Plan, around, hypothesis, write_sweep

CLAIMS: list[DeclaredHypothesis] = [
    hypothesis("lstm-d64-L1", "rnn-d64-L1", name="gates", claim="Gates matter"),
    hypothesis("rnn-d256-L1", "rnn-d64-L1", name="capacity", claim="Capacity matters"),
]

GATES = "(within 600 steps; rnn-d64-L1: tanh, orthogonal start)"
WIDTH = "(within 600 steps; rnn-d256-L1: tanh, orthogonal start; rnn-d64-L1: tanh, orthogonal start)"


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
            world(0.67, 0.70, 0.989),
            "2 of 2 declared claims are decided. "
            f"Supported: “Gates matter” {GATES}. Refuted: “Capacity matters” {WIDTH}.",
        ),
        (
            world(0.67, 0.985, 0.70),
            "2 of 2 declared claims are decided. "
            f"Supported: “Capacity matters” {WIDTH}. Refuted: “Gates matter” {GATES}.",
        ),
        (
            world(0.67, 0.68, 0.69),
            f"2 of 2 declared claims are decided. Refuted: “Gates matter” {GATES}; “Capacity matters” {WIDTH}.",
        ),
        (
            world(0.57, 0.58, 0.59),
            "Nothing can be concluded from this sweep. Not learnt, no compared cell clears counting: "
            f"“Gates matter” {GATES}; “Capacity matters” {WIDTH}.",
        ),
        (
            world(0.984, 0.985, 0.989),
            "Nothing can be concluded from this sweep. Not testable here, the base is too close to its bound: "
            f"“Gates matter” {GATES}; “Capacity matters” {WIDTH}.",
        ),
    ],
    ids=["gates matter", "capacity matters", "nothing matters", "nothing is learnt", "everything is saturated"],
)
def test_five_worlds(tmp_path: Path, plans: list[Plan], expected: str) -> None:
    sweep = load_sweep(write_sweep(tmp_path / "s", plans, CLAIMS))
    assert conclusion(sweep, findings_of(sweep).verdicts) == expected


def test_one_decided_claim_among_two(tmp_path: Path) -> None:
    sweep = load_sweep(write_sweep(tmp_path / "s", world(0.67, 0.77, 0.989), CLAIMS))
    assert overall(findings_of(sweep).verdicts) == (
        f"1 of 2 declared claims is decided. Supported: “Gates matter” {GATES}. Open: “Capacity matters” {WIDTH}."
    )
