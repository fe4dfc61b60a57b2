"""Sweep files: what is read, how scales and --set are laid on, and what the errors say."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from fsm_icl.sweep.file.cells import cells_of
from fsm_icl.sweep.file.hypotheses import check_other_scales, declared
from fsm_icl.sweep.file.load import SHIPPED, load_sweep_file
from fsm_icl.sweep.file.schema import json_schema
from fsm_icl.sweep.file.yaml import SpecError, read_yaml
from fsm_icl.sweep.protocol.planner import CellPlan

MINIMAL = """\
question: Is simple gating enough?
task: {num_states: 3, num_actions: 3}
grid:
  arch: [rnn, gru]
  d_model: 8
search:
  learning_rate: {log: [1e-3, 6e-2]}
"""


CLAIM = """
hypotheses:
  - {name: h, claim: c, a: {arch: gru, steps: 600}, b: {arch: rnn, steps: 900}, threshold: 0.1}
"""


def write(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


def problem(folder: Path, text: str, *sets: str, scale: str | None = None) -> str:
    """The error that a file gives, without its folder."""
    with pytest.raises(SpecError) as caught:
        sweep = load_sweep_file(write(folder, text), scale, sets)
        declared(sweep, cells_of(sweep))
    return str(caught.value).replace(f"{folder}/", "")


def test_a_minimal_file_is_enough(tmp_path: Path) -> None:
    sweep = load_sweep_file(write(tmp_path, MINIMAL))
    assert (sweep.name, sweep.scale) == ("mine", "default")
    assert [c.label for c in cells_of(sweep)] == ["rnn-d8-L1", "gru-d8-L1"]
    assert sweep.spec.search.learning_rate.bounds == (1e-3, 6e-2)


def test_yaml_1_2() -> None:
    values = read_yaml("a: 1e-4\nb: no\nc: 0o17\nd: on\ne: 2026-01-01\nf: 1_000", "x").value
    assert values == {"a": 1e-4, "b": "no", "c": 15, "d": "on", "e": "2026-01-01", "f": 1000}


SWEEPS = sorted(path.stem for path in SHIPPED.glob("*.yaml"))


@pytest.mark.parametrize("name", SWEEPS)
@pytest.mark.parametrize("scale", ["smoke", "laptop", "largest"])
def test_every_shipped_sweep_loads_at_every_scale(name: str, scale: str) -> None:
    largest = "source" if name == "cs182" else "paper"
    sweep = load_sweep_file(name, largest if scale == "largest" else scale)
    cells = cells_of(sweep)
    assert len(cells) >= 4
    assert declared(sweep, cells)


def test_paper_scale_holds_the_sources_sizes() -> None:
    base = cells_of(load_sweep_file("spectrum", "paper"))[0].template
    assert (base.task.num_states, base.task.num_actions, base.task.num_demos) == (5, 5, 3)
    assert (base.model.d_model, base.model.num_layers) == (256, 2)
    assert load_sweep_file("spectrum", "paper").spec.search.repeats == 5
    for name, axis, values in (("capacity", "d_model", [256, 512, 1024]), ("depth", "num_layers", [2, 5, 16])):
        rnns = [c for c in cells_of(load_sweep_file(name, "paper")) if c.fields["arch"] == "rnn"]
        assert sorted({c.fields[axis] for c in rnns}) == values
        assert len(rnns) % len(values) == 0


@pytest.mark.parametrize("name", SWEEPS)
def test_the_specification_in_a_manifest_is_a_sweep_file_of_the_same_trials(tmp_path: Path, name: str) -> None:
    ran = load_sweep_file(name, "smoke", ["search.num_trials=5"])
    path = tmp_path / "mine.yaml"
    path.write_text(json.dumps(ran.spec.model_dump(mode="json", exclude_none=True)))
    again = load_sweep_file(str(path))
    assert again.spec == ran.spec
    assert [cell.key for cell in cells_of(again)] == [cell.key for cell in cells_of(ran)]  # seeds derive from it
    assert declared(again, cells_of(again)) == declared(ran, cells_of(ran))


@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper"])
def test_the_narrow_lstm_has_the_rnns_parameters(scale: str) -> None:
    cells = {c.label: c.template for c in cells_of(load_sweep_file("spectrum", scale))}
    rnn, *_, narrow = (t.model.num_params(t.task.num_tokens, t.task.num_classes) for t in cells.values())
    assert narrow == pytest.approx(rnn, rel=0.1)


def test_a_scale_merges_mappings_replaces_lists_and_merges_hypotheses_by_name(tmp_path: Path) -> None:
    text = MINIMAL + (
        "hypotheses:\n  - {name: h, claim: c, a: {arch: gru, d_model: 8}, b: {arch: rnn}, threshold: 0.1}\n"
        "scales:\n  big:\n    grid: {arch: [rnn, gru], d_model: 16}\n    search: {num_trials: 3}\n"
        "    hypotheses: [{name: h, a: {d_model: 16}}]\n"
    )
    sweep = load_sweep_file(write(tmp_path, text), "big")
    assert sweep.spec.search.num_trials == 3
    assert sweep.spec.search.learning_rate.bounds == (1e-3, 6e-2)
    assert [c.label for c in cells_of(sweep)] == ["rnn-d16-L1", "gru-d16-L1"]
    assert declared(sweep, cells_of(sweep))[0].cells == {"a": "gru-d16-L1", "b": "rnn-d16-L1"}


def test_a_grid_may_be_a_list_and_loses_its_duplicates(tmp_path: Path) -> None:
    grid = "grid=[{arch: [rnn, gru], d_model: [8, 16]}, {arch: gru, d_model: 16}, {arch: lstm}]"
    labels = [c.label for c in cells_of(load_sweep_file(write(tmp_path, MINIMAL), None, [grid]))]
    assert labels == ["rnn-d8-L1", "rnn-d16-L1", "gru-d8-L1", "gru-d16-L1", "lstm-d64-L1"]


def test_a_grid_may_vary_task_and_budget(tmp_path: Path) -> None:
    grid = "grid={arch: rnn, task.num_states: [3, 4], budget.steps: 900}"
    cells = cells_of(load_sweep_file(write(tmp_path, MINIMAL), None, [grid]))
    assert [c.template.task.num_states for c in cells] == [3, 4]
    assert cells[1].label == "rnn-d64-L1-num_states=4-steps=900"


@pytest.mark.parametrize(
    "sets",
    [
        ["search.learning_rate=0.01"],
        ["search.learning_rate={log: [0.01, 0.01]}"],
        ["search={num_trials: 3}", "optimizer.learning_rate=0.01"],
        ["grid.learning_rate=0.01"],
        ["grid.optimizer.learning_rate=[0.01]"],
    ],
    ids=str,
)
def test_a_rate_is_fixed_in_every_natural_spelling(tmp_path: Path, sets: list[str]) -> None:
    sweep = load_sweep_file(write(tmp_path, MINIMAL), None, sets)
    for cell in cells_of(sweep):
        assert not cell.ranges
        assert cell.template.optimizer.learning_rate == 0.01
        plan = CellPlan(sweep.spec, cell, {})
        assert plan.num_proposals == 0
        assert [(p.place.phase, p.config.optimizer.learning_rate) for p in plan.missing()] == [("measure", 0.01)] * 6
        assert not plan.failed
        assert plan.total() == 6


def test_a_fixed_rate_is_one_cell_however_it_is_spelled(tmp_path: Path) -> None:
    spelled = (["search.learning_rate=0.01"], ["grid.learning_rate=0.01"], ["grid.optimizer.learning_rate=0.01"])
    keys = {cells_of(load_sweep_file(write(tmp_path, MINIMAL), None, sets))[0].key for sets in spelled}
    assert len(keys) == 1


def test_a_list_in_the_grid_is_compared_and_a_range_is_searched_in_its_entry(tmp_path: Path) -> None:
    grid = (
        "grid=[{arch: rnn, learning_rate: {log: [3e-4, 3e-2]}}, {arch: gru}, {arch: lstm, learning_rate: [0.01, 0.02]}]"
    )
    sweep = load_sweep_file(write(tmp_path, MINIMAL), None, [grid])
    found = [(c.template.model.arch, {n: r.bounds for n, r in c.ranges.items()}) for c in cells_of(sweep)]
    assert found == [
        ("rnn", {"learning_rate": (3e-4, 3e-2)}),
        ("gru", {"learning_rate": (1e-3, 6e-2)}),
        ("lstm", {}),
        ("lstm", {}),
    ]
    assert [c.field("learning_rate") for c in cells_of(sweep)] == [None, None, 0.01, 0.02]


def test_another_range_moves_proposals_but_no_seed(tmp_path: Path) -> None:
    """The range is no part of a cell's content: what both searches propose is the same trial."""
    plain, ranged = (
        load_sweep_file(write(tmp_path, MINIMAL), None, sets)
        for sets in ([], ["grid.learning_rate={log: [3e-4, 3e-2]}"])
    )
    assert [c.key for c in cells_of(plain)] == [c.key for c in cells_of(ranged)]
    proposals = [CellPlan(s.spec, cells_of(s)[0], {}).searches[0].proposals[0] for s in (plain, ranged)]
    assert proposals[0].config.seed == proposals[1].config.seed
    assert proposals[0].params != proposals[1].params


