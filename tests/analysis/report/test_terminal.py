from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from analysis.findings.conclusion import conclusion
from analysis.findings.findings import Findings, findings_of
from analysis.findings.sentences import gain_text, verdict_texts
from analysis.findings.tables import gain_table, verdict_table
from analysis.report.terminal import print_cell_table, print_findings
from analysis.sources.sweep import load_sweep
from tests.analysis.builder import Plan, around, hypothesis, share_hypothesis, spectrum, write_sweep


def load(folder: Path, plans: list[Plan], name: str = "spectrum", **manifest: object) -> Findings:
    labels = {plan.label for plan in plans}
    hypotheses = [h for h in (hypothesis(), share_hypothesis()) if labels >= set(h.cells.values())]
    return findings_of(load_sweep(write_sweep(folder / name, plans, hypotheses, sweep=name, **manifest)))


def printed(findings: Findings, width: int = 110) -> str:
    console = Console(file=StringIO(), width=width)
    print_cell_table(findings, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_row_of_the_table_by_hand(tmp_path: Path) -> None:
    accuracies = [0.5, 0.975, 0.98, 0.985, 0.99, 0.995]
    row = load(tmp_path, [Plan("rnn", accuracies)], "one").cell_table.set_index("cell").loc["rnn-d64-L1"]
    assert row["iqm"] == pytest.approx(0.9825, abs=1e-4)
    assert row["mean"] == pytest.approx(sum(accuracies) / 6, abs=1e-4)
    assert (row["minimum"], row["maximum"]) == pytest.approx((0.5, 0.995), abs=2e-4)
    assert (row["seeds"], row["seeds_asked"], row["successes"]) == (6, 6, 5)
    assert (row["best_learning_rate"], row["pruned"], row["diverged"], row["failed"]) == ("0.01", 2, 0, 0)


def test_gains_from_architecture_to_architecture(tmp_path: Path) -> None:
    found = load(tmp_path, spectrum()[::-1]).gains
    assert [(g.before, g.after) for g in found] == [
        ("rnn-d64-L1", "gru-d64-L1"),
        ("gru-d64-L1", "lstm-d64-L1"),
    ]
    row = gain_table(found).iloc[0]
    assert row["points"] == pytest.approx(41.5, abs=0.1)
    assert row["points_low"] < row["points"] < row["points_high"]


@pytest.mark.parametrize("name", ["capacity", "depth"])
def test_gains_along_the_axis(tmp_path: Path, name: str) -> None:
    axis = "d_model" if name == "capacity" else "num_layers"
    sizes = [Plan("rnn", around(0.57, 0.01), **{axis: size}) for size in (16, 2, 5)]  # type: ignore[arg-type]
    found = load(tmp_path, [*sizes, Plan("gru"), Plan("lstm")], name).gains
    labels = [f"rnn-d{n}-L1" if name == "capacity" else f"rnn-d64-L{n}" for n in (2, 5, 16)]
    assert [(g.before, g.after) for g in found] == [(labels[0], labels[1]), (labels[1], labels[2])]


def test_gains_in_words(tmp_path: Path) -> None:
    plans = [Plan("rnn", around(0.57, 0.01)), Plan("gru", [0.99] * 4 + [0.6] * 2), Plan("lstm", [None] * 6)]
    first, second = load(tmp_path, plans).gains
    assert gain_text(first).startswith("+")
    assert gain_text(first).endswith("seeds that succeed: 0 of 6 -> 4 of 6")
    assert gain_text(second) == "not yet measured"
    assert first.logrank_p == pytest.approx(2 * 28 / 924)  # four reach it, all in one cell: 8 over 2 ways a side


def test_the_printed_table_fits_110_columns_on_one_line_a_cell(tmp_path: Path) -> None:
    wide = [Plan("lstm", around(0.98, 0.01), d_model=1024, num_layers=16), *spectrum()]
    text = printed(load(tmp_path, wide))
    assert max(map(len, text.splitlines())) <= 110
    line = next(line for line in text.splitlines() if line.strip().startswith("lstm-d1024-L16"))
    assert line.rstrip().endswith("2/0/0")


def test_the_printed_table_says_what_to_beware_of(tmp_path: Path) -> None:
    plans = [
        Plan("rnn", [0.6] * 3 + ["diverged", None, None], at_edge=["learning_rate"], still_rising=True),
        Plan("gru", [None] * 6, failed=True),
    ]
    text = " ".join(printed(load(tmp_path, plans)).split())
    for words in (
        "rnn-d64-L1: the winner lies at the edge of its range (learning_rate); "
        "still rising at the end of its 600 steps",
        "gru-d64-L1: fails within 600 steps: no proposal finished",
        "partial: 12 of 14 trials",
        "2/1/0",
        "conditional on the chosen hyperparameters",
        "4 of 6",
    ):
        assert words in text


def test_several_searches_show_the_range_of_learning_rates(tmp_path: Path) -> None:
    sweep = load(tmp_path, spectrum()).sweep
    cell = sweep.manifest.cells[0]
    second = cell.winners[0].model_copy(update={"repeat": 1, "params": {"learning_rate": 0.002}})
    cells = [cell.model_copy(update={"winners": [cell.winners[0], second]}), *sweep.manifest.cells[1:]]
    manifest = sweep.manifest.model_copy(update={"cells": cells, "repeats": 2})
    changed = findings_of(replace(sweep, manifest=manifest))
    assert "0.002-0.01" in printed(changed)
    assert "2 searches per cell" in changed.protocol


def test_everything_that_was_computed_is_printed(tmp_path: Path) -> None:
    findings = load(tmp_path, spectrum())
    console = Console(file=StringIO(), width=110)
    print_findings(findings, console)
    text = " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]
    for verdict in findings.verdicts:
        assert verdict.sentence in text
    assert "2 of 2 declared claims are decided. Supported: “Gates help” (within 600 steps;" in text
    assert "Not tested: arch other than rnn, gru, lstm; d_model other than 64, 32;" in text
    assert "- rnn-d64-L1 -> gru-d64-L1: +41.5 points [40." in text


def test_verdicts_in_words(tmp_path: Path) -> None:
    steps = hypothesis("lstm-d64-L1", "gru-d64-L1", 1.25, "within", name="steps", metric="steps_to_threshold")
    folder = write_sweep(tmp_path / "s", spectrum(), [hypothesis(), share_hypothesis(), steps])
    gap, share, ratio = (verdict_texts(verdict) for verdict in findings_of(load_sweep(folder)).verdicts)
    assert gap[:4] == ["Gates help", "within 600 steps; rnn-d64-L1: tanh, orthogonal start", "accuracy", "41.5 points"]
    assert gap[5:] == ["<.001", "<.001", "1.00", "supported"]
    assert share[2:4] == ["share of the gap", "100%"]
    assert share[7] == "-"
    assert ratio[2:5] == ["steps to threshold", "x 0.97", "0.84 to 1.15"]


def test_verdicts_as_a_table(tmp_path: Path) -> None:
    row = verdict_table(load(tmp_path, spectrum()).verdicts).set_index("name").loc["gates"]
    assert (row["outcome"], row["estimate"]) == ("supported", pytest.approx(0.415, abs=1e-3))
    assert row["estimate_low"] < row["estimate"] < row["estimate_high"]
    assert row["p_value"] < row["adjusted_p"]


def test_every_trial_is_counted_somewhere(tmp_path: Path) -> None:
    plans = [Plan("rnn", [0.6, None, "diverged"]), Plan("gru", [None] * 3, search=["failed"] * 4, failed=True)]
    folder = write_sweep(tmp_path / "s", plans)
    everything = load_sweep(folder).manifest
    cells = [everything.cells[0].model_copy(update={"wanted": everything.cells[0].wanted[1:], "num_proposals": 3})]
    (folder / "manifest.json").write_text(everything.model_copy(update={"cells": cells}).model_dump_json())
    table = findings_of(load_sweep(folder)).count_table.set_index(["cell", "phase"])
    assert table.loc[("rnn-d64-L1", "search")].tolist() == [3, 1, 2, 0, 0, 0, 1]
    assert table.loc[("rnn-d64-L1", "measure")].tolist() == [3, 1, 0, 1, 0, 1, 0]
    assert table.loc[("(no cell of this sweep)", "search")].tolist() == [0, 0, 0, 0, 0, 0, 4]
    ended = table[["finished", "pruned", "diverged", "failed", "no_longer_wanted"]].to_numpy().sum()
    assert ended == len(list((folder / "records").iterdir()))


def test_what_a_search_cost_and_found(tmp_path: Path) -> None:
    row = load(tmp_path, [Plan("rnn", search=["finished", "pruned", "finished", "finished"])]).search_table.iloc[0]
    assert (row["proposals"], row["steps"], row["full_steps"]) == (4, 3 * 600 + 200, 2400)
    assert row["times_fewer_steps"] == pytest.approx(1.2)
    assert row["best_accuracy"] == pytest.approx(0.65, abs=1e-3)
    assert (row["good_lr_lowest"], row["good_lr_highest"]) == (0.008, 0.008)


def test_what_was_not_tested_is_computed(tmp_path: Path) -> None:
    found = load(tmp_path, spectrum()).not_tested
    assert "d_model other than 64, 32" in found
    assert "machines other than 3 states x 3 actions" in found
    assert "more than 600 steps: a cell that fails may need more" in found
    assert "any claim about lstm-d32-L1: none was declared" in found
    wide = [*spectrum(), Plan("rnn", d_model=128, num_layers=2)]
    more = findings_of(load_sweep(write_sweep(tmp_path / "wide", wide, repeats=5))).not_tested
    assert "d_model other than 64, 32, 128" in more
    assert "num_layers other than 1, 2" in more
    assert not any("searched once" in one for one in more)


def test_a_partial_sweep_says_so_beside_its_conclusion(tmp_path: Path) -> None:
    findings = load(tmp_path, [*spectrum()[:3], Plan("lstm", [0.9, None, None], d_model=32)])
    assert conclusion(findings.sweep, findings.verdicts).endswith("So far: 35 of 37 trials.")


def test_a_sweep_without_hypotheses_concludes_nothing(tmp_path: Path) -> None:
    sweep = load_sweep(write_sweep(tmp_path / "s", spectrum()))
    assert "the sweep file declares no hypothesis" in findings_of(sweep).conclusion
