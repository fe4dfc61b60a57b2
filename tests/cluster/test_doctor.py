"""The doctor: one line a finding, and a refusal for each way in which a cluster file is unsafe."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from fsm_icl import cli
from fsm_icl.cluster import cluster_file
from fsm_icl.cluster import doctor as doctor_module
from fsm_icl.cluster.cluster_file import ROOT, filled
from fsm_icl.cluster.token import ensure_token
from tests.cluster.test_cluster_file import VALUES

Change = Callable[[dict[str, Any]], object]


def doctor(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["doctor", *arguments])


@pytest.fixture(autouse=True)
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home" / "auth_token"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(path))
    ensure_token()
    return path


@pytest.fixture
def said(tmp_path: Path) -> Callable[[str, Change], str]:
    """What the doctor says of a file of cluster/ that was changed, which it has to refuse."""

    def changed(name: str, change: Change) -> str:
        config = copy.deepcopy(yaml.safe_load(filled((ROOT / "cluster" / name).read_text(), VALUES)))
        change(config)
        path = tmp_path / name
        path.write_text(yaml.safe_dump(config))
        done = doctor("--cluster", str(path))
        assert done.exit_code == 1, done.output
        assert all(line.startswith(str(path)) for line in done.stdout.splitlines())
        return done.stdout

    return changed


@pytest.mark.parametrize("name", ["gpu.yaml", "on_prem.yaml", "kuberay.yaml"])
def test_what_is_shipped_needs_its_placeholders_and_no_more(name: str, tmp_path: Path) -> None:
    text = (ROOT / "cluster" / name).read_text()
    unfilled = doctor("--cluster", str(ROOT / "cluster" / name))
    assert unfilled.exit_code == 1
    assert all("is not filled in" in line for line in unfilled.stdout.splitlines())
    path = tmp_path / name
    path.write_text(filled(text, VALUES))
    done = doctor("--cluster", str(path))
    assert (done.exit_code, done.stdout) == (0, f"{path}: nothing wrong\n")


def test_a_capacity_may_name_kinds_of_hosts(tmp_path: Path) -> None:
    text = filled((ROOT / "cluster" / "kuberay.yaml").read_text(), VALUES)
    assert '"32,8"' in text
    path = tmp_path / "kuberay.yaml"
    path.write_text(text.replace('"32,8"', '"4,1x8"'))
    done = doctor("--cluster", str(path))
    assert (done.exit_code, done.stdout) == (0, f"{path}: nothing wrong\n")


def _replace(key: str, old: str, new: str) -> Change:
    def change(config: dict[str, Any]) -> None:
        assert old in str(config[key])
        config[key] = [command.replace(old, new) for command in config[key]]

    return change


def _node(kind: str, **fields: Any) -> Change:
    """Fields of a machine, set, or removed where they are None."""

    def change(config: dict[str, Any]) -> None:
        node = config["available_node_types"][kind]["node_config"]
        node.update(fields)
        for name in [name for name, value in fields.items() if value is None]:
            del node[name]

    return change


WORLD = {"IpPermissions": [{"FromPort": 22, "ToPort": 22, "IpProtocol": "tcp", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]}
HEAD, WORKER = "head_start_ray_commands", "worker_start_ray_commands"
EITHER: list[tuple[Change, str]] = [
    (_replace(HEAD, "127.0.0.1", "0.0.0.0"), "a public dashboard (0.0.0.0)"),
    (_replace(HEAD, "127.0.0.1", "10.0.0.7"), "a public dashboard (10.0.0.7)"),
    (lambda c: c.pop(HEAD), "Ray's own opens the dashboard"),
    (lambda c: c.pop(WORKER), "Ray's own asks for no token"),
    (_replace(HEAD, "RAY_AUTH_MODE=token", ""), f"{HEAD}: no token is asked for"),
    (_replace(WORKER, "RAY_AUTH_MODE=token", "RAY_AUTH_MODE=disabled"), f"{WORKER}: no token is asked for"),
    (lambda c: c["file_mounts"].pop("~/.ray/auth_token"), "the token does not travel"),
    (_replace("setup_commands", "2.60.0", "2.59.0"), "Ray 2.59.0, but constraints.txt has 2.60.0"),
    (lambda c: c.pop("setup_commands"), "exact versions are not checked"),
]
AWS: list[tuple[Change, str]] = [
    (_node("gpu", SecurityGroupIds=None), "gpu.node_config: no SecurityGroupIds, so Ray makes a group with SSH open"),
    (lambda c: c["provider"].update(security_group=WORLD), "open to the world"),
    (_node("head", IamInstanceProfile=None), "head.node_config: no IamInstanceProfile"),
    (_node("gpu", IamInstanceProfile=None), "gpu.node_config: no IamInstanceProfile"),
    (_node("head", InstanceMarketOptions={"MarketType": "spot"}), "the head is on spot"),
    (_node("gpu", MetadataOptions=None), "IMDSv1"),
    (_node("head", ImageId=None), "no ImageId"),
]


def _worker(config: dict[str, Any]) -> dict[str, Any]:
    (container,) = config["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["template"]["spec"]["containers"]
    return dict(container)


def _told(capacity: str) -> Change:
    def change(config: dict[str, Any]) -> None:
        (container,) = config["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"]
        (entry,) = (entry for entry in container["env"] if entry["name"] == "FSM_ICL_CAPACITY")
        entry["value"] = capacity

    return change


KUBERAY: list[tuple[Change, str]] = [
    (lambda c: c["spec"]["rayClusterSpec"].pop("authOptions"), "no token is asked for"),
    (lambda c: c["spec"]["rayClusterSpec"].update(authOptions={"mode": "disabled"}), "no token is asked for"),
    (lambda c: c["spec"]["rayClusterSpec"]["headGroupSpec"].update(serviceType="LoadBalancer"), "a public dashboard"),
    (lambda c: c["spec"]["rayClusterSpec"]["headGroupSpec"].update(enableIngress=True), "a public dashboard"),
    (lambda c: c["spec"]["rayClusterSpec"]["workerGroupSpecs"][0].update(maxReplicas=4), "may grow to 16,4"),
    (lambda c: _worker(c)["resources"]["limits"].update(cpu="2000m"), "may grow to 16,8"),
    (lambda c: c["spec"]["rayClusterSpec"]["workerGroupSpecs"][0].update(template=None), "may grow to 0,0"),
    (
        lambda c: c["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0].pop("env"),
        "no FSM_ICL_CAPACITY; set it to 32,8",
    ),
    (_told("4,1x4"), "FSM_ICL_CAPACITY: is 4,1x4, but workers may grow to 32,8"),
    (_told("many"), "FSM_ICL_CAPACITY: expected CPUS,GPUS of the whole cluster"),
    (lambda c: c["spec"]["rayClusterSpec"].update(rayVersion="2.59.0"), "Ray 2.59.0, but constraints.txt has"),
]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        *(("gpu.yaml", *case) for case in EITHER + AWS),
        *(("on_prem.yaml", *case) for case in EITHER),
        *(("kuberay.yaml", *case) for case in KUBERAY),
    ],
)
def test_each_danger_is_refused(said: Callable[[str, Change], str], name: str, change: Change, message: str) -> None:
    told = said(name, change)
    assert message in told
    assert len(told.splitlines()) == 1  # and nothing else is blamed


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), "there is no token; make one with `fsm-icl cluster token`"),
        (lambda path: path.chmod(0o640), "others may read or write it"),
        (lambda path: path.write_text("\n"), "is empty"),
    ],
)
def test_a_token_that_cannot_serve_is_refused(
    said: Callable[[str, Change], str], token: Path, spoil: Callable[[Path], object], message: str
) -> None:
    spoil(token)
    assert message in said("gpu.yaml", lambda _: None)


@pytest.mark.parametrize(("text", "message"), [("a: 1", "neither a cluster file"), ("a: [", "not valid YAML")])
def test_what_is_no_cluster_file_is_one_clear_error(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    done = doctor("--cluster", str(path))
    assert done.exit_code == 2
    assert message in done.stderr
    assert doctor("--cluster", str(tmp_path / "none.yaml")).exit_code == 2


def test_this_machine_is_well(tmp_path: Path) -> None:
    found = {finding.name: finding for finding in doctor_module.findings(tmp_path)}
    assert [finding.line for finding in found.values() if finding.fix and finding.name not in ("disk", "memory")] == []
    assert set(found) >= {
        *doctor_module.PACKAGES,
        "python",
        "cores",
        "gpus",
        "memory",
        "disk",
        "results",
        "temp",
        "wandb mode",
    }
    assert found["ray"].found == cluster_file.pinned()["ray"]


def test_each_fault_of_a_machine_has_a_line_and_a_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        doctor_module.metadata, "version", lambda name: "0.1" if name == "ray" else cluster_file.pinned()[name]
    )
    monkeypatch.setattr(doctor_module, "MIN_DISK", 10**18)
    monkeypatch.setattr(doctor_module, "MIN_MEMORY", 10**18)
    monkeypatch.setattr(doctor_module.os, "access", lambda _, mode: mode != os.W_OK)
    monkeypatch.setattr(doctor_module.tempfile, "gettempdir", lambda: "/a" * 20)
    monkeypatch.setenv("OMP_NUM_THREADS", "4096")
    monkeypatch.setenv("WANDB_MODE", "onlin")
    done = doctor("--results", str(tmp_path))
    assert done.exit_code == 1, done.output
    bad = {line.split()[1]: line for line in done.stdout.splitlines() if line.startswith("BAD ")}
    assert set(bad) == {"ray", "cores", "memory", "disk", "results", "temp", "wandb"}
    assert "constraints.txt has 2.60.0; run make .venv/installed" in bad["ray"]


def test_gpus_that_torch_cannot_use_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_module, "num_gpus", lambda: 2)
    monkeypatch.setattr(doctor_module, "_driver", lambda: "NVRM version 595")
    found = doctor_module._gpus()
    assert found.found == "2, NVRM version 595"
    assert "can't use them" in str(found.fix)


def test_it_is_told_who_has_seen_which_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("fsm_icl.hardware.ROOT", tmp_path)
    monkeypatch.setattr(doctor_module, "torch_gpus", lambda: 1)
    monkeypatch.setattr(doctor_module, "_rays", lambda: 0)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = doctor_module._seen()
    assert found.found == "the driver 0, torch 1, Ray 0"
    assert "give `tune` --gpus 1" in str(found.fix)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "dxg").touch()
    assert "WSL2" in doctor_module._gpus().found
    assert doctor_module._gpus().fix is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert doctor_module._seen().found.endswith("CUDA_VISIBLE_DEVICES 2")


def test_a_quota_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_module, "num_cores", lambda: 3)
    monkeypatch.setattr(doctor_module, "cpu_quota", lambda: 3.5)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert doctor_module._threads().found.startswith("3 usable of ")
    assert "(a quota of 3.5)" in doctor_module._threads().found
    assert "more threads than cores" in str(doctor_module._threads().fix)


def test_memory_that_is_not_granted_is_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_module, "memory_bytes", lambda: 10**9)
    assert doctor_module._memory().found == "1.0 GB available"
    assert doctor_module._memory().fix is not None


def test_rsync_is_named_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_module.shutil, "which", lambda _: None)
    assert "`ray up` and `fsm-icl cluster fetch` need it" in doctor_module._rsync().line


def test_an_unreadable_checkout_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cluster_file, "ROOT", tmp_path)
    done = doctor()
    assert done.exit_code == 2
    assert "constraints.txt: not found; run from a checkout" in done.stderr
