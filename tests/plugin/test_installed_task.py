"""A package that adds a task family, as if pip had installed it: in a sweep file, in training, in identity."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugin.site import install

HERE = Path(__file__).parent
SWEEP = """
question: Who counts ones?
task: {family: parity, length: 8, num_strings: 30}
budget: {steps: 10, batch_size: 4, report_every: 5}
grid: {arch: [gru], d_model: [8]}
search: {num_trials: 2, rungs: [], learning_rate: 0.01}
measure: {num_seeds: 1}
"""
TRAIN = """
import json, sys
from fsm_icl.sweep.file.cells import cells_of
from fsm_icl.sweep.file.load import load_sweep_file
from fsm_icl.training.config import RunEnv
from fsm_icl.training.trial import run_trial

loaded = load_sweep_file(sys.argv[1])
(cell,) = cells_of(loaded)
trial = cell.trial(loaded.spec, {}, "measure", 0, 0)
end = list(run_trial(trial, RunEnv()))[-1].end
found = {"outcome": end.outcome, "reason": end.reason, "versions": end.versions, "hash": trial.fingerprint()}
type(trial.task).results_version += 1
print(json.dumps(found | {"later hash": trial.fingerprint()}))
"""


def run(tmp_path: Path, target: str) -> subprocess.CompletedProcess[str]:
    install(tmp_path / "site", "fsm-icl-parity", "0.4.0", "fsm_icl.tasks", parity=target)
    sweep = tmp_path / "ones.yaml"
    sweep.write_text(SWEEP)
    paths = [str(tmp_path / "site"), str(HERE.parent / "task"), str(HERE.parent.parent)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run([sys.executable, "-c", TRAIN, str(sweep)], capture_output=True, text=True, env=env)


def test_its_family_is_named_in_a_sweep_and_trained(tmp_path: Path) -> None:
    done = run(tmp_path, "parity:ParityTask")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["outcome"] == "finished", found["reason"]
    assert found["versions"]["fsm-icl-parity"] == "0.4.0"
    assert found["later hash"] != found["hash"]


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("parity:IGNORE", "expected a subclass of fsm_icl.task.base.TaskSpec"),
        ("gone:ParityTask", "ModuleNotFoundError: No module named 'gone'"),
    ],
)
def test_a_broken_package_is_told_where_the_sweep_names_the_family(tmp_path: Path, target: str, why: str) -> None:
    done = run(tmp_path, target)
    assert done.returncode == 1
    assert "ones.yaml:3: task: " in done.stderr
    assert f"fsm-icl-parity 0.4.0 can't provide 'parity': {why}" in done.stderr
