"""Every task family keeps the contract, and one that no file of the package knows is added by one line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import pytest

from fsm_icl.sweep.file.load import load_sweep_file
from fsm_icl.sweep.file.yaml import SpecError
from fsm_icl.task.base import Batch, EvaluationSet, TaskSpec
from fsm_icl.task.transitions.spec import TransitionsTask
from fsm_icl.testing import TaskContract
from tests.task.parity import ParityTask
from tests.task.test_machines import canonical_form
from tests.task.transitions.test_baselines import plain_ladder


class TestTransitions(TaskContract):
    variants = (
        TransitionsTask(num_states=3, num_actions=3, demo_length=20, query_length=5, val_machines=60, test_machines=60),
        TransitionsTask(
            num_states=4,
            num_actions=2,
            num_demos=2,
            demo_length=16,
            query_length=6,
            length_jitter=0.4,
            loss_on="transitions",
            num_train_machines=200,
            val_machines=60,
            test_machines=60,
        ),
    )

    def groups_of(self, spec: TransitionsTask, batch: Batch) -> Sequence[Hashable | None]:
        return [_machine_on(spec, tokens) for tokens in batch.tokens.tolist()]

    def slow_ladder(self, spec: TransitionsTask, evaluation: EvaluationSet) -> dict[str, float]:
        return plain_ladder(spec, evaluation)


def _machine_on(spec: TransitionsTask, tokens: list[int]) -> Hashable | None:
    """The machine that an episode shows, whatever its states and actions are called; None unless it shows all of it."""
    table = [[-1] * spec.num_actions for _ in range(spec.num_states)]
    for before, action, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if spec.num_states <= action < spec.eos:
            table[before][action - spec.num_states] = after
    return None if any(-1 in row for row in table) else canonical_form(table)


class TestParity(TaskContract):
    variants = (ParityTask(), ParityTask(length=15, num_strings=300))

    def groups_of(self, spec: ParityTask, batch: Batch) -> Sequence[Hashable | None]:
        return [tuple(bits) for bits in batch.tokens.tolist()]

    def slow_ladder(self, spec: ParityTask, evaluation: EvaluationSet) -> dict[str, float]:
        points, total = 0, 0
        for bits in evaluation.batch.tokens.tolist():
            for place in range(1, spec.length):
                points += bits[place] == sum(bits[: place + 1]) % 2
                total += 1
        return {"chance": 0.5, "last bit": points / total}


class Copying(ParityTask):
    """Shows each target before it is asked for."""

    def evaluation_set(self, split: Any, evaluation_seed: int) -> EvaluationSet:
        found = super().evaluation_set(split, evaluation_seed)
        batch = Batch(found.batch.targets.clamp(min=0), found.batch.targets, found.batch.scored)
        return EvaluationSet(batch, found.group, found.slices)


def test_the_contract_sees_a_leak() -> None:
    spec = ParityTask()
    TestParity().test_no_earlier_token_gives_a_target_away(spec, spec.evaluation_set("test", 3))
    leaking: TaskSpec = Copying()
    with pytest.raises(AssertionError):
        TestParity().test_no_earlier_token_gives_a_target_away(leaking, leaking.evaluation_set("test", 3))


SWEEP = """
question: Who counts ones?
task: {family: parity, length: 8, num_strings: 30}
budget: {steps: 10, batch_size: 4, report_every: 5}
grid: {arch: gru, d_model: 8, task.length: [8, 9]}
search: {num_trials: 2, rungs: [], learning_rate: {log: [1e-3, 1e-2]}}
measure: {num_seeds: 1}
"""
RUN = """
import json, sys
from fsm_icl.sweep.file.cells import cells_of
from fsm_icl.sweep.file.load import load_sweep_file
from fsm_icl.sweep.file.yaml import SpecError
from fsm_icl.training.config import RunEnv, TrialConfig
from fsm_icl.training.trial import run_trial