def test_one_cell_has_one_range(tmp_path: Path) -> None:
    grid = "grid=[{arch: rnn}, {arch: rnn, learning_rate: {log: [3e-4, 3e-2]}}]"
    message = problem(tmp_path, MINIMAL, grid)
    assert "rnn-d64-L1 is searched over other ranges in an earlier entry" in message


def test_steps_are_a_coordinate_and_reports_follow_them(tmp_path: Path) -> None:
    sets = ["grid={arch: rnn, steps: [750, 3000, 8000]}", "budget.report_every=auto"]
    cells = cells_of(load_sweep_file(write(tmp_path, MINIMAL), None, sets))
    assert [c.label for c in cells] == [f"rnn-d64-L1-steps={n}" for n in (750, 3000, 8000)]
    assert [c.template.budget.report_every for c in cells] == [30, 120, 320]
    dotted = cells_of(load_sweep_file(write(tmp_path, MINIMAL), None, ["grid={arch: rnn, budget.steps: 750}"]))
    assert [(c.key, c.fields) for c in dotted] == [(cells[0].key, cells[0].fields)]


def test_a_claim_picks_cells_by_steps_also_where_the_grid_does_not_vary_them(tmp_path: Path) -> None:
    sweep = load_sweep_file(
        write(tmp_path, MINIMAL + CLAIM), None, ["grid=[{arch: rnn, steps: [300, 900]}, {arch: gru}]"]
    )
    (claim,) = declared(sweep, cells_of(sweep))
    assert claim.cells == {"a": "gru-d64-L1", "b": "rnn-d64-L1-steps=900"}


