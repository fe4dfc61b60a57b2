"""What people bring from other tools is refused with the form that is right here."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsm_icl.sweep.file import load
from fsm_icl.sweep.file.cells import cells_of
from fsm_icl.sweep.file.load import load_sweep_file
from fsm_icl.sweep.file.yaml import SpecError

RANGE = "search: {learning_rate: {log: [0.001, 0.1]}}"
EITHER = f"{RANGE}, or search: {{learning_rate: {{uniform: [0.001, 0.1]}}}}"
COMPARED = "grid: {learning_rate: [0.001, 0.1]} compares values"


def refusal(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(SpecError) as caught:
        cells_of(load_sweep_file(str(tmp_path / "mine.yaml")))
    return [problem.replace(f"{tmp_path}/mine.yaml:", "") for problem in caught.value.problems]


WANDB = """\
program: train.py
method: bayes
metric: {name: val_loss, goal: minimize}
parameters:
  learning_rate: {min: 0.001, max: 0.1}
  optimizer: {parameters: {weight_decay: {distribution: log_uniform, min: -9.21034, max: -2.302585}}}
  arch: {values: [rnn, gru]}
  d_model: {value: 32}
"""
HYDRA = """\
defaults: [override hydra/sweeper: optuna]
hydra:
  sweeper:
    params:
      optimizer.lr: "tag(log, interval(0.001, 0.1))"
      model.arch: rnn,gru
      task.num_states: choice(3, 4)
