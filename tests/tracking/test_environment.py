"""What was asked for is what is logged, whatever the environment says. In processes: wandb reads it once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from fsm_icl.tracking.account import WandbError, destination
from tests import wandb_account
from tests.wandb_double import KEY, serving

pytestmark = pytest.mark.timeout(120)
CODE = """
import json, sys
from pathlib import Path
from fsm_icl.tracking.account import destination
from fsm_icl.tracking.tracker import Tracker
from tests.tracking.test_tracker import trials
from fsm_icl.tracking.trial_runs import TrialRuns
ended = trials(2)
folder = Path(sys.argv[1])
logged = Tracker(TrialRuns(folder, "spectrum", "0123abcd", "laptop", sys.argv[2], to=destination()))
logged.catch_up(ended)
logged.close()
expected = sorted(f"run-0123abcd-{planned.hash}" for planned, _ in ended)
got = sorted(path.stem for path in folder.glob("wandb/*run-*/*.wandb") if not path.parent.is_symlink())
print(json.dumps([expected, got, len(list(folder.glob("wandb/*.done"))), logged.problem]))
"""


Logged = tuple[list[str], list[str], int, str | None]
"""The runs asked for, those made, markers, the problem."""


def log(base: Path, variables: Mapping[str, str], mode: str = "offline") -> Logged:
    """Log two trials in a process whose working folder is `base`."""
    (base / "sweep" / "wandb").mkdir(parents=True)
    environment = wandb_account.environment(base / "home") | {"PYTHONPATH": str(Path.cwd())} | dict(variables)
    command = [sys.executable, "-c", CODE, str(base / "sweep"), mode]
    done = subprocess.run(command, env=environment, cwd=base, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: Logged = tuple(json.loads(done.stdout))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "variables",
    [
        {"WANDB_SWEEP_ID": "s1"},
        {"WANDB_LAUNCH": "true", "WANDB_CONFIG": '{"x": 1}'},
        {"WANDB_RUN_ID": "mine", "WANDB_RESUME": "must", "WANDB_DIR": "/nowhere", "WANDB_RUN_GROUP": "g"},
        {"WANDB_BASE_URL": "localhost:8080", "WANDB_API_KEY": "no key"},
        {"WANDB_MODE": "nonsense"},
        {"WANDB_MODE": "disabled"},
        {"WANDB_TAGS": "", "WANDB_NAME": "x" * 300, "WANDB_START_METHOD": "?", "WANDB__FILES_DIR": "/nowhere"},
        {"WANDB_SERVICE": "3-1-unix-/nowhere"},
        {"WANDB_SERVICE": "nonsense"},
        {"WANDB_SWEEP_PARAM_PATH": "/nowhere.yaml", "WANDB_CONFIG_PATHS": "/nowhere.yaml"},
    ],
    ids=lambda variables: "+".join(variables),
)
def test_a_variable_does_not_overrule_what_was_asked_for(tmp_path: Path, variables: dict[str, str]) -> None:
    expected, got, markers, problem = log(tmp_path, variables)
    assert (got, markers, problem) == (expected, 2, None)


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        b"[default]\nmode = disabled\nproject = other\nsweep_id = s1\nbase_url = nowhere\n",
        b"[default]\nroot_dir = /nowhere\nrun_id = mine\n",
        b"no section\n",
        b"\xff\xfe\x00",
    ],
)
def test_a_settings_file_does_not_overrule_what_was_asked_for(tmp_path: Path, content: bytes) -> None:
    for path in (tmp_path / "wandb" / "settings", tmp_path / "home" / ".config" / "wandb" / "settings"):
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    expected, got, markers, problem = log(tmp_path, {})
    assert (got, markers, problem) == (expected, 2, None)


@pytest.mark.slow
def test_online_runs_go_where_the_options_say(tmp_path: Path) -> None:
    with serving() as double:
        named = {"WANDB_PROJECT": "mine", "WANDB_ENTITY": "team", "WANDB_SWEEP_ID": "s1", "WANDB_MODE": "offline"}
        expected, got, markers, problem = log(tmp_path, double.environment | named, "online")
        assert (got, markers, problem) == (expected, 2, None)
        assert sorted(f"run-{name}" for name in double.runs) == expected
        assert {(run.project, run.upserts["entity"]) for run in double.runs.values()} == {("mine", "team")}


@pytest.mark.slow
def test_what_wandb_login_has_left_is_used(tmp_path: Path) -> None:
    """The server's address in the settings file of the home folder, the key in the netrc file."""
    with serving() as double:
        settings = tmp_path / "home" / ".config" / "wandb" / "settings"
        settings.parent.mkdir(parents=True)
        settings.write_text(f"[default]\nbase_url = {double.url}\nmode = disabled\n")
        (tmp_path / "home" / "netrc").write_text(f"machine 127.0.0.1:{double.port}\n login user\n password {KEY}\n")
        expected, got, markers, problem = log(tmp_path, {}, "online")
        assert (got, markers, problem) == (expected, 2, None)
        assert sorted(f"run-{name}" for name in double.runs) == expected


