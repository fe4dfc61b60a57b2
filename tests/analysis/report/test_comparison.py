from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from analysis.findings.comparison import CellChange, compare
from analysis.findings.summary import difference, summarise
from analysis.report.comparison import cell_texts, print_comparison
from analysis.sources.sweep import Sweep, load_sweep
from tests.analysis.builder import Plan, around, spectrum, write_sweep


def load(folder: Path, plans: list[Plan], **manifest: object) -> Sweep:
    return load_sweep(write_sweep(folder, plans, **manifest))


def fresh(sweep: Sweep) -> Sweep:
    """The sweep as if trained with other seeds: the same scores under other hashes."""
    cells = [
        cell.model_copy(update={"wanted": [w.model_copy(update={"hash": w.hash[::-1]}) for w in cell.wanted]})
        for cell in sweep.manifest.cells
    ]
    records = {h[::-1]: r.model_copy(update={"hash": h[::-1]}) for h, r in sweep.records.items()}
    return replace(sweep, manifest=sweep.manifest.model_copy(update={"cells": cells}), records=records)


def by_label(a: Sweep, b: Sweep) -> dict[str, CellChange]:
    return {cell.label: cell for cell in compare(a, b).cells}


def test_a_gain_with_its_interval(tmp_path: Path) -> None:
    a = load(tmp_path / "a", [Plan("rnn", around(0.57, 0.01)), Plan("gru", around(0.8, 0.01))])
    b = fresh(load(tmp_path / "b", [Plan("rnn", around(0.70, 0.01)), Plan("gru", around(0.8, 0.01))]))
    found = by_label(a, b)
    gain = found["rnn-d64-L1"].gain
    assert gain is not None
    assert gain.interval is not None
    assert gain.value == pytest.approx(0.13, abs=1e-3)
    assert 0.09 < gain.interval.low < 0.13 < gain.interval.high < 0.17
    same = found["gru-d64-L1"].gain
    assert same is not None
    assert same.interval is not None
    assert same.interval.low < 0 < same.interval.high


def test_test_classes_are_drawn_alike_and_seeds_are_not(tmp_path: Path) -> None:
    a = load(tmp_path / "a", [Plan("rnn", around(0.6, 0.05, 20))], seed=3)
    b = fresh(load(tmp_path / "b", [Plan("rnn", around(0.6, 0.05, 20))], seed=4))
    first, second = summarise(a, 0, "a")["rnn-d64-L1"], summarise(b, 0, "b")["rnn-d64-L1"]
    assert not (first.measured.places == second.measured.places).all()
    together = difference(first, second).interval
    apart = difference(summarise(a)["rnn-d64-L1"], summarise(b)["rnn-d64-L1"]).interval
    assert together is not None
    assert apart is not None
    assert together.high - together.low < apart.high - apart.low  # what is hard for both cancels


def test_equal_trials_leave_nothing_to_be_unsure_of(tmp_path: Path) -> None:
    a, b = (load(tmp_path / name, spectrum()) for name in ("a", "b"))
    for cell in by_label(a, b).values():
        assert (cell.shared, cell.differing, cell.notes) == (6, 0, ("the same trials",))
        assert cell.gain is not None
        assert (cell.gain.value, cell.gain.interval) == (0.0, None)
    assert compare(a, b).changes == ()


def test_equal_trials_with_other_results_are_counted(tmp_path: Path) -> None:
    a = load(tmp_path / "a", [Plan("rnn", around(0.57, 0.01))])
    b = load(tmp_path / "b", [Plan("rnn", [0.58, *around(0.57, 0.01)[1:]])])
    (cell,) = compare(a, b).cells
    assert cell.notes == ("6 trials in both, 1 with another result",)
    assert cell.gain is not None
    assert cell.gain.interval is not None


def test_cells_of_one_sweep_only_and_unmeasured_ones(tmp_path: Path) -> None:
    a = load(tmp_path / "a", [Plan("rnn"), Plan("gru", [None] * 6)])
    b = load(tmp_path / "b", [Plan("gru"), Plan("lstm", failed=True)])
    found = by_label(a, b)
    assert [cell_texts(cell)[-1] for cell in found.values()] == ["in A only", "not yet measured", "in B only"]
    assert cell_texts(found["gru-d64-L1"])[:6] == ["gru-d64-L1", "0/6", "-", ".900", "-", "-"]


def test_other_tasks_are_said(tmp_path: Path) -> None:
    a, b = load(tmp_path / "a", [Plan("rnn")]), load(tmp_path / "b", [Plan("rnn", task="5x5")])
    assert "other task" in compare(a, fresh(b)).cells[0].notes


def test_what_changed_in_the_sweep_file(tmp_path: Path) -> None:
    one = {"search": {"num_trials": 4, "learning_rate": {"log": [1e-3, 1e-1]}}, "budget": {"steps": 600}}
    other = {"search": {"num_trials": 4, "learning_rate": {"log": [1e-4, 1e-1]}}, "measure": {"num_seeds": 6}}
    a, b = load(tmp_path / "a", [Plan("rnn")], spec=one), load(tmp_path / "b", [Plan("rnn")], spec=other, scale="paper")
    assert [(c.name, c.a, c.b) for c in compare(a, b).changes] == [
        ("search.learning_rate.log", "[0.001, 0.1]", "[0.0001, 0.1]"),
        ("budget.steps", "600", "-"),
        ("scale", "laptop", "paper"),
        ("measure.num_seeds", "-", "6"),
    ]


def test_it_is_printed(tmp_path: Path) -> None:
    a = load(tmp_path / "a", [Plan("rnn", around(0.57, 0.01))])
    b = fresh(load(tmp_path / "b", [Plan("rnn", [*around(0.70, 0.01, 5), None])], scale="paper"))
    console = Console(file=StringIO(), width=110)
    print_comparison(compare(a, b), console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"A: {tmp_path / 'a'}, laptop, 10 of 10 trials" in text
    assert f"B: {tmp_path / 'b'}, paper, 9 of 10 trials" in text
    assert "- scale: laptop -> paper" in text
    row = next(line for line in text.splitlines() if line.lstrip().startswith("rnn-d64-L1"))
    assert row.split()[:5] == ["rnn-d64-L1", "6/5", ".570", ".700", "+13"]