"""
OPTUNA = """\
study_name: mine
direction: maximize
sampler: {name: tpe}
n_trials: 30
search_space:
  lr: {type: float, low: 0.001, high: 0.1, log: true}
  dropout: {name: FloatDistribution, attributes: {low: 0.0, high: 0.5, log: false}}
  arch: {type: categorical, choices: [rnn, gru]}
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            WANDB,
            "4: parameters: is W&B's; write grid: {arch: [rnn, gru], d_model: 32} and search: {learning_rate: "
            "{log: [0.001, 0.1]}, weight_decay: {log: [0.0001, 0.1]}}",
        ),
        (
            HYDRA,
            "2: hydra: is Hydra's; write grid: {arch: [rnn, gru], task.num_states: [3, 4]} and " + RANGE,
        ),
        (
            OPTUNA,
            "5: search_space: is Optuna's; write grid: {arch: [rnn, gru]} and search: {learning_rate: "
            "{log: [0.001, 0.1]}, dropout: {uniform: [0.0, 0.5]}}",
        ),
    ],
)
def test_the_sweep_of_another_tool_is_told_as_it_is_written_here(tmp_path: Path, text: str, expected: str) -> None:
    problems = refusal(tmp_path, text)
    assert expected in problems
    assert problems[-2:] == ["1: question: is missing", "1: grid: is missing"]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("[1e-3, 0.1]", f"write {EITHER}; {COMPARED}"),
        ("{min: 1e-3, max: 0.1}", f"write {EITHER}"),
        ("{max: 0.1, min: 1e-3, distribution: uniform}", "write search: {learning_rate: {uniform: [0.001, 0.1]}}"),
        ("{low: 1e-3, high: 0.1, log: true}", f"write {RANGE}"),
        ("{type: range, bounds: [1e-3, 0.1], log_scale: true}", f"write {RANGE}"),
        ("{type: loguniform, low: 1e-3, high: 0.1}", f"write {RANGE}"),
        ("{type: float, scale: log, low: 1e-3, high: 0.1}", f"write {RANGE}"),
        ("{log_uniform_values: [1e-3, 0.1]}", f"write {RANGE}"),
        ("tune.loguniform(1e-3, 1e-1)", f"write {RANGE}"),
        ("trial.suggest_float('lr', 1e-3, 1e-1, log=True)", f"write {RANGE}"),
        ("interval(1e-3, 1e-1)", f"write {EITHER}"),
        ("{values: [1e-3, 0.01, 0.1]}", "grid: {learning_rate: [0.001, 0.01, 0.1]} compares values"),
        ("{value: 0.1}", "write learning_rate: 0.1"),
    ],
)
def test_a_range_as_other_tools_write_it(tmp_path: Path, found: str, expected: str) -> None:
    text = f"question: q\ngrid: {{arch: rnn}}\nsearch:\n  learning_rate: {found}\n"
    assert refusal(tmp_path, text) == [
        f"4: search.learning_rate: expected a number, which fixes it, or a range to search; {expected}"
    ]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("tune.loguniform(1e-3, 1e-1)", f"write {RANGE}"),
        ("tune.loguniform(\n  1e-3, 1e-1)", f"write {RANGE}"),
        ("tune.qloguniform(1e-3, 1e-1, 1e-3), num_trials: 3", f"write {RANGE}"),
        ("tune.uniform(1e-3, 1e-1)", "write search: {learning_rate: {uniform: [0.001, 0.1]}}"),
        ("tune.choice([1e-3, 1e-1])", f"write {EITHER}; {COMPARED}"),
        ("trial.suggest_float('lr', 1e-3, 1e-1, log=True)", f"write {RANGE}"),
        ("FloatDistribution(1e-3, 1e-1, log=True)", f"write {RANGE}"),
        ("tag(log, interval(1e-3, 1e-1))", f"write {RANGE}"),
        ("interval(1e-3, 1e-1)", f"write {EITHER}"),
        ("(1e-3, 1e-1)", f"write {EITHER}; {COMPARED}"),
        ("1e-3,1e-1", f"write {EITHER}; {COMPARED}"),
        ("tune.randn(0, 1)", "write a list in [ ], or a text in quotes"),
        ("tune.sample_from(lambda spec: 10 ** 2)", "write a list in [ ], or a text in quotes"),
        ("np.logspace(-3, -1, 5)", "write a list in [ ], or a text in quotes"),
    ],
)
def test_what_falls_apart_between_braces_is_told_whole(tmp_path: Path, found: str, expected: str) -> None:
    text = f"question: q\ngrid: {{arch: rnn}}\nsearch: {{learning_rate: {found}}}\n"
    whole = found.partition(", num")[0]
    assert refusal(tmp_path, text) == [f"3: learning_rate: {whole!r} falls apart between braces; {expected}"]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("arch: rnn,gru", "arch: 'rnn,gru' falls apart between braces; write arch: [rnn, gru]"),
        ("arch: rnn, d_model: 8, 16", "d_model: '8, 16' falls apart between braces; write d_model: [8, 16]"),
        ("arch: choice(rnn, gru)", "arch: 'choice(rnn, gru)' falls apart between braces; write arch: [rnn, gru]"),
        (
            "arch: rnn, task.num_states: tune.choice([3, 4])",
            "task.num_states: 'tune.choice([3, 4])' falls apart between braces; write task.num_states: [3, 4]",
        ),
    ],
)
def test_a_list_that_falls_apart_in_the_grid(tmp_path: Path, entry: str, expected: str) -> None:
    text = f"question: q\nsearch: {{learning_rate: 0.1}}\ngrid:\n- {{{entry}}}\n"
    assert refusal(tmp_path, text) == [f"4: {expected}"]