OBSTACLE = "from fsm_icl.tracking.account import obstacle; print(obstacle())"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"WANDB_BASE_URL": "localhost:8080"}, "WANDB_BASE_URL='localhost:8080': expected an address that begins with"),
        ({"WANDB_MODE": "nonsense"}, "no API key for https://"),
        ({"WANDB_MODE": "disabled"}, "no API key for https://"),
        ({"WANDB_HTTP_TIMEOUT": "soon"}, "WANDB_HTTP_TIMEOUT is wrong: "),
        ({"WANDB_API_KEY": " key\n"}, "AuthenticationError: WANDB_API_KEY invalid: "),
        ({"NETRC": "{base}"}, "{base}: the API key cannot be read (Is a directory); mend it, or set WANDB_API_KEY"),
        ({"NETRC": "{base}/netrc"}, "{base}/netrc, line 1: the API key cannot be read (it is no netrc file)"),
        ({"NETRC": "{base}/binary"}, "{base}/binary: the API key cannot be read (it is no netrc file)"),
    ],
)
def test_what_is_in_the_way_of_the_server_is_a_line(tmp_path: Path, variables: dict[str, str], said: str) -> None:
    (tmp_path / "netrc").write_text("secret")
    (tmp_path / "binary").write_bytes(bytes(range(128, 256)))
    told = {name: value.format(base=tmp_path) for name, value in variables.items()}
    environment = wandb_account.environment(tmp_path / "home") | told
    done = subprocess.run([sys.executable, "-c", OBSTACLE], env=environment, capture_output=True, text=True, timeout=90)
    assert done.stdout.startswith(said.format(base=tmp_path))
    assert len(done.stdout.splitlines()) == 1
    assert "secret" not in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("variables", "given", "said"),
    [
        ({"WANDB_PROJECT": "a/b"}, (None, None), "WANDB_PROJECT='a/b': the name of a W&B project"),
        ({"WANDB_ENTITY": "a b/c"}, (None, None), "WANDB_ENTITY='a b/c': the name of a W&B entity"),
        ({"WANDB_PROJECT": "a"}, (None, "x" * 129), "--wandb-project='x"),
        ({}, ("", None), "--wandb-entity=''"),
    ],
)
def test_a_name_that_wandb_does_not_take_is_named(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], given: tuple[str | None, str | None], said: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(WandbError) as caught:
        destination(*given)
    assert str(caught.value).startswith(said)


def test_options_go_before_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_ENTITY", "me")
    monkeypatch.setenv("WANDB_PROJECT", "")
    assert (destination().entity, destination().project) == ("me", "fsm_icl")
    assert (destination("team", "p").entity, destination("team", "p").project) == ("team", "p")