loaded = load_sweep_file(sys.argv[1])
found = {"cells": {}, "refused": []}
for cell in cells_of(loaded):
    trial = cell.trial(loaded.spec, {"learning_rate": 0.01}, "measure", 0, 0)
    assert TrialConfig.model_validate_json(trial.model_dump_json()) == trial
    end = list(run_trial(trial, RunEnv()))[-1].end
    task = trial.task
    ladder = task.baselines(task.evaluation_set("test", trial.evaluation_seed)).ladder
    found["cells"][cell.label] = {"reason": end.reason, "ladder": ladder, **end.test.model_dump()}
for change in json.loads(sys.argv[2]):
    try:
        cells_of(load_sweep_file(sys.argv[1], None, [change]))
    except SpecError as error:
        found["refused"].append(str(error))
print(json.dumps(found))
"""
REFUSED = {
    "task.length=3": "--set task.length=3: task.length: input should be greater than or equal to 8, found 3",
    "task.bits=9": "--set task.bits=9: task.bits: unknown key; known: family, length, num_strings",
    "task.family=partiy": (
        "--set task.family=partiy: task.family: input should be 'transitions' or 'parity', found 'partiy'"
    ),
    "task.num_strings=100": "ones.yaml:3: task: there are too few strings of 8 bits for num_strings: 100",
    "task={length: 9}": "--set task={length: 9}: task.length: unknown key; did you mean 'demo_length'?",
    "grid={arch: gru, task.num_states: [3]}": (
        "--set grid={arch: gru, task.num_states: [3]}: grid.0.task.num_states: unknown key; "
        "did you mean 'task.num_strings'?"
    ),
    "grid={arch: gru, task.length: [8, 3]}": (
        "--set grid={arch: gru, task.length: [8, 3]}: grid.0.task.length: "
        "input should be greater than or equal to 8, found 3"
    ),
    "task=3": "--set task=3: task: expected a mapping, found 3",
}
"""What `--set` makes wrong -> what is said."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with one more file and one more line."""
    folder = tmp_path_factory.mktemp("program")
    here = Path(__file__).parent.parent.parent
    for package in ("fsm_icl", "analysis", "tune_configs"):
        shutil.copytree(here / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(here / "tests/task/parity.py", folder / "fsm_icl/task/parity.py")
    registry = folder / "fsm_icl/task/registry.py"
    text, line = registry.read_text(), '    "transitions": TransitionsTask,\n'
    assert line in text
    text = text.replace(line, line + '    "parity": ParityTask,\n')
    registry.write_text(text.replace("\nFAMILIES", "from fsm_icl.task.parity import ParityTask\n\nFAMILIES", 1))
    (folder / "ones.yaml").write_text(SWEEP)
    return folder


def run(program: Path, *arguments: str) -> str:
    command = [sys.executable, *arguments]
    env = {**os.environ, "PYTHONPATH": str(program)}
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=program)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_family_is_one_file_and_one_line(program: Path) -> None:
    found = json.loads(run(program, "-c", RUN, "ones.yaml", json.dumps(list(REFUSED))))
    assert list(found["cells"]) == ["gru-d8-L1-length=8", "gru-d8-L1-length=9"]
    for length, cell in zip((8, 9), found["cells"].values(), strict=True):
        assert cell["reason"] is None
        assert list(cell["ladder"]) == ["chance", "last bit"]
        assert sum(cell["machine_correct"]) / (30 * (length - 1)) == cell["accuracy"]
        assert [(s["label"], s["total"]) for s in cell["slices"]["place"]] == [(str(i), 30) for i in range(1, length)]
    assert found["refused"] == list(REFUSED.values())


def test_its_sweep_is_planned(program: Path) -> None:
    assert "gru-d8-L1-length=9" in run(program, "-m", "fsm_icl.tune", "ones.yaml", "--plan")


def test_a_family_that_is_no_word_is_refused_with_its_field(tmp_path: Path) -> None:
    text = SWEEP.replace("family: parity, length: 8, num_strings: 30", "family: [transitions]")
    (tmp_path / "ones.yaml").write_text(text)
    with pytest.raises(
        SpecError, match=r"ones\.yaml:3: task\.family: grid: {task\.family: \[transitions\]} compares values"
    ):
        load_sweep_file(str(tmp_path / "ones.yaml"))
