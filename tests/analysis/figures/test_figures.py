from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.figures.main_drawing import draw, looks_of, picture
from analysis.figures.main_figure import AnswerInfo, answer_info
from analysis.figures.panels import compact
from analysis.figures.style import arch_styles, shade, spread
from analysis.findings.findings import Findings, findings_of
from analysis.sources.sweep import load_sweep
from fsm_icl.sweep.file.load import load_sweep_file as read_sweep_file
from tests.analysis.builder import CEILING, LADDER, STEPS, Plan, around, spectrum, write_sweep
from tests.sweep import folders

GATED = [Plan("gru", around(0.989, 0.001)), Plan("lstm", around(0.990, 0.001))]


def widths() -> list[Plan]:
    return [Plan("rnn", around(0.56 + d / 2000, 0.01), d_model=d) for d in (128, 32, 64)] + GATED


def depths() -> list[Plan]:
    return [Plan("rnn", around(0.57 + n / 100, 0.01), num_layers=n) for n in (16, 2, 5)] + GATED


IDENTITY = {"nonlinearity": "relu", "init": "identity"}


def budgets() -> list[Plan]:
    """Two variants along the axis, the second one named by its coordinates alone, a third one at one place."""
    plans = [Plan("rnn", around(0.55 + n / 1e4, 0.01), more={"steps": n}) for n in (2400, 600, 1200)]
    plans += [Plan("rnn", around(0.7 + n / 1e4, 0.01), more={**IDENTITY, "steps": n}) for n in (600, 1200, 2400)]
    plans += [Plan("rnn", around(0.75, 0.01), more={"nonlinearity": "relu", "steps": 1200})]
    return plans + [Plan(arch, around(0.989, 0.001), more={"steps": 600}) for arch in ("lstm", "gru")]


def deep_variants() -> list[Plan]:
    trained = {"residual": True, "norm": "layer"}
    variants: list[dict[str, object]] = [{}, trained, IDENTITY, IDENTITY | trained]
    plans = [Plan("rnn", around(0.7, 0.05), num_layers=n, more=more) for more in variants for n in (1, 2, 4)]
    return plans + GATED


def findings_in(folder: Path, plans: list[Plan], name: str = "spectrum") -> Findings:
    return findings_of(load_sweep(write_sweep(folder / name, plans, sweep=name)))


def info_of(folder: Path, plans: list[Plan], name: str = "spectrum") -> AnswerInfo:
    return answer_info(findings_in(folder, plans, name))


def test_capacity_has_a_series_by_width_and_references_at_the_base_size(tmp_path: Path) -> None:
    info = info_of(tmp_path, widths(), "capacity")
    assert (info.kind, info.axis) == ("capacity", "d_model")
    assert [(s.arch, [c.x for c in s.cells]) for s in info.series] == [("rnn", [32, 64, 128])]
    assert [one.cell.label for one in info.references] == ["gru-d64-L1", "lstm-d64-L1"]
    assert [c.num_params for c in info.series[0].cells] == sorted(c.num_params for c in info.series[0].cells)
    assert info.curves == ()


def test_budget_has_a_series_per_variant_along_steps(tmp_path: Path) -> None:
    info = info_of(tmp_path, budgets(), "budget")
    assert (info.kind, info.axis) == ("budget", "steps")
    assert [(s.name, [c.x for c in s.cells]) for s in info.series] == [
        ("RNN, tanh, orthogonal start", [600, 1200, 2400]),
        ("RNN, ReLU, identity start", [600, 1200, 2400]),
        ("RNN, ReLU, orthogonal start", [1200]),
    ]
    assert [one.name for one in info.references] == ["GRU, 600 steps", "LSTM, 600 steps"]
    assert [(c.series, c.x, c.curve.steps[-1]) for c in info.curves] == [
        ("RNN, tanh, orthogonal start", 2400, 2400),
        ("RNN, ReLU, identity start", 2400, 2400),
        ("RNN, ReLU, orthogonal start", 1200, 1200),
        ("GRU, 600 steps", 600, 600),
        ("LSTM, 600 steps", 600, 600),
    ]


def test_a_default_that_is_named_is_the_same_variant(tmp_path: Path) -> None:
    plain = Plan("rnn", num_layers=1)
    named = Plan("rnn", num_layers=2, more={"nonlinearity": "tanh", "residual": False})
    assert [len(s.cells) for s in info_of(tmp_path, [plain, named, *GATED], "depth").series] == [2]


def test_gains_run_along_each_variant_of_a_budget(tmp_path: Path) -> None:
    found = findings_in(tmp_path, budgets(), "budget").gains
    label, variant = "rnn-d64-L1", "rnn-d64-L1-nonlinearity=relu-init=identity"
    assert [(g.before, g.after) for g in found] == [
        (f"{each}-steps={before}", f"{each}-steps={after}")
        for each in (label, variant)
        for before, after in ((600, 1200), (1200, 2400))
    ]


