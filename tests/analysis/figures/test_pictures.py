"""The numbers of every figure, and that each can be drawn of every sweep."""

import itertools
import json
from pathlib import Path

import pytest

from analysis.figures import (
    best_rates,
    breakthrough,
    collapse,
    in_context,
    learning_curves,
    learning_rates,
    matchings,
    timeline,
)
from analysis.figures import search as search_figure
from analysis.figures.picture import NotDrawn, Picture
from analysis.figures.registry import pictures
from analysis.figures.style import cell_looks
from analysis.findings.findings import Findings, findings_of
from analysis.sources.sweep import load_sweep
from fsm_icl.results.records import Slice
from tests.analysis.builder import CEILING, STEPS, Plan, around, hash_of, spectrum, write_sweep

NOTHING = [Plan(a, [None] * 6, d_model=d, search=[None] * 4) for a in ("rnn", "gru") for d in (32, 64)]
FEW = [
    Plan("rnn", [0.57, "diverged"], at_edge=["learning_rate"], still_rising=True),
    Plan("gru", [None] * 2, search=["diverged", "failed"], failed=True),
    Plan("mamba", [0.98, None], search=["finished", None]),
]
MANY = [
    Plan(a, d_model=d, num_layers=n, search=("finished",))
    for a in ("rnn", "gru")
    for d in (8, 16, 32)
    for n in (1, 2, 3)
]


def load(folder: Path, plans: list[Plan], **manifest: object) -> Findings:
    return findings_of(load_sweep(write_sweep(folder / "s", plans, **manifest)))


def drawn(found: Picture | NotDrawn) -> Picture:
    assert isinstance(found, Picture)
    return found


@pytest.mark.parametrize(
    "plans", [NOTHING, FEW, pytest.param(MANY, marks=pytest.mark.slow)], ids=["none", "few", "many"]
)
def test_every_figure_can_be_drawn_of_every_sweep(tmp_path: Path, plans: list[Plan]) -> None:
    for found in pictures(load(tmp_path, plans)):
        if isinstance(found, Picture):
            assert len(found.text) > 40
            found.draw().draw_without_rendering()
        else:
            assert found.reason


def test_what_is_not_drawn_says_why(tmp_path: Path) -> None:
    reasons = {found.name: found.reason for found in pictures(load(tmp_path, NOTHING)) if isinstance(found, NotDrawn)}
    assert reasons["learning_curves"] == "no measure trial has ended"
    assert reasons["learning_rates"] == "no proposal has ended"
    assert len(reasons) == 9


def test_breakthroughs_are_first_reports_at_the_threshold(tmp_path: Path) -> None:
    findings = load(tmp_path, spectrum())
    table = drawn(learning_curves.picture(findings)).table
    rows = table.query("what == 'breakthrough' and cell == 'lstm-d64-L1'").set_index("seed")["step"]
    for seed, record in enumerate(findings.sweep.ended("lstm-d64-L1", "measure")):
        reached = [r.step for r in record.reports if r.metrics["val/accuracy"] >= CEILING - 0.02]
        assert rows[seed] == reached[0]
    assert table.query("what == 'breakthrough' and cell == 'rnn-d64-L1'")["step"].isna().all()


def test_the_share_that_reached_the_threshold(tmp_path: Path) -> None:
    table = drawn(breakthrough.picture(load(tmp_path, [Plan("gru", [0.99] * 4 + [0.6, "diverged"])]))).table
    rows = table.query("what == 'reached threshold'")
    assert rows["share"].iloc[-1] == pytest.approx(4 / 6)
    assert (rows["reached"].iloc[0], rows["total"].iloc[0]) == (4, 6)
    success = table.query("what == 'success'").iloc[0]
    assert (success["share"], success["reached"]) == (pytest.approx(4 / 6), 4)


def test_slices_are_pooled_over_seeds_and_empty_ones_left_out() -> None:
    first = [Slice(label="0", correct=1, total=4), Slice(label="1", correct=0, total=0)]
    second = [Slice(label="0", correct=3, total=4), Slice(label="1", correct=2, total=2)]
    found = in_context.pooled([first, second])
    assert [(p.label, p.accuracy, p.low, p.high, p.steps) for p in found] == [
        ("0", 0.5, 0.25, 0.75, 8),
        ("1", 1.0, 1.0, 1.0, 2),
    ]


def test_in_context_curves_of_every_finished_cell(tmp_path: Path) -> None:
    table = drawn(in_context.picture(load(tmp_path, [*spectrum(), Plan("mgu", ["failed"] * 6)]))).table
    assert set(table["cell"]) == {plan.label for plan in spectrum()}
    assert set(table.query("by == 'times_shown'")["slice"]) == {"0", "1", "2", "3+"}
    assert len(table.query("by == 'query_step' and cell == 'gru-d64-L1'")) == 12