def test_a_cells_seeds_do_not_depend_on_its_place_in_the_grid(tmp_path: Path) -> None:
    one = cells_of(load_sweep_file(write(tmp_path, MINIMAL)))
    other = cells_of(load_sweep_file(write(tmp_path, MINIMAL), None, ["grid.arch=[lstm, gru, rnn]"]))
    assert {c.label: c.key for c in one}.items() <= {c.label: c.key for c in other}.items()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("search:", "serch:", "mine.yaml:6: serch: unknown key; did you mean 'search'?"),
        (
            "num_states: 3",
            "num_state: 3",
            "mine.yaml:2: task.num_state: unknown key; did you mean 'num_states'?",
        ),
        (
            "num_states: 3",
            "num_states: three",
            "mine.yaml:2: task.num_states: input should be a valid integer",
        ),
        ("num_states: 3", 'num_states: "3"', "mine.yaml:2: task.num_states: input should be a valid integer"),
        (
            "num_states: 3",
            "num_states: true",
            "mine.yaml:2: task.num_states: input should be a valid integer",
        ),
        (
            "num_states: 3",
            "num_states: .nan",
            "mine.yaml:2: task.num_states: input should be a valid integer",
        ),
        (
            "[rnn, gru]",
            "[rnn, grru]",
            "mine.yaml:4: grid.0.arch: unknown architecture 'grru'; did you mean 'gru'?",
        ),
        ("[rnn, gru]", "[]", "mine.yaml:4: grid.0.arch: the list is empty; give at least one value"),
        ("d_model: 8", "d_mode: 8", "mine.yaml:5: grid.0.d_mode: unknown key; did you mean 'd_model'?"),
        (
            "d_model: 8",
            "d_model: 0",
            "mine.yaml:5: grid.0.d_model: input should be greater than or equal to 1",
        ),
        ("d_model: 8", "nonlinearity: relu", "mine.yaml:5: grid.0.nonlinearity: gru has no such field"),
        (
            "d_model: 8",
            "learning_rate: 0.1\n  optimizer.learning_rate: 0.1",
            "mine.yaml:6: grid.0.optimizer.learning_rate: given twice, also as learning_rate",
        ),
        (
            "d_model: 8",
            "d_model: {log: [8, 64]}",
            "mine.yaml:5: grid.0.d_model: only learning_rate, weight_decay, dropout can be searched",
        ),
        (
            "d_model: 8",
            "learning_rate: {logg: [1e-3, 1e-1]}",
            "mine.yaml:5: grid.0.learning_rate.logg: unknown key; did you mean 'log'?",
        ),
        (
            "d_model: 8",
            "learning_rate: {log: [1e-1, 1e-3]}",
            "mine.yaml:5: grid.0.learning_rate: low must not be above high, got [0.1, 0.001]",
        ),
        (
            "d_model: 8",
            "dropout: {uniform: [0, 1]}",
            "mine.yaml:5: grid.0.dropout: input should be less than 1, found 1",
        ),
        (
            "{log: [1e-3, 6e-2]}",
            "[1e-3, 6e-2]",
            "mine.yaml:7: search.learning_rate: expected a number, which fixes it, or a range to search",
        ),
        (
            "learning_rate: {log: [1e-3, 6e-2]}",
            "num_trials: 1",
            "mine.yaml:6: search.learning_rate: is missing; {log: [1e-4, 1e-2]} searches it, 0.01 fixes it",
        ),
        (
            "grid:\n  arch: [rnn, gru]",
            "grid:\n  init: eye\n  arch: rnn",
            "mine.yaml:4: grid.0.init: expected orthogonal, identity, concatenated_xavier",
        ),
        (
            "1e-3, 6e-2",
            "6e-2, 1e-3",
            "mine.yaml:7: search.learning_rate: low must not be above high, got [0.06, 0.001]",
        ),
        ("log:", "log10:", "mine.yaml:7: search.learning_rate.log10: unknown key; did you mean 'log'?"),
        ("question: Is simple gating enough?", "", "question: is missing"),
        (
            "question:",
            "question: a\nquestion:",
            "mine.yaml:2: duplicate key 'question', first given on line 1",
        ),
        ("[rnn, gru]", "&x [rnn, gru]", "mine.yaml:4: anchors and aliases (& and *) are not used here"),
        ("[rnn, gru]", "!!python/name:os.system x", "mine.yaml:4: tag"),
        ("[rnn, gru]", "[rnn, gru", "not valid YAML"),
        ("{num_states: 3, num_actions: 3}", "3", "mine.yaml:2: task: expected a mapping, found 3"),
    ],
)
def test_errors_name_file_line_field_and_what_would_be_right(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert message in problem(tmp_path, MINIMAL.replace(old, new))


def test_several_problems_are_told_at_once(tmp_path: Path) -> None:
    text = MINIMAL.replace("num_states: 3", "num_states: x").replace("log:", "lag:")
    assert len(problem(tmp_path, text).splitlines()) >= 2


def test_a_first_rung_inside_the_warm_up_is_refused(tmp_path: Path) -> None:
    message = problem(tmp_path, MINIMAL, "optimizer.warmup=0.2")
    assert message.startswith("mine.yaml:6: search.rungs: the first rung falls on step 90")
    assert "step 150" in message


def test_a_task_with_too_few_machines_is_refused(tmp_path: Path) -> None:
    assert "classes" in problem(tmp_path, MINIMAL, "task.num_states=2", "task.num_actions=2")


@pytest.mark.parametrize(("fields", "what"), [("{arch: lstm}", "names no cell"), ("{d_model: 8}", "names 2 cells")])
def test_a_hypothesis_names_one_cell(tmp_path: Path, fields: str, what: str) -> None:
    text = MINIMAL + f"hypotheses:\n  - {{name: h, claim: c, a: {fields}, b: {{arch: rnn}}, threshold: 0.1}}\n"
    message = problem(tmp_path, text)
    assert message.startswith("mine.yaml:9: hypotheses.0.a:")
    assert what in message


def test_a_misspelt_key_comes_before_what_is_missing_for_it(tmp_path: Path) -> None:
    entries = "".join(f"      - {{name: h{i}, a: {{arch: gru}}}}\n" for i in range(9))
    text = MINIMAL + f"hypothesis: []\nscales:\n  big:\n    hypotheses:\n{entries}"
    first, *rest = problem(tmp_path, text, scale="big").splitlines()
    assert first.startswith("mine.yaml:8: hypothesis: unknown key; did you mean 'hypotheses'?")
    assert "is missing" in rest[0]


WIDTHS = "grid=[{arch: rnn, d_model: [8, 32, 16]}, {arch: gru, d_model: 8}]"


def test_an_axis_names_its_far_and_its_near_end(tmp_path: Path) -> None:
    text = MINIMAL + "hypotheses:\n  - {name: h, claim: c, axis: d_model, along: {arch: rnn}, threshold: 0.1}\n"
    sweep = load_sweep_file(write(tmp_path, text), None, [WIDTHS])
    (found,) = declared(sweep, cells_of(sweep))
    assert (found.cells, found.axis) == ({"a": "rnn-d32-L1", "b": "rnn-d8-L1"}, "d_model")


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ("axis: d_model", "found rnn-d8-L1, rnn-d32-L1, rnn-d16-L1, gru-d8-L1"),
        ("axis: d_model, along: {arch: gru}", "found gru-d8-L1"),
        ("axis: arch", "'arch' is no number in every cell"),
        ("axis: d_modle", "unknown coordinate 'd_modle'; did you mean 'd_model'?"),
        ("axis: d_model, along: {arhc: rnn}", "unknown key"),
        ("axis: d_model, a: {arch: rnn}", "or an `axis`"),
        ("along: {arch: rnn}, a: {arch: rnn}, b: {arch: gru}", "name the axis"),
    ],
)
def test_an_axis_without_two_ends(tmp_path: Path, fields: str, what: str) -> None:
    text = MINIMAL + f"hypotheses:\n  - {{name: h, claim: c, {fields}, threshold: 0.1}}\n"
    assert what in problem(tmp_path, text, WIDTHS)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ("direction: within, threshold: 0", "a margin must be above 0"),
        ("metric: steps_to_threshold, direction: within, threshold: 0.8", "a ratio of steps must be above 1"),
        ("metric: steps_to_threshold, direction: less, threshold: -1", "a ratio of steps must be above 0"),
    ],
)
def test_a_threshold_fits_its_metric(tmp_path: Path, fields: str, what: str) -> None:
    text = MINIMAL + f"hypotheses:\n  - {{name: h, claim: c, a: {{arch: gru}}, b: {{arch: rnn}}, {fields}}}\n"
    assert what in problem(tmp_path, text)


