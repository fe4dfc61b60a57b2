"""A sweep that is going on: whatever is there yet, everything says so and nothing crashes."""

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from analysis.figures.picture import Picture
from analysis.figures.registry import pictures
from analysis.findings.comparison import compare
from analysis.findings.findings import Findings, findings_of
from analysis.report.comparison import print_comparison
from analysis.report.files import tables_of
from analysis.report.page import write_page
from analysis.report.terminal import print_findings
from analysis.sources.snapshot import load_snapshot, origin, write_snapshot
from analysis.sources.sweep import load_sweep
from tests.analysis.builder import Plan, around, hypothesis, searched, share_hypothesis, spectrum, write_sweep

STAGES: dict[str, list[Plan]] = {
    "nothing has started": [Plan("rnn", [None] * 6, search=[]), Plan("gru", [None] * 6, search=[])],
    "one search": [Plan("rnn", [None] * 6), Plan("gru", [None] * 6, search=["finished", None])],
    "a cell without a winner": [Plan("rnn", [0.57, *[None] * 5]), Plan("gru", [None] * 6, failed=True)],
    "some seeds": [Plan("rnn", around(0.57, 0.01)), Plan("gru", [0.99, 0.98, "failed", None, None, None])],
}


def everything(findings: Findings, folder: Path) -> str:
    """All that is computed and written but for the drawing; returns what is printed."""
    console = Console(file=StringIO(), width=110)
    print_findings(findings, console)
    sweep, found = findings.sweep, pictures(findings)
    came_from = origin(sweep, "python -m analysis mine")
    write_page(findings, folder, found, {p.name: b"" for p in found if isinstance(p, Picture)}, came_from)
    write_snapshot(sweep, folder, came_from)
    again = findings_of(load_snapshot(folder))
    before, after = tables_of(findings, found), tables_of(again, pictures(again))
    assert {name: t.to_csv() for name, t in before.items()} == {name: t.to_csv() for name, t in after.items()}
    print_comparison(compare(sweep, again.sweep), console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("plans", STAGES.values(), ids=STAGES.keys())
def test_every_stage(tmp_path: Path, plans: list[Plan]) -> None:
    sweep = load_sweep(write_sweep(tmp_path / "s", plans, [hypothesis()]))
    findings = findings_of(sweep)
    text = everything(findings, tmp_path)
    there = f"{sweep.counts.ended} of {sweep.counts.asked} trials"
    assert f"partial: {there}" in " ".join(text.split())
    assert f"So far: {there}." in findings.conclusion
    assert [verdict.outcome for verdict in findings.verdicts] == ["inconclusive"]
    for name in ("report.html", "report.md"):
        assert there in (tmp_path / name).read_text()


@pytest.mark.parametrize("seed", range(3))
def test_any_subset_of_the_records(tmp_path: Path, seed: int) -> None:
    draw = np.random.default_rng(seed)
    plans = searched(spectrum(10), 1 + 4 * (seed % 2))
    folder = write_sweep(tmp_path / "s", plans, [hypothesis(), share_hypothesis()], repeats=plans[0].repeats)
    paths = sorted((folder / "records").iterdir())
    for path in draw.permutation(len(paths))[: int(draw.integers(1, len(paths)))]:
        paths[path].unlink()
    findings = findings_of(load_sweep(folder))
    everything(findings, tmp_path)
    left = len(list((folder / "records").iterdir()))
    assert f"{left} of 56 trials" in findings.protocol
    assert findings.count_table["missing"].sum() == 56 - left
    assert all(verdict.sentence for verdict in findings.verdicts)


def test_an_empty_grid_is_still_a_sweep(tmp_path: Path) -> None:
    everything(findings_of(load_sweep(write_sweep(tmp_path / "s", [Plan("rnn", [None], search=[])]))), tmp_path)