def test_in_context_curves_of_another_task_family(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "sweep", [*spectrum()])
    for path in (folder / "records").glob("*.json"):
        content = json.loads(path.read_text())
        if content["end"]["test"] is not None:
            content["end"]["test"]["slices"] = {"depth": content["end"]["test"]["slices"]["query_step"]}
        path.write_text(json.dumps(content))
    manifest = json.loads((folder / "manifest.json").read_text())
    for task in manifest["tasks"].values():
        task |= {"spec": {"family": "brackets"}, "dimensions": {}, "slices": {"depth": "brackets open"}}
        task["ladder"] = {"chance": 0.5, "last bracket": 0.6}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    findings = findings_of(load_sweep(folder))
    found = drawn(in_context.picture(findings))
    assert set(found.table["by"]) == {"depth"}
    assert "by brackets open; lines" in found.text
    (panel,) = found.draw().axes
    assert panel.get_xlabel() == "brackets open"
    assert {"last bracket", "ceiling"} <= {text.get_text() for text in panel.texts}
    assert isinstance(collapse.picture(findings), NotDrawn)


def test_proposals_with_their_winner(tmp_path: Path) -> None:
    found = drawn(learning_rates.picture(load(tmp_path, [Plan("rnn", search=["finished", "pruned", "diverged"])])))
    assert found.table["outcome"].tolist() == ["finished", "pruned", "diverged"]
    assert found.table["accuracy"].iloc[-1] == 0.0  # diverged: the metric's worst
    assert found.table["winner"].tolist() == [False, False, True]
    assert found.table["learning_rate"].tolist() == pytest.approx([0.002, 0.004, 0.006])


def test_flags_stand_in_the_text(tmp_path: Path) -> None:
    text = drawn(learning_rates.picture(load(tmp_path, FEW))).text
    assert "rnn-d64-L1 (edge of range, still rising)" in text
    assert "gru-d64-L1 (no winner)" in text


@pytest.mark.parametrize(
    ("search", "unbiased"),
    [
        ({"rungs": [], "num_startup": 8}, True),
        ({"rungs": ["1/9"], "num_startup": 8}, False),
        ({"rungs": [], "num_startup": 0}, False),
    ],
)
def test_the_expected_best_is_unbiased_of_unpruned_startup_proposals_only(
    tmp_path: Path, search: dict[str, object], unbiased: bool
) -> None:
    plans = [Plan("rnn", search=["finished"] * 4)]
    found = drawn(search_figure.picture(load(tmp_path, plans, spec={"search": search})))
    assert found.table["unbiased"].tolist() == [unbiased] * 4
    assert ("descriptive only" in found.text) is not unbiased
    assert found.table["expected_best"].iloc[0] == pytest.approx((0.5 + 0.55 + 0.6 + 0.65) / 4, abs=1e-3)


def test_what_pruning_saved_is_said(tmp_path: Path) -> None:
    found = drawn(search_figure.picture(load(tmp_path, [Plan("rnn", search=["finished", "pruned", "pruned"])])))
    assert f"{STEPS + 2 * STEPS // 3:,}".replace(",", "") in found.text.replace("1k", "1000")
    assert "1.8 times fewer" in found.text


def test_the_collapse_counts_width_in_entries(tmp_path: Path) -> None:
    plans = [Plan("rnn", d_model=9), Plan("rnn", d_model=18)]
    assert drawn(collapse.picture(load(tmp_path, plans))).table["width_per_entry"].tolist() == [1.0, 2.0]
    one = collapse.picture(load(tmp_path / "one", [Plan("rnn"), Plan("gru")]))
    assert isinstance(one, NotDrawn)


def test_costs_of_every_cell(tmp_path: Path) -> None:
    table = drawn(matchings.picture(load(tmp_path, spectrum()))).table.set_index("cell")
    assert list(table.columns[-4:]) == ["num_params", "state_size", "flops_per_token", "seconds"]
    assert table.loc["gru-d64-L1", "seconds"] == 9.5


def test_trials_that_overlap_lie_in_different_lanes(tmp_path: Path) -> None:
    bars = timeline.lanes(load(tmp_path, spectrum()).sweep)
    assert len(bars) == 40
    for bar in bars:
        for other in bars:
            if bar.hash != other.hash and (bar.node, bar.lane) == (other.node, other.lane):
                assert bar.end <= other.start or other.end <= bar.start
    first = next(bar for bar in bars if bar.hash == hash_of("rnn-d64-L1", "search", 0))
    assert (first.start, first.node, first.phase) == (0.0, "here", "search")
    assert first.end == pytest.approx(9.5 / 3600)
    assert {bar.lane for bar in bars} == {0, 1, 2, 3}  # four cells at once on each node