@pytest.mark.parametrize(
    ("second", "what"),
    [
        ("{name: h, claim: c, a: {arch: gru}, b: {arch: rnn}, threshold: 0.1}", "two hypotheses are named 'h'"),
        ("{name: i, claim: c, a: {arch: rnn}, b: {d_model: 8, arch: rnn}, threshold: 0.1}", "with itself: rnn-d8-L1"),
    ],
)
def test_a_hypothesis_is_named_once_and_compares_two_cells(tmp_path: Path, second: str, what: str) -> None:
    first = "{name: h, claim: c, a: {arch: gru, num_layers: 1}, b: {arch: rnn, dropout: 0.0}, threshold: 0.1}"
    assert what in problem(tmp_path, MINIMAL + f"hypotheses:\n  - {first}\n  - {second}\n")


DOTTED = "hypotheses:\n  - {name: a. b, claim: c, a: {arch: gru}, b: {arch: rnn}, threshold: 0.1}\n"


def test_set_changes_one_field_of_a_hypothesis_by_its_name(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL + DOTTED + DOTTED.partition("\n")[2].replace("a. b", "a"))
    sets = ["hypotheses.a. b.threshold=0.2", "hypotheses.a.b.d_model=8", "hypotheses.a.direction=less"]
    dotted, plain = load_sweep_file(path, None, sets).spec.hypotheses
    assert (dotted.threshold, dotted.direction, dotted.b) == (0.2, "greater", {"arch": "rnn"})
    assert (plain.threshold, plain.direction, plain.b) == (0.1, "less", {"arch": "rnn", "d_model": 8})


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("hypotheses.a. c.threshold=1", "--set hypotheses.a. c.threshold=1: no hypothesis 'a': known: a. b;"),
        ("hypotheses.a. b=1", "write hypotheses.NAME.threshold=0.1, or give the list whole"),
        ("hypotheses.a. b.thresold=1", "hypotheses.0.thresold: unknown key; did you mean 'threshold'?"),
        ("hypotheses.a. b.threshold=x", "--set hypotheses.a. b.threshold=x: hypotheses.0.threshold: input should be a"),
    ],
)
def test_set_names_a_wrong_hypothesis_or_field(tmp_path: Path, setting: str, message: str) -> None:
    assert message in problem(tmp_path, MINIMAL + DOTTED, setting)


