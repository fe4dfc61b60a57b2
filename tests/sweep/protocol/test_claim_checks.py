"""Claims that can't be meant are refused, those that can't be decided are told, each with a setting that mends it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from analysis.statistics import estimates
from fsm_icl.cli import app
from fsm_icl.results.records import TaskEntry
from fsm_icl.sweep.file.cells import cells_of
from fsm_icl.sweep.file.load import load_sweep_file
from fsm_icl.sweep.protocol import claim_checks
from fsm_icl.sweep.protocol.claim_checks import bounds_of, doubts
from fsm_icl.sweep.protocol.manifest import task_key
from tests.sweep import folders

SWEEP = """\
question: Do gates help?
task: {num_states: 3, num_actions: 3, demo_length: 6, query_length: 6, length_jitter: 0}
grid: {arch: [rnn, gru, lstm], d_model: 8}
budget: {steps: 120, report_every: 30}
optimizer: {warmup: 0.05}
search: {num_trials: 2, learning_rate: {log: [1e-3, 6e-2]}, rungs: []}
measure: {num_seeds: 6}
hypotheses:
  - name: gates
    claim: Gates help
    a: {arch: gru}
    b: {arch: rnn}
    threshold: 0.1
"""
SHARE = (
    "    a: {arch: gru}\n    b: {arch: rnn}\n",
    "    low: {arch: rnn}\n    mid: {arch: gru}\n    high: {arch: lstm}\n",
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def plan(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["tune", "mine.yaml", "--plan", *arguments])


def write(*edits: tuple[str, str]) -> None:
    text = SWEEP
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    Path("mine.yaml").write_text(text)


def said(*arguments: str) -> list[str]:
    done = plan(*arguments)
    assert done.exit_code == 0, done.output
    return [line.removeprefix("beware: ") for line in done.stdout.splitlines() if line.startswith("beware: ")]


def to_copy(text: str) -> list[str]:
    """The `--set`s at the end of a message, as a shell reads them."""
    return shlex.split(text[text.index("--set") :])


def test_a_sweep_that_can_decide_its_claims_is_told_nothing() -> None:
    write()
    assert said() == []


@pytest.mark.parametrize(
    ("edits", "message", "fraction"),
    [
        ([("0.1", "10")], "threshold is a fraction: 10 points are 0.1; write that, or add", 0.1),
        ([("0.1", "1")], "threshold is a fraction: 1 point is 0.01;", 0.01),
        ([("0.1", "-5\n    direction: less")], "threshold is a fraction: -5 points are -0.05;", -0.05),
        ([("0.1", "10\n    direction: within")], "threshold is a fraction: 10 points are 0.1;", 0.1),
        ([("0.1", "25\n    metric: success_rate")], "threshold is a fraction: 25 points are 0.25;", 0.25),
        ([("0.1", "90"), SHARE], "threshold is a fraction: 90 % are 0.9;", 0.9),
        ([("0.1", "10"), ("name: gates", "name: gates. all of them")], "10 points are 0.1;", 0.1),
    ],
)
def test_points_where_a_fraction_is_meant_are_refused_with_their_line(
    edits: list[tuple[str, str]], message: str, fraction: float
) -> None:
    write(*edits)
    done = plan()
    assert done.exit_code == 2
    line = next(i for i, text in enumerate(Path("mine.yaml").read_text().splitlines(), 1) if "threshold" in text)
    assert done.stderr.startswith(f"error: mine.yaml:{line}: hypotheses.0.threshold: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(Path().iterdir()) == [Path("mine.yaml")]
    mended = to_copy(done.stderr)
    assert plan(*mended).exit_code == 0
    assert load_sweep_file("mine.yaml", None, mended[1:]).spec.hypotheses[0].threshold == fraction


@pytest.mark.parametrize("text", ["1.25\n    metric: steps_to_threshold", "0.99", "-0.5"])
def test_thresholds_that_can_be_meant_are_not_refused(text: str) -> None:
    write(("0.1", text))
    assert plan().exit_code == 0


def test_a_share_may_be_more_than_the_whole_gap() -> None:
    write(("0.1", "1.1"), SHARE)
    assert said() == []


def test_a_name_with_an_equals_sign_is_mended_in_the_file() -> None:
    write(("name: gates", "name: gru = lstm"), ("threshold: 0.1", "threshold: 10"))
    assert "write that, or add a threshold of 0.1 in the sweep file" in plan().stderr


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "num_seeds: 6",
            "num_seeds: 4",
            "4 measure seeds per cell can't decide the claim, which takes 5 seeds",
        ),
        ("num_seeds: 6", "num_seeds: 0", "0 measure seeds per cell can't decide the claim"),
        (
            "rungs: []",
            "rungs: [], repeats: 3",
            "3 searches with 6 measure seeds per cell can't decide the claim",
        ),
        ("num_seeds: 6}", "num_seeds: 2}\nseed: 1", "2 measure seeds per cell"),
        # The highest difference that the scores allow is 1 - 1/3.
        ("0.1", "0.7", "gates: scores from chance (0.333) to 1 can't differ by 0.7; "),
        ("0.1", "-0.7\n    direction: less", "gates: scores from chance (0.333) to 1 can't differ by 0.7; "),
        ("0.1", "-0.7", "gates: any two scores from chance (0.333) to 1 differ by that; "),
        (
            "0.1",
            "0.7\n    direction: within",
            "any two scores from chance (0.333) to 1 differ by less than 0.7; ",
        ),
        # Reports at steps 30, 60, 90 and 120: the ratio lies in 1/4 .. 4.
        ("0.1", "0.2\n    metric: steps_to_threshold\n    direction: less", "lies from 0.25 to 4 (first report to"),
        ("0.1", "4\n    metric: steps_to_threshold", "never above 4; "),
        ("0.1", "5\n    metric: steps_to_threshold\n    direction: within", "always within a factor of 5; "),
        ("0.1", "0.5\n    metric: success_rate", "6 seeds per cell can't tell success rates that far apart: "),
        ("0.1", "0.2\n    metric: success_rate\n    direction: within", "even where every seed succeeds, the interval"),
    ],
)
def test_a_claim_that_cannot_be_decided_is_told_and_its_setting_mends_it(old: str, new: str, message: str) -> None:
    write((old, new))
    (line,) = said()
    assert message in line
    assert said(*to_copy(line)) == []


def test_searches_and_seeds_are_both_raised_where_both_are_too_few() -> None:
    write(("rungs: []", "rungs: [], repeats: 3"), ("num_seeds: 6", "num_seeds: 2"))
    (line,) = said()
    assert to_copy(line) == ["--set", "measure.num_seeds=5", "--set", "search.repeats=5"]
    assert said(*to_copy(line)) == []


def test_more_claims_in_a_family_take_more_seeds() -> None:
    rate = ("threshold: 0.1", "threshold: 0.42\n    metric: success_rate")
    write(rate)
    assert said() == []
    claims = SWEEP[SWEEP.index("  - name") :].replace(*rate)
    write(rate, ("name: gates", "name: first"))
    Path("mine.yaml").write_text(Path("mine.yaml").read_text() + claims)
    found = said()
    assert [line.partition(":")[0] for line in found] == ["first", "gates"]
    assert said(*to_copy(found[0])) == []


def test_the_smoke_scale_is_told_in_one_line() -> None:
    done = CliRunner().invoke(app, ["tune", "spectrum", "--scale", "smoke", "--plan"])
    assert sum(line.startswith("beware: ") for line in done.stdout.splitlines()) == 1


def test_a_sweep_without_claims_needs_no_seeds() -> None:
    write((SWEEP[SWEEP.index("hypotheses") :], ""), ("num_seeds: 6", "num_seeds: 0"))
    assert said() == []


def test_the_ceiling_counts_once_it_is_known() -> None:
    write(("0.1", "0.5"))
    loaded = load_sweep_file("mine.yaml")
    cells = cells_of(loaded)
    entry = TaskEntry(spec={}, ladder={"chance": 0.3}, ceiling=0.7, ceiling_exact=True)
    known = bounds_of(cells, {task_key(cell): entry for cell in cells})
    assert doubts(loaded, cells, bounds_of(cells)) == []
    (line,) = doubts(loaded, cells, known)
    assert line.startswith("gates: scores from chance (0.300) to the ceiling (0.700) can't differ by 0.5; --set ")


def test_a_change_that_will_be_marked_is_told_beforehand() -> None:
    write()
    folders.write(Path("results/mine-default"), load_sweep_file("mine.yaml"), stop_after=3)
    assert said() == []
    changed = "gates: added after 3 of 24 trials had ended (changed: threshold 0.1 -> 0.05)"
    assert said("--set", "hypotheses.gates.threshold=0.05") == [changed]
    assert said("--set", "measure.num_seeds=8") == []  # nothing has been measured yet


def test_a_broken_log_is_one_clear_error() -> None:
    write()
    Path("results/mine-default").mkdir(parents=True)
    Path("results/mine-default/declarations.json").write_text("{")
    done = plan()
    assert done.exit_code == 2
    assert "declarations.json: Invalid JSON" in done.stderr


def test_the_limits_are_those_of_the_analysis() -> None:
    assert claim_checks.MIN_UNITS == estimates.MIN_SEEDS
