"""A package that adds an architecture, as if pip had installed it: in sweep files, in training, in records."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from fsm_icl.models import registry
from fsm_icl.models.registry import ARCHITECTURES
from fsm_icl.models.rnn import RNNSpec
from fsm_icl.models.spec import CoreSpec
from fsm_icl.plugins import plugins, spec_check
from fsm_icl.sweep.file.cells import cells_of
from fsm_icl.sweep.file.load import load_sweep_file
from fsm_icl.sweep.file.yaml import SpecError
from tests.plugin.site import install

HERE = Path(__file__).parent
GROUP = "fsm_icl.architectures"
SWEEP = """
question: Do leaks help?
task: {num_states: 3, num_actions: 3, demo_length: 4, query_length: 3, val_machines: 16, test_machines: 24}
budget: {steps: 10, batch_size: 4, report_every: 5}
grid: {arch: [rnn, leaky], d_model: [8]}
optimizer: {learning_rate: 0.01}
measure: {num_seeds: 1}
"""
TRAIN = """
import json, sys
from pathlib import Path
from fsm_icl_leaky import LeakySpec  # first, as in its author's notebook
from fsm_icl.sweep.file.cells import cells_of
from fsm_icl.results.layout import SweepFolder
from fsm_icl.results.records import TrialRecord
from fsm_icl.sweep.file.load import load_sweep_file
from fsm_icl.sweep.store.own_records import read_own_records
from fsm_icl.training.config import RunEnv
from fsm_icl.training.trial import run_trial

found = {}
loaded = load_sweep_file(sys.argv[1])
for cell in cells_of(loaded):
    trial = cell.trial(loaded.spec, {}, "measure", 0, 0)
    *reports, last = run_trial(trial, RunEnv())
    end, digest, config = last.end, trial.fingerprint(), trial.model_dump(mode="json")
    record = TrialRecord(hash=digest, config=config, reports=reports, end=end, commit=None, dirty=False)
    path = SweepFolder(Path(sys.argv[2])).record(digest)
    path.parent.mkdir(exist_ok=True)
    path.write_text(record.model_dump_json())
    found[cell.label] = {"outcome": end.outcome, "versions": end.versions, "hash": digest, "key": cell.key}
    found[cell.label]["reason"] = end.reason
assert len(read_own_records(Path(sys.argv[2]))) == 2
LeakySpec.results_version += 1
for cell in cells_of(loaded):
    trial = cell.trial(loaded.spec, {}, "measure", 0, 0)
    found[cell.label] |= {"later hash": trial.fingerprint(), "later key": cell.key}
try:
    read_own_records(Path(sys.argv[2]))
except ValueError as error:
    found["refused"] = str(error)
print(json.dumps(found))
"""


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    (tmp_path / "leaks.yaml").write_text(SWEEP)
    return tmp_path / "leaks.yaml"


def test_it_is_named_in_a_sweep_and_trained_and_its_record_says_where_it_is_from(tmp_path: Path, sweep: Path) -> None:
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    install(tmp_path / "site", project["name"], project["version"], GROUP, **project["entry-points"][GROUP])
    paths = [str(tmp_path / "site"), str(HERE), str(HERE.parent.parent)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", TRAIN, str(sweep), str(tmp_path)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout
    found: dict[str, Any] = json.loads(printed)
    ours, leaky = found["rnn-d8-L1"], found["leaky-d8-L1"]
    assert (ours["outcome"], leaky["outcome"]) == ("finished", "finished"), leaky["reason"]
    assert leaky["versions"] == {**ours["versions"], "fsm-icl-leaky": "0.3.0"}
    assert leaky["later hash"] != leaky["hash"]  # results_version is part of what a trial is
    assert leaky["later key"] == leaky["key"]  # its seeds stay
    assert (ours["later hash"], ours["later key"]) == (ours["hash"], ours["key"])
    assert (
        f"{leaky['hash']}.json: config: its hash is {leaky['later hash'][:12]}..., so it was changed, or the "
        in (found["refused"])
    )
    assert "or the results_version of fsm-icl-leaky was; move the file away" in found["refused"]


def test_without_the_package_it_is_unknown(sweep: Path) -> None:
    with pytest.raises(SpecError, match=r"leaks\.yaml:5: grid\.0\.arch: unknown architecture 'leaky'"):
        cells_of(load_sweep_file(str(sweep)))


def test_of_a_broken_package_it_is_said_where_the_sweep_names_it(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.UNUSABLE, "leaky", "fsm-icl-leaky 0.3.0 can't provide 'leaky'")
    with pytest.raises(SpecError, match=r"leaks\.yaml:5: grid\.0\.arch: fsm-icl-leaky 0\.3\.0 can't provide 'leaky'"):
        cells_of(load_sweep_file(str(sweep)))


class Undeclared(RNNSpec):
    """Keeps the name `rnn`, and declares no version."""


@pytest.mark.parametrize(
    ("name", "target", "why"),
    [
        ("leaky", "fsm_icl_gone:LeakySpec", "ModuleNotFoundError: No module named 'fsm_icl_gone'"),
        ("leaky", "tests.plugin.fsm_icl_leaky:Leaky", "AttributeError: .* has no attribute 'Leaky'"),
        ("leaky", "math:pi", "expected a subclass of fsm_icl.models.* found 3.14"),
        ("leaking", "tests.plugin.fsm_icl_leaky:LeakySpec", 'LeakySpec needs the field `arch: Literal."leaking".`'),
        ("rnn", "tests.plugin.test_installed:Undeclared", "needs `results_version: ClassVar = 1`"),
    ],
)
def test_what_is_wrong_with_a_package_is_said(
    name: str, target: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "broken", "1.0", GROUP, **{name: target})
    monkeypatch.syspath_prepend(tmp_path)
    found = plugins(GROUP, (), spec_check(CoreSpec, "arch"))
    assert found.usable == {}
    assert re.fullmatch(f"broken 1.0 can't provide '{name}': .*{why}.*; mend or uninstall it", found.unusable[name])


def test_a_name_that_two_provide_is_nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = "tests.plugin.fsm_icl_leaky:LeakySpec"
    install(tmp_path, "one", "1.0", GROUP, leaky=target, gru=target)
    install(tmp_path, "two", "2.0", GROUP, leaky=target)
    monkeypatch.syspath_prepend(tmp_path)
    found = plugins(GROUP, ARCHITECTURES, lambda name, value: value)
    assert found.usable == {}
    assert found.unusable == {
        "leaky": "one 1.0 and two 2.0 both provide 'leaky'; uninstall or rename one",
        "gru": "fsm-icl and one 1.0 both provide 'gru'; uninstall or rename one",
    }