def test_both_ends_of_a_searched_range_make_a_trial(tmp_path: Path) -> None:
    message = problem(tmp_path, MINIMAL, "search.weight_decay={uniform: [-0.1, 1]}")
    assert "search.weight_decay: input should be greater than or equal to 0, found -0.1" in message


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("search.num_trials=0", "--set search.num_trials=0: search.num_trials: input should be greater"),
        ("serch.num_trials=3", "--set serch.num_trials=3: serch: unknown key; did you mean 'search'?"),
        ("search.num_trials", "expected key=value"),
        ("question.x=3", "'x' would stand inside a list or a plain value"),
        ("scales.x=3", "scales are chosen with --scale"),
    ],
)
def test_set_is_checked_like_the_file(tmp_path: Path, setting: str, message: str) -> None:
    assert message in problem(tmp_path, MINIMAL, setting)


def test_unknown_names_and_scales(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="did you mean 'spectrum'"):
        load_sweep_file("spectrm")
    with pytest.raises(SpecError, match="did you mean 'laptop'"):
        load_sweep_file("spectrum", "laptp")
    with pytest.raises(SpecError, match="no `scales:`"):
        load_sweep_file(write(tmp_path, MINIMAL), "laptop")
    with pytest.raises(SpecError, match="cannot be read"):
        load_sweep_file(str(tmp_path / "absent.yaml"))


