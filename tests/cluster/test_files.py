"""The files of cluster/ as their readers will read them: Ray, EC2, KubeRay and bash."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from fsm_icl.cluster import aws
from fsm_icl.cluster.files import ROOT, filled, pinned, placeholders, read_cluster_file

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


@pytest.mark.parametrize("kind", ["head", "gpu"])
def test_ec2_accepts_the_machine(kind: str) -> None:
    import botocore.session
    from botocore.validate import ParamValidator

    session = botocore.session.get_session()
    shape = session.get_service_model("ec2").operation_model("RunInstances").input_shape
    node = rendered("gpu.yaml")["available_node_types"][kind]["node_config"]
    report = ParamValidator().validate({**node, "MinCount": 1, "MaxCount": 1}, shape)
    assert not report.has_errors(), report.generate_report()
    assert ("InstanceMarketOptions" in node) == (kind == "gpu")


def test_the_head_runs_no_trial_and_gpus_start_from_none() -> None:
    config = rendered("gpu.yaml")
    head, gpu = (config["available_node_types"][kind] for kind in ("head", "gpu"))
    assert config["head_node_type"] == "head"
    assert head["resources"] == {"CPU": 0, "GPU": 0}
    assert (gpu["min_workers"], gpu["max_workers"]) == (0, config["max_workers"])
    assert config["cluster_name"] == aws.NAME  # the head may start and end machines of this name alone


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


@pytest.mark.parametrize("name", ["gpu.yaml", "on_prem.yaml", "kuberay.yaml"])
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
