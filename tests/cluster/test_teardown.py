"""How a cluster is ended, with stand-ins for `ray` and `ssh`; test_on_prem.py ends one for real."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fsm_icl import cli

RAY = 'echo "ray $*" >> "$SAID"; exit "${RAY_EXIT:-0}"'
UNREACHED = "ssh: connect to host 192.0.2.2 port 22: No route to host"
SSH = f"""echo "ssh $*" >> "$SAID"
[[ "$*" != *192.0.2.2* ]] || {{ printf 'Warning: added\\n{UNREACHED}\\n' >&2; exit 255; }}
"""
OURS = "provider: {type: local, head_ip: 192.0.2.1, worker_ips: [192.0.2.2, 192.0.2.3]}\n"
USER = "auth: {ssh_user: somebody, ssh_private_key: ~/.ssh/cluster}\n"


def down(file: Path, text: str) -> Result:
    file.write_text(text)
    return CliRunner().invoke(cli.app, ["cluster", "down", str(file)])


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What was run, a line each."""
    for name, text in (("ray", RAY), ("ssh", SSH)):
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("SAID", str(tmp_path / "said"))
    return tmp_path / "said"


def test_a_machine_that_is_not_reached_is_named_and_the_others_are_stopped(said: Path, tmp_path: Path) -> None:
    done = down(tmp_path / "on_prem.yaml", OURS + USER)
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "somebody@192.0.2.1: no Ray runs there any more",
        f"somebody@192.0.2.2: {UNREACHED}",
        "somebody@192.0.2.3: no Ray runs there any more",
    ]
    first, *visits = said.read_text().splitlines()
    assert first == f"ray down --yes {tmp_path}/on_prem.yaml"
    for machine in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        (visit,) = (visit for visit in visits if f"somebody@{machine} " in visit)
        assert f"-i {Path.home()}/.ssh/cluster " in visit
        assert visit.endswith("bash --login -i -c 'source ~/.bashrc; ray stop --force'")


def test_in_a_cloud_ray_alone_is_asked(said: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert down(tmp_path / "gpu.yaml", "provider: {type: aws}\n").exit_code == 0
    monkeypatch.setenv("RAY_EXIT", "1")
    assert down(tmp_path / "gpu.yaml", "provider: {type: aws}\n").exit_code == 1
    assert said.read_text() == f"ray down --yes {tmp_path}/gpu.yaml\n" * 2


def test_a_name_goes_to_ray_and_in_a_cloud_it_is_that_of_the_file(said: Path, tmp_path: Path) -> None:
    ours, cloud = tmp_path / "ours.yaml", tmp_path / "gpu.yaml"
    ours.write_text("provider: {type: gcp}\n")
    cloud.write_text("cluster_name: mine\nprovider: {type: aws}\n")
    for file, name, code in ((ours, "other", 0), (cloud, "mine", 0), (cloud, "other", 2)):
        done = CliRunner().invoke(cli.app, ["cluster", "down", str(file), "--name", name])
        assert done.exit_code == code, done.output
    assert "is that of cluster mine; `fsm-icl cluster render --name other`" in done.stderr
    assert said.read_text().splitlines() == [
        f"ray down --yes {ours} --cluster-name other",
        f"ray down --yes {cloud} --cluster-name mine",
    ]


def test_up_asks_the_doctor_first(said: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "gpu.yaml"
    file.write_text("cluster_name: mine\nprovider: {type: aws}\n")
    refused = CliRunner().invoke(cli.app, ["cluster", "up", str(file)])
    assert refused.exit_code == 2
    assert "Ray's own opens the dashboard" in refused.stderr
    assert not said.exists()
    monkeypatch.setattr("fsm_icl.cluster.safety.problems", lambda _: [])
    assert CliRunner().invoke(cli.app, ["cluster", "up", str(file), "--name", "mine"]).exit_code == 0
    assert said.read_text() == f"ray up --yes {file} --cluster-name mine\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: RayJob\n", "`ray up` starts no such cluster"),
        ("provider: {type: local}\n", "provider.head_ip is missing"),
        (OURS, "auth.ssh_user is missing"),
    ],
)
@pytest.mark.usefixtures("said")
def test_a_file_that_does_not_say_enough_is_one_clear_error(text: str, message: str, tmp_path: Path) -> None:
    done = down(tmp_path / "x.yaml", text)
    assert done.exit_code == 2
    assert message in done.stderr