def test_names_say_what_differs_within_the_architecture(tmp_path: Path) -> None:
    info = info_of(tmp_path, deep_variants(), "depth")
    assert [series.name for series in info.series] == [
        "RNN, tanh, orthogonal start",
        "RNN, tanh, orthogonal start, residual, LayerNorm",
        "RNN, ReLU, identity start",
        "RNN, ReLU, identity start, residual, LayerNorm",
    ]
    assert [one.name for one in info.references] == ["GRU, 1 layer", "LSTM, 1 layer"]
    rows = info.table().query("what == 'iqm'")
    assert list(dict.fromkeys(rows["series"])) == [
        *(series.name for series in info.series),
        "reference: GRU, 1 layer",
        "reference: LSTM, 1 layer",
    ]


def test_variants_of_an_architecture_are_told_apart(tmp_path: Path) -> None:
    looks = looks_of(info_of(tmp_path, deep_variants(), "depth"))
    rnn = [look for name, look in looks.items() if name.startswith("RNN")]
    assert len({look.colour for look in rnn}) == len({str(look.dashes) for look in rnn}) == 4
    assert len({look.marker for look in looks.values()}) == 6


def test_depth_has_learning_curves_of_the_swept_depths(tmp_path: Path) -> None:
    info = info_of(tmp_path, depths(), "depth")
    assert [curve.x for curve in info.curves] == [2, 5, 16]
    curve = info.curves[0].curve
    assert (curve.steps[-1], curve.num_seeds[-1]) == (STEPS, 6)
    assert curve.low[-1] <= curve.median[-1] <= curve.high[-1]
    finals = [0.57 + 0.02 - 0.01, 0.57 + 0.02 + 0.01]
    assert (curve.low[-1], curve.high[-1]) == pytest.approx(finals, abs=1e-3)


def test_a_curve_is_the_median_and_range_of_measure_trials_by_step(tmp_path: Path) -> None:
    findings = findings_in(tmp_path, depths(), "depth")
    swept = answer_info(findings).curves[0]
    values = [
        r.metrics["val/accuracy"]
        for t in findings.sweep.ended(swept.label, "measure")
        for r in t.reports
        if r.step == 300
    ]
    curve = swept.curve
    at = curve.steps.index(300)
    expected = (np.median(values), min(values), max(values))
    assert (curve.median[at], curve.low[at], curve.high[at]) == expected


def test_spectrum_orders_base_cells_by_architecture_and_matched_ones_after(tmp_path: Path) -> None:
    info = info_of(tmp_path, spectrum()[::-1])
    assert [cell.label for cell in info.cells] == ["rnn-d64-L1", "gru-d64-L1", "lstm-d64-L1", "lstm-d32-L1"]
    assert [cell.x for cell in info.cells] == [0, 1, 2, 3]
    assert {line.label: line.value for line in info.lines} == LADDER | {"ceiling": CEILING}


@pytest.mark.parametrize(
    ("plans", "kind"),
    [
        (widths(), "capacity"),
        ([*widths()[:2], *GATED], "capacity"),
        (depths(), "depth"),
        (budgets(), "budget"),
        (spectrum()[:3], "spectrum"),
        (spectrum(), "spectrum"),
        ([*spectrum(), Plan("rnn", more=IDENTITY)], "spectrum"),
        ([Plan(arch, d_model=d, num_layers=n) for arch in ("rnn", "gru") for d in (8, 16) for n in (1, 2)], "spectrum"),
    ],
)
def test_a_sweep_gets_the_figure_of_what_varies_whatever_it_is_called(
    tmp_path: Path, plans: list[Plan], kind: str
) -> None:
    for name in ("mine", "spectrum", "capacity", "depth", "budget"):
        assert info_of(tmp_path, plans, name).kind == kind


@pytest.mark.parametrize("name", ["spectrum", "capacity", "depth", "budget"])
@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper"])
def test_a_copy_of_a_shipped_sweep_has_its_figure(tmp_path: Path, name: str, scale: str) -> None:
    loaded = read_sweep_file(name, scale)
    folders.write(tmp_path / "mine", replace(loaded, name="mine"), stop_after=0)
    mine = load_sweep(tmp_path / "mine")
    assert mine.manifest.sweep == "mine"
    assert findings_of(mine).kind == name


def test_cells_of_different_tasks_have_no_common_lines(tmp_path: Path) -> None:
    info = info_of(tmp_path, [Plan("rnn", task="3x3"), Plan("gru", task="5x5")])
    assert info.lines == ()


def test_the_table_holds_every_seed_estimate_line_and_curve(tmp_path: Path) -> None:
    info = info_of(tmp_path, depths(), "depth")
    table = info.table()
    assert table["what"].value_counts().to_dict() == {
        "seed": 30,
        "iqm": 5,
        "line": 7,
        "curve": 3 * STEPS // 30,
    }
    row = table.query("what == 'iqm' and cell == 'gru-d64-L1'").iloc[0]
    score = info.references[0].cell.score
    assert score is not None
    assert score.iqm.interval is not None
    assert (row["value"], row["low"]) == (score.iqm.value, score.iqm.interval.low)