def test_looks_are_the_same_whichever_cells_are_shown(tmp_path: Path) -> None:
    cells = load(tmp_path, [Plan("rnn", d_model=d) for d in (8, 16, 32)]).sweep.manifest.cells
    every, one = cell_looks(cells, {c.label for c in cells}), cell_looks(cells, {"rnn-d16-L1"})
    assert one == {"rnn-d16-L1": every["rnn-d16-L1"]}
    assert [sum(look.colour) for look in every.values()] == sorted(
        (sum(k.colour) for k in every.values()), reverse=True
    )


def test_equal_sweeps_give_equal_tables(tmp_path: Path) -> None:
    first, second = (
        pictures(load(tmp_path / name, [*spectrum(), Plan("mgu", around(0.7, 0.1))])) for name in ("a", "b")
    )
    for one, other in zip(first, second, strict=True):
        if isinstance(one, NotDrawn):
            assert (one.name, one) == ("best_rates", other)
            continue
        assert one.table.equals(drawn(other).table)


def searched_widths() -> list[Plan]:
    """A series by width, searched twice each; another variant with a fixed rate; a reference."""
    rates = {16: (0.01, 0.04), 32: (0.005, 0.02), 64: (0.002, 0.008)}
    series = [Plan("rnn", d_model=d, rates=rates[d], at_edge=["learning_rate"] if d == 64 else []) for d in rates]
    fixed = [Plan("rnn", d_model=d, search=[], more={"nonlinearity": "relu"}) for d in rates]
    return [*series, *fixed, Plan("gru", rates=(0.03, 0.03))]


def test_best_rates_are_each_searchs_winner_along_the_axis(tmp_path: Path) -> None:
    found = drawn(best_rates.picture(load(tmp_path, searched_widths(), sweep="capacity", repeats=2)))
    columns = ["series", "axis", "x", "repeat", "learning_rate", "at_edge"]
    assert found.table[columns].to_numpy().tolist() == [
        ["RNN, tanh", "d_model", 16, 0, 0.01, False],
        ["RNN, tanh", "d_model", 16, 1, 0.04, False],
        ["RNN, tanh", "d_model", 32, 0, 0.005, False],
        ["RNN, tanh", "d_model", 32, 1, 0.02, False],
        ["RNN, tanh", "d_model", 64, 0, 0.002, True],
        ["RNN, tanh", "d_model", 64, 1, 0.008, True],
        ["GRU, d_model 64", "d_model", 64, 0, 0.03, False],
        ["GRU, d_model 64", "d_model", 64, 1, 0.03, False],
    ]
    assert "rnn-d16-L1-nonlinearity=relu, rnn-d32-L1" in found.text
    (ax,) = found.draw().axes
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.lines[0].get_xydata().ravel().tolist() == pytest.approx([16, 0.02, 32, 0.01, 64, 0.004])  # type: ignore[union-attr]


def test_best_rates_need_an_axis_and_a_search(tmp_path: Path) -> None:
    spectral = best_rates.picture(load(tmp_path / "a", spectrum()))
    assert spectral == NotDrawn("best_rates", "no cells differ along an axis only")
    fixed = [Plan("rnn", d_model=d, search=[]) for d in (16, 32)]
    unsearched = best_rates.picture(load(tmp_path / "b", fixed, sweep="capacity"))
    assert unsearched == NotDrawn("best_rates", "no search of a learning rate has a winner")
    lone = best_rates.picture(load(tmp_path / "c", [Plan("rnn"), Plan("gru")], sweep="capacity"))
    assert lone == NotDrawn("best_rates", "no cells differ along an axis only")


def test_best_rates_stand_behind_the_searches_that_they_come_from(tmp_path: Path) -> None:
    found = pictures(load(tmp_path, searched_widths(), sweep="capacity", repeats=2))
    names = [each.name for each in found if isinstance(each, Picture)]
    assert names[0] == "capacity"
    assert names[names.index("learning_rates") + 1] == "best_rates"


def test_titles_of_learning_rate_panels_stay_apart(tmp_path: Path) -> None:
    long = {"nonlinearity": "relu", "init": "identity"}
    plans = [Plan("rnn"), Plan("rnn", more=long), Plan("gru"), Plan("lstm"), Plan("lstm", d_model=32)]
    figure = drawn(learning_rates.picture(load(tmp_path, plans))).draw()
    figure.draw_without_rendering()
    boxes = [ax._left_title.get_window_extent() for ax in figure.axes[:4]]  # type: ignore[attr-defined]
    assert all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))