def test_the_schema_in_the_repository_is_current_and_every_file_points_to_it() -> None:
    shipped = json.loads((SHIPPED / "sweep.schema.json").read_text())
    assert shipped == json_schema(), "run: fsm-icl schema > tune_configs/sweep.schema.json"
    for path in SHIPPED.glob("*.yaml"):
        assert path.read_text().splitlines()[0] == "# yaml-language-server: $schema=sweep.schema.json"


@pytest.mark.parametrize("name", SWEEPS)
def test_the_schema_accepts_the_shipped_files_and_sees_a_typo(name: str) -> None:
    import jsonschema

    value: dict[str, Any] = read_yaml((SHIPPED / f"{name}.yaml").read_text(), name).value
    jsonschema.validate(value, json_schema())
    value["scales"]["laptop"]["serch"] = {}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, json_schema())


def test_a_typo_in_a_scale_that_is_not_run_is_told_all_the_same(tmp_path: Path) -> None:
    scales = "scales:\n  smoke:\n  laptop:\n    search: {num_trails: 3}\n"
    message = problem(tmp_path, MINIMAL + scales, scale="smoke")
    assert message == "mine.yaml:11: search.num_trails: unknown key; did you mean 'num_trials'?"


def test_what_is_wrong_with_the_cells_of_another_scale_names_the_scale(tmp_path: Path) -> None:
    scales = "scales:\n  smoke:\n  laptop:\n    optimizer: {warmup: 0.5}\n"
    loaded = load_sweep_file(write(tmp_path, MINIMAL + scales), "smoke", ["optimizer.warmup=0.01"])
    assert cells_of(loaded)
    with pytest.raises(SpecError, match=r"search.rungs: the first rung .* \(scale laptop\)"):
        check_other_scales(loaded)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("search.dropout={uniform: [0, 1]}", "search.dropout: input should be less than 1, found 1"),
        ("search.weight_decay={uniform: [-1, 1]}", "search.weight_decay: input should be greater than or equal to 0"),
        (
            "task.test_machines=10_000_000",
            "task.test_machines: too large: 1,850,000,000 test tokens; at most 33,554,432",
        ),
        ("budget.batch_size=1_000_000", "budget.batch_size: too large: 185,000,000 tokens in a batch"),
        ("grid={arch: lstm, d_model: 60000}", "grid.0.d_model: too large: 28,801,200,003 parameters"),
        ("grid={arch: rnn, d_model: [1, 2, x]}", "grid.0.d_model: input should be a valid integer"),
    ],
)
def test_what_no_machine_can_hold_or_no_trial_can_have_is_refused(tmp_path: Path, setting: str, message: str) -> None:
    assert message in problem(tmp_path, MINIMAL, setting)