NOTHING = [Plan(a, [None] * 6, d_model=d, search=[]) for a in ("rnn", "gru") for d in (32, 64)]
FEW = [Plan("rnn", [0.57, "diverged"]), Plan("gru", [None] * 2, failed=True), Plan("mamba", [0.98, None])]


@pytest.mark.parametrize("name", ["spectrum", "capacity", "depth", "budget"])
@pytest.mark.parametrize("plans", [NOTHING, FEW, spectrum(1), [Plan("rnn")], widths(), depths(), budgets()])
def test_every_figure_can_be_drawn_of_every_sweep(tmp_path: Path, name: str, plans: list[Plan]) -> None:
    figure = draw(info_of(tmp_path, plans, name))
    assert len(figure.axes) == 2
    figure.draw_without_rendering()


def test_a_spectrum_of_many_cells_takes_the_whole_width(tmp_path: Path) -> None:
    plans = [Plan(arch, d_model=d, num_layers=n) for arch in ("rnn", "gru") for d in (16, 32, 64, 128) for n in (1, 2)]
    figure = draw(info_of(tmp_path, plans))
    figure.draw_without_rendering()
    assert len(figure.axes) == 1
    boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
    assert len(boxes) == 16
    assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))


@pytest.mark.parametrize(
    ("plans", "name"),
    [
        (widths(), "capacity"),
        (depths(), "depth"),
        (deep_variants(), "depth"),
        (budgets(), "budget"),
        (spectrum(), "spectrum"),
    ],
)
def test_no_two_labels_beside_a_panel_touch(tmp_path: Path, plans: list[Plan], name: str) -> None:
    figure = draw(info_of(tmp_path, plans, name))
    figure.draw_without_rendering()
    boxes = sorted((t.get_window_extent() for t in figure.axes[0].texts), key=lambda box: box.y0)
    assert len(boxes) >= 7
    assert all(below.y1 <= above.y0 + 1 for below, above in pairwise(boxes))
    right = figure.axes[1].get_tightbbox()
    assert max(box.x1 for box in boxes) < right.x0


def test_names_of_cells_below_a_spectrum_do_not_touch(tmp_path: Path) -> None:
    plans = [*spectrum()[:3], *(Plan("rnn", more=more) for more in (IDENTITY, {"init": "concatenated_xavier"}))]
    figure = draw(info_of(tmp_path, plans))
    figure.draw_without_rendering()
    for ax in figure.axes:
        boxes = [label.get_window_extent() for label in ax.get_xticklabels()]
        assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))
        assert min(box.y0 for box in boxes) > figure.legends[0].get_window_extent().y1


@pytest.mark.parametrize(("plans", "name"), [(deep_variants(), "depth"), (budgets(), "budget")])
def test_the_legend_stays_within_the_figure_and_below_the_panels(tmp_path: Path, plans: list[Plan], name: str) -> None:
    figure = draw(info_of(tmp_path, plans, name))
    figure.draw_without_rendering()
    names = [text.get_window_extent() for text in figure.legends[0].get_texts()]
    top, bottom = max(box.y1 for box in names), min(box.y0 for box in names)
    assert max(box.x1 for box in names) <= figure.bbox.x1
    assert all(ax.xaxis.label.get_window_extent().y0 > top for ax in figure.axes)
    assert figure.texts[0].get_window_extent().y1 <= bottom


def test_saving_touches_no_state_and_gives_equal_bytes(tmp_path: Path) -> None:
    found, before = picture(findings_in(tmp_path, spectrum())), dict(mpl.rcParams)
    first = [path.read_bytes() for path in found.save(tmp_path)]
    second = [path.read_bytes() for path in found.save(tmp_path)]
    assert first == second
    assert dict(mpl.rcParams) == before


def test_styles_are_fixed_for_known_architectures_and_free_for_others() -> None:
    alone, many = arch_styles(["lstm"]), arch_styles(["xlstm", "gru", "mamba", "lstm", "rnn"])
    assert alone["lstm"] == many["lstm"]
    assert list(many) == ["rnn", "gru", "lstm", "mamba", "xlstm"]
    assert len({s.colour for s in many.values()}) == len({s.marker for s in many.values()}) == 5


def test_shades_are_ordered_from_light_to_dark() -> None:
    brightness = [sum(shade("#D55E00", rank, 3)) for rank in range(3)]
    assert brightness == sorted(brightness, reverse=True)


@given(st.lists(st.floats(0, 1), max_size=10))
def test_spread_keeps_order_and_distance(heights: list[float]) -> None:
    placed = spread(sorted(heights), 0.05, 0.0, 1.0)
    assert all(b - a >= 0.05 - 1e-9 for a, b in pairwise(placed))
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in placed)


def test_spread_leaves_alone_what_does_not_touch() -> None:
    assert spread([0.1, 0.5, 0.9], 0.05, 0, 1) == [0.1, 0.5, 0.9]


@pytest.mark.parametrize(
    ("number", "text"), [(3.56, "3.56"), (950, "950"), (8400, "8.4k"), (132_000, "132k"), (1_250_000, "1.25M")]
)
def test_compact_counts(number: float, text: str) -> None:
    assert compact(number) == text