def test_a_text_that_falls_apart_between_braces(tmp_path: Path) -> None:
    text = "grid: {arch: rnn}\nsearch: {learning_rate: 0.1}\nscales: {paper, laptop: {question: is (a, b) one?}}\n"
    expected = "3: question: 'is (a, b) one?' falls apart between braces; write a list in [ ], or a text in quotes"
    assert refusal(tmp_path, text) == [expected]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("arch: {values: [rnn, gru]}", "2: grid.0.arch: write arch: [rnn, gru]"),
        ("arch: 'choice(rnn, gru)'", "2: grid.0.arch: unknown architecture 'choice(rnn, gru)'; write arch: [rnn, gru]"),
        ("arch: rnn, d_model: '8,16'", "2: grid.0.d_model: input should be a valid integer, found '8,16'; write d_mod"),
        ("arch: rnn, d_model: {min: 8, max: 64}", "2: grid.0.d_model: only learning_rate, weight_decay, dropout can"),
        (
            "arch: rnn, learning_rate: {low: 1e-3, high: 0.1, log: true}",
            "2: grid.0.learning_rate: write learning_rate: {log: [0.001, 0.1]}",
        ),
        ("arch: rnn, task: {num_states: [3, 4]}", "2: grid.0.task: write task.num_states: [3, 4]"),
        ("model.arch: rnn", "2: grid.0.model.arch: unknown key; did you mean 'arch'?"),
        ("arch: rnn, lr: 0.1", "2: grid.0.lr: unknown key; did you mean 'learning_rate'?"),
    ],
)
def test_an_entry_of_the_grid_as_other_tools_write_it(tmp_path: Path, entry: str, expected: str) -> None:
    (problem,) = refusal(tmp_path, f"question: q\ngrid: {{{entry}}}\nsearch: {{learning_rate: 0.1}}\n")
    assert problem.startswith(expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("search.num_trials: 3", "search.num_trials: unknown key; write search: {num_trials: 3}"),
        ("scales: {laptop: {budget.steps: 9}}", "budget.steps: unknown key; write budget: {steps: 9}"),
        ("measure: {search.eta: 3}", "measure.search.eta: unknown key; known: num_seeds"),
        ("lr: 0.1", "lr: unknown key; it stands in search: search: {learning_rate: 0.1}"),
        ("arch: rnn", "arch: unknown key; it stands in the grid: grid: {arch: rnn}"),
        ("budget: {num_states: 3}", "budget.num_states: unknown key; it stands in task: task: {num_states: 3}"),
        ("task: {num_states: [3, 4]}", "task.num_states: grid: {task.num_states: [3, 4]} compares values"),
        ("model: {num_layers: [1, 2]}", "model.num_layers: grid: {num_layers: [1, 2]} compares values"),
        ("optimizer: {learning_rate: [1e-3, 0.1]}", f"optimizer.learning_rate: write {EITHER}; {COMPARED}"),
        (
            "optimizer: {learning_rate: {log: [1e-3, 0.1]}}",
            f"optimizer.learning_rate: is no place for a range; write {RANGE}",
        ),
        ("search: {dropout: {log: [1, 2, 3]}}", "search.dropout.log: expected two numbers, [low, high]"),
    ],
)
def test_a_key_in_another_place_is_told_where_it_stands(tmp_path: Path, line: str, expected: str) -> None:
    problems = refusal(tmp_path, f"question: q\ngrid: {{arch: rnn}}\n{line}\n")
    assert problems == [f"3: {expected}"]


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        ("", "1: grid: is missing"),
        ("grid:\n", "2: grid: expected a mapping from fields to the values to compare, such as {arch: [rnn, gru]"),
        ("grid: rnn\n", "2: grid: expected a mapping from fields to the values to compare"),
        ("grid: []\n", "2: grid: expected at least 1 entry, found 0"),
    ],
)
def test_a_grid_that_is_none(tmp_path: Path, grid: str, expected: str) -> None:
    (problem,) = refusal(tmp_path, f"question: q\n{grid}search: {{learning_rate: 0.1}}\n")
    assert problem.startswith(expected)


GOOD = "question: q\ngrid: {arch: rnn, learning_rate: [0.1, 0.2]}\n"


@pytest.mark.parametrize("name", [".#mine.yaml", "._mine.yaml", "mine.yaml~", ".mine.yaml.swp", "#mine.yaml#"])
def test_a_file_that_an_editor_keeps_is_no_sweep(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "SHIPPED", tmp_path)
    for each in ("mine.yaml", name):
        (tmp_path / each).write_text(GOOD)
    assert len(cells_of(load_sweep_file(str(tmp_path / "mine.yaml")))) == 2
    with pytest.raises(SpecError, match=r"is no sweep; did you mean 'mine\.yaml'\?"):
        load_sweep_file(str(tmp_path / name))
    with pytest.raises(SpecError, match=r"^no sweep named 'x': known: mine \(or"):
        load_sweep_file("x")