def test_a_grid_of_a_billion_points_is_refused_at_once(tmp_path: Path) -> None:
    axes = ", ".join(f"{name}: [{', '.join(map(str, range(1, 33)))}]" for name in ("d_model", "num_layers"))
    tasks = ", ".join(f"task.{name}: [{', '.join(map(str, range(2, 34)))}]" for name in ("num_states", "num_actions"))
    started = time.monotonic()
    message = problem(
        tmp_path, MINIMAL, f"grid={{arch: [rnn, gru], {axes}, {tasks}, task.num_demos: {list(range(1, 65))}}}"
    )
    assert "the grid has 134,217,728 cells; at most 10,000 can be planned" in message
    assert time.monotonic() - started < 2


def test_no_more_than_ten_problems_are_listed(tmp_path: Path) -> None:
    text = MINIMAL + "".join(f"{'x' * 900}{i}: 1\n" for i in range(30))
    lines = problem(tmp_path, text).splitlines()
    assert len(lines) == 11
    assert lines[-1] == "and 20 more problems"
    assert max(len(line) for line in lines) <= 600


def test_a_device_or_folder_is_no_sweep_file(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "device.yaml").symlink_to("/dev/zero")
    for name in ("folder.yaml", "device.yaml"):
        with pytest.raises(SpecError, match="is not a file"):
            load_sweep_file(str(tmp_path / name))


def test_control_characters_never_reach_the_terminal(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_sweep_file("\x1b[2J\nspectrum")
    assert str(caught.value).isprintable()
