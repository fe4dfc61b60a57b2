"""The files of cluster/ as their readers will read them: Ray, EC2, KubeRay and bash."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from fsm_icl.cluster import aws
from fsm_icl.cluster.cluster_file import ROOT, filled, pinned, placeholders, read_cluster_file

CLUSTER = ROOT / "cluster"
VALUES = {
    "REGION": "us-east-1",
    "AMI": "ami-0123456789abcdef0",
    "BUCKET": "some-bucket",
    "SECURITY_GROUP": "sg-0123456789abcdef0",
    "HEAD_IP": "192.0.2.1",
    "WORKER_IP": "192.0.2.2",
    "USER": "somebody",
    "SHARED_FOLDER": "/shared",
    "IMAGE": "registry.example/fsm-icl:2.60.0",
    "CLAIM": "results",
}


def rendered(name: str) -> dict[str, Any]:
    """As Ray reads it."""
    values = yaml.safe_load(filled((CLUSTER / name).read_text(), VALUES))
    assert isinstance(values, dict)
    return values


@pytest.mark.parametrize("name", ["gpu.yaml", "on_prem.yaml"])
def test_ray_accepts_it(name: str) -> None:
    from ray.autoscaler._private import util

    config = util.prepare_config(rendered(name))
    util.validate_config(config)
    assert config["max_workers"] == {"gpu.yaml": 8, "on_prem.yaml": 1}[name]


@pytest.mark.parametrize("kind", ["head", "gpu", "gpu-g5", "gpu-on-demand"])
def test_ec2_accepts_the_machine(kind: str) -> None:
    import botocore.session
    from botocore.validate import ParamValidator

    session = botocore.session.get_session()
    shape = session.get_service_model("ec2").operation_model("RunInstances").input_shape
    node = rendered("gpu.yaml")["available_node_types"][kind]["node_config"]
    report = ParamValidator().validate({**node, "MinCount": 1, "MaxCount": 1}, shape)
    assert ("InstanceMarketOptions" in node) == (kind in ("gpu", "gpu-g5"))
    tagged = {spec["ResourceType"]: spec["Tags"] for spec in node["TagSpecifications"]}
    assert tagged == {kind: [{"Key": "project", "Value": aws.NAME}] for kind in ("instance", "volume")}
    assert not report.has_errors(), report.generate_report()


def test_the_head_runs_no_trial_and_gpus_start_from_none() -> None:
    config = rendered("gpu.yaml")
    head, gpu = (config["available_node_types"][kind] for kind in ("head", "gpu"))
    assert config["head_node_type"] == "head"
    assert head["resources"] == {"CPU": 0, "GPU": 0}
    assert (gpu["min_workers"], gpu["max_workers"]) == (0, config["max_workers"])
    assert config["cluster_name"] == aws.NAME  # the head may start and end machines of this name alone


def test_spot_machines_of_either_type_come_before_those_on_demand() -> None:
    types = rendered("gpu.yaml")["available_node_types"]
    workers = {name: kind for name, kind in types.items() if name != "head"}
    assert sorted(workers, key=lambda name: -workers[name].get("priority", 0)) == ["gpu", "gpu-g5", "gpu-on-demand"]
    assert {kind["min_workers"] for kind in workers.values()} == {0}
    assert len({kind["node_config"]["InstanceType"] for kind in workers.values()}) == 2


def test_mps_is_on_when_one_line_is_uncommented() -> None:
    text = (CLUSTER / "gpu.yaml").read_text()
    (line,) = (line for line in text.splitlines() if "nvidia-cuda-mps-control" in line)
    on = yaml.safe_load(filled(text.replace(line, line.replace("# ", "", 1)), VALUES))["worker_start_ray_commands"]
    assert [command.split()[0] for command in on] == ["ray", "nvidia-cuda-mps-control", "ulimit"]


def test_what_a_node_needs_is_without_tools_to_develop_with(tmp_path: Path) -> None:
    script = [sys.executable, CLUSTER / "requirements.py", ROOT / "pyproject.toml"]
    lines = subprocess.run(script, capture_output=True, text=True, check=True, timeout=20).stdout.splitlines()
    names = {re.match(r"[\w.-]+", line)[0] for line in lines}  # type: ignore[index]
    assert {"torch", "boto3", "s3fs", "ray"} <= names
    assert not names & {"pytest", "mypy", "ruff", "moto", "hypothesis", "selenium", "fsm-icl"}
    assert names <= pinned().keys() | {"universal-pathlib"}
    # On a node: uv and the interpreter are stand-ins, which leave what they were asked for.
    for name in ("setup.sh", "requirements.py"):
        shutil.copy(CLUSTER / name, tmp_path)
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "uv").write_text(f'#!/bin/bash\necho "$*" >> {tmp_path}/said\n')
    (tmp_path / "bin" / "uv").chmod(0o755)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").write_text(f'#!/bin/bash\nexec {sys.executable} "$@"\n')
    (tmp_path / ".venv" / "bin" / "python").chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "HOME": str(tmp_path)}
    setup = ["bash", str(tmp_path / "setup.sh"), platform.python_version(), pinned()["ray"]]
    subprocess.run(setup, env=environment, check=True, timeout=30)
    said = (tmp_path / "said").read_text()
    assert said == "pip install --quiet --requirement requirements.txt --constraint constraints.txt\n"
    assert (tmp_path / "requirements.txt").read_text().splitlines() == lines


def test_the_image_is_made_of_what_it_needs_and_its_folder_is_its_users() -> None:
    docker = (CLUSTER / "Dockerfile").read_text()
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        name for line in re.findall(r"^COPY (?:--chown=\S+ )?(.*)", docker, re.MULTILINE) for name in line.split()[:-1]
    }
    assert copied == kept
    assert all((ROOT / name).exists() for name in copied)
    assert "install --directory --owner ray --group ray /home/ray/fsm_icl" in docker
    assert "--requirement constraints.txt" not in docker
    assert re.search(r"^\*$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)


def test_a_job_on_kubernetes_may_write_its_results_run_on_gpu_nodes_and_ends_with_its_trials() -> None:
    spec = rendered("kuberay.yaml")["spec"]
    assert spec["backoffLimit"] == 0
    head, (group,) = spec["rayClusterSpec"]["headGroupSpec"], spec["rayClusterSpec"]["workerGroupSpecs"]
    for part in (head, group):
        assert part["template"]["spec"]["securityContext"]["fsGroup"] == 1000
    assert group["template"]["spec"]["tolerations"][0]["key"] == "nvidia.com/gpu"
    (container,) = head["template"]["spec"]["containers"]
    env = {entry["name"]: entry for entry in container["env"]}
    assert env["WANDB_API_KEY"]["valueFrom"]["secretKeyRef"] == {"name": "wandb", "key": "key", "optional": True}
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    most = [group["maxReplicas"] * int(limits[name]) for name in ("cpu", "nvidia.com/gpu")]
    assert env["FSM_ICL_CAPACITY"]["value"] == ",".join(map(str, most))
    assert "--max-concurrent" not in spec["entrypoint"]


def test_skypilot_starts_what_the_other_files_do() -> None:
    task = rendered("sky.yaml")
    assert {"name", "workdir", "resources", "setup", "run"} <= task.keys()
    copied = task["setup"].splitlines()[0].partition(" cp ")[2].split()[:-1]
    assert all((ROOT / name).is_file() for name in copied)
    assert "-m fsm_icl.tune $SWEEP --scale $SCALE --results /results" in task["run"]
    assert set(task["envs"]) == {"SWEEP", "SCALE", "FSM_ICL_COMMIT"}


@pytest.mark.parametrize("name", ["gpu.yaml", "on_prem.yaml"])
def test_what_is_copied_to_machines_is_there(name: str) -> None:
    mounts = rendered(name)["file_mounts"]
    assert all((ROOT / source).is_file() for source in mounts.values() if not source.startswith("~"))


def test_versions_are_one_everywhere() -> None:
    ray = pinned()["ray"]
    texts = {path.name: path.read_text() for path in CLUSTER.iterdir()}
    pythons = set(re.findall(r"(?:setup\.sh |FROM python:)(\d+\.\d+\.\d+)", "".join(texts.values())))
    assert len(pythons) == 1
    for name in ("gpu.yaml", "on_prem.yaml"):
        assert f"setup.sh {pythons.copy().pop()} {ray}" in texts[name]
    assert f"== '{ray}'" in texts["Dockerfile"]
    assert rendered("kuberay.yaml")["spec"]["rayClusterSpec"]["rayVersion"] == ray


def test_kuberay_has_what_it_requires() -> None:
    job = rendered("kuberay.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert re.fullmatch(r"[a-z0-9-]{1,47}", job["metadata"]["name"])
    spec, cluster = job["spec"], job["spec"]["rayClusterSpec"]
    assert spec["entrypoint"].startswith("python -m fsm_icl.tune ")
    assert spec["shutdownAfterJobFinishes"] is True
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["enableInTreeAutoscaling"] is True
    (group,) = cluster["workerGroupSpecs"]
    assert group["minReplicas"] == 0 <= group["replicas"] <= group["maxReplicas"]
    for part in (cluster["headGroupSpec"], group):
        assert all(isinstance(value, str) for value in part["rayStartParams"].values())
        pod = part["template"]["spec"]
        (container,) = pod["containers"]
        assert container["image"] == VALUES["IMAGE"]
        assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
        assert {"mountPath": "/dev/shm", "name": "shm"} in container["volumeMounts"]
    (worker,) = group["template"]["spec"]["containers"]
    assert worker["resources"]["limits"]["nvidia.com/gpu"] == "1"


@pytest.mark.parametrize("name", ["slurm.sh", "setup.sh"])
def test_bash_can_read_it(name: str) -> None:
    subprocess.run(["bash", "-n", CLUSTER / name], check=True, timeout=10)


@pytest.mark.parametrize("name", ["gpu.yaml", "on_prem.yaml", "kuberay.yaml", "sky.yaml"])
def test_placeholders_are_found_and_filled(name: str) -> None:
    text = (CLUSTER / name).read_text()
    names = placeholders(text)
    assert names
    assert "PLACEHOLDERS" not in names  # that is a comment
    assert placeholders(filled(text, VALUES)) == []
    with pytest.raises(ValueError, match=f"no value for <{names[-1]}>; known here: "):
        filled(text, dict.fromkeys(names[:-1], "x"))


@pytest.mark.parametrize("text", ["a: [", "- a\n- b\n", "", "a: !!python/object:x {}"])
def test_what_is_no_cluster_file_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"x\.yaml: (not valid YAML|expected a mapping)"):
        read_cluster_file(path)
