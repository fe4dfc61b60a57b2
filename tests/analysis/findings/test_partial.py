"""A sweep that is going on: whatever is there yet, everything says so and nothing crashes."""

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from analysis.figures.picture import Picture
from analysis.figures.registry import pictures
from analysis.findings.conclusion import conclusion
from analysis.findings.sentences import protocol
from analysis.findings.tables import count_table
from analysis.findings.verdicts import judge
from analysis.report.comparison import print_comparison
from analysis.report.files import tables_of
from analysis.report.page import write_page
from analysis.report.terminal import print_sweep
from analysis.sources.snapshot import load_snapshot, origin, write_snapshot
from analysis.sources.sweep import Sweep, load_sweep
from tests.analysis.builder import Plan, around, hypothesis, searched, share_hypothesis, spectrum, write_sweep

STAGES: dict[str, list[Plan]] = {
    "nothing has started": [Plan("rnn", [None] * 6, search=[]), Plan("gru", [None] * 6, search=[])],
    "one search": [Plan("rnn", [None] * 6), Plan("gru", [None] * 6, search=["finished", None])],
    "a cell without a winner": [Plan("rnn", [0.57, *[None] * 5]), Plan("gru", [None] * 6, failed=True)],
    "some seeds": [Plan("rnn", around(0.57, 0.01)), Plan("gru", [0.99, 0.98, "failed", None, None, None])],
}


def everything(sweep: Sweep, folder: Path) -> str:
    """All that is computed and written but for the drawing; returns what is printed."""
    console = Console(file=StringIO(), width=110)
    print_sweep(sweep, console)
    found = pictures(sweep)
    came_from = origin(sweep, "python -m analysis mine")
    write_page(sweep, folder, found, {p.name: b"" for p in found if isinstance(p, Picture)}, came_from)
    write_snapshot(sweep, folder, came_from)
    before, after = tables_of(sweep, found), tables_of(again := load_snapshot(folder), pictures(again))
    assert {name: t.to_csv() for name, t in before.items()} == {name: t.to_csv() for name, t in after.items()}
    print_comparison(sweep, again, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("plans", STAGES.values(), ids=STAGES.keys())
def test_every_stage(tmp_path: Path, plans: list[Plan]) -> None:
    sweep = load_sweep(write_sweep(tmp_path / "s", plans, [hypothesis()]))
    text = everything(sweep, tmp_path)
    there = f"{sweep.counts.ended} of {sweep.counts.asked} trials"
    assert f"partial: {there}" in " ".join(text.split())
    assert f"So far: {there}." in conclusion(sweep, judge(sweep))
    assert [verdict.outcome for verdict in judge(sweep)] == ["inconclusive"]
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
    sweep = load_sweep(folder)
    everything(sweep, tmp_path)
    left = len(list((folder / "records").iterdir()))
    assert f"{left} of 56 trials" in protocol(sweep)
    counts = count_table(sweep)
    assert counts["missing"].sum() == 56 - left
    assert all(verdict.sentence for verdict in judge(sweep))


def test_an_empty_grid_is_still_a_sweep(tmp_path: Path) -> None:
    everything(load_sweep(write_sweep(tmp_path / "s", [Plan("rnn", [None], search=[])])), tmp_path)
