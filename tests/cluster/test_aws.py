"""Against an EC2, IAM and S3 in this process: what prepare makes, and what `ray up cluster/gpu.yaml` would start."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

import boto3
import pytest
import yaml
from click.testing import Result

from fsm_icl.cluster import aws
from fsm_icl.cluster.cluster_file import ROOT, placeholders
from tests.cluster.accounts import BUCKET, CIDR, PREPARE, REGION, fsm, group, open_to

pytestmark = pytest.mark.usefixtures("home")


def test_prepared_twice_is_prepared_once(prepared: list[Result]) -> None:
    dry, first, second = prepared
    assert f"would create bucket {BUCKET} in {REGION}" in dry.stdout
    assert "13 steps to do" in dry.stdout
    assert "13 steps done" in first.stdout
    assert "nothing is missing" in second.stdout
    assert [done.exit_code for done in prepared] == [0, 0, 0]


@pytest.mark.usefixtures("prepared")
def test_the_group_opens_ssh_to_one_range_alone_and_moves_with_it() -> None:
    ssh, inside = sorted(group()["IpPermissions"], key=lambda rule: str(rule["IpProtocol"]), reverse=True)
    assert (ssh["FromPort"], ssh["ToPort"], open_to()) == (22, 22, [CIDR])
    assert [pair["GroupId"] for pair in inside["UserIdGroupPairs"]] == [group()["GroupId"]]
    assert "1 steps done" in fsm(*PREPARE, "198.51.100.9/32").stdout
    assert open_to() == ["198.51.100.9/32"]
    world = {"IpProtocol": "tcp", "FromPort": 8265, "ToPort": 8265, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    boto3.client("ec2").authorize_security_group_ingress(GroupId=group()["GroupId"], IpPermissions=[world])
    assert "1 steps done" in fsm(*PREPARE, CIDR).stdout
    assert open_to() == [CIDR]


@pytest.mark.usefixtures("prepared")
def test_the_bucket_is_private_and_workers_may_use_nothing_else() -> None:
    blocked = boto3.client("s3").get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert set(blocked.values()) == {True}
    policy = boto3.client("iam").get_role_policy(RoleName="fsm-icl-worker", PolicyName=aws.NAME)["PolicyDocument"]
    assert {s["Resource"] for s in policy["Statement"]} == {f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"}
    assert all(action.startswith("s3:") for s in policy["Statement"] for action in s["Action"])


def test_the_head_may_touch_machines_of_this_cluster_alone() -> None:
    head = aws.policies("aws", REGION, "123456789012", BUCKET)["head"]["Statement"]
    wide = [s for s in head if s["Resource"] == "*"]
    assert [s["Action"] for s in wide] == [["ec2:Describe*"]]
    for statement in head:
        if {"ec2:TerminateInstances", "iam:PassRole"} & set(statement["Action"]) or "instance/*" in statement[
            "Resource"
        ]:
            assert statement["Condition"], statement
    assert "*" not in json.dumps([s["Action"] for s in head if s not in wide])


def test_the_token_is_made_for_its_owner_alone_and_never_shown(home: Path, prepared: list[Result]) -> None:
    path = home / ".ray" / "auth_token"
    token = path.read_text()
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
    assert len(token) == 64
    assert all(token not in done.output for done in prepared)
    assert "there is already a token" in fsm("cluster", "token").stdout
    assert path.read_text() == token
    path.chmod(0o644)
    refused = fsm("cluster", "token")
    assert refused.exit_code == 2
    assert "chmod 600" in refused.stderr
    path.chmod(0o600)


@pytest.mark.parametrize(
    ("cidr", "message"),
    [
        ("0.0.0.0/0", "too wide"),
        ("203.0.0.0/8", "too wide"),
        ("203.0.113.7/24", "has host bits set"),
        ("everywhere", "expected an IPv4 range such as 203.0.113.7/32"),
        ("::/0", "expected an IPv4 range"),
    ],
)
def test_a_range_that_is_none_or_too_wide_is_refused(cidr: str, message: str) -> None:
    done = fsm(*PREPARE, cidr)
    assert done.exit_code == 2
    assert (done.stdout, message in done.stderr) == ("", True)


def test_without_credentials_or_region_or_boto3_there_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert "no AWS region: give --region" in fsm(*PREPARE, CIDR).stderr
    monkeypatch.setitem(__import__("sys").modules, "boto3", None)
    done = fsm(*PREPARE, CIDR)
    assert done.exit_code == 2
    assert "boto3 is not installed: pip install" in done.stderr


def test_render_refuses_an_account_that_is_not_prepared_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "gpu.yaml"
    path.write_text((ROOT / "cluster" / "gpu.yaml").read_text())
    before = path.read_text()
    done = fsm("cluster", "render", str(path), "--bucket", BUCKET, "--ami", "ami-1", "--region", "eu-west-1")
    assert done.exit_code == 2
    assert "run `fsm-icl cluster prepare aws` first" in done.stderr
    assert path.read_text() == before


@pytest.fixture(scope="module")
def rendered(home: Path, prepared: list[Result]) -> Path:
    path = home / "gpu.yaml"
    path.write_text((ROOT / "cluster" / "gpu.yaml").read_text())
    image = boto3.client("ec2").describe_images()["Images"][0]["ImageId"]
    done = fsm("cluster", "render", str(path), "--bucket", BUCKET, "--ami", image)
    assert "filled BUCKET, REGION, AMI, SECURITY_GROUP" in done.stdout, done.output
    assert path.read_text() == (ROOT / "cluster" / "gpu.yaml").read_text()  # git knows that one, so it is left alone
    return home / "gpu.local.yaml"


def test_what_render_leaves_is_safe(rendered: Path) -> None:
    assert placeholders(rendered.read_text()) == []
    done = fsm("doctor", "--cluster", str(rendered))
    assert (done.exit_code, done.stdout) == (0, f"{rendered}: nothing wrong\n")
    assert "nothing to fill" in fsm("cluster", "render", str(rendered), "--bucket", BUCKET).stdout


def test_ray_up_would_start_what_the_file_says(rendered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.autoscaler._private import util
    from ray.autoscaler._private.aws import config as ray_aws
    from ray.autoscaler._private.aws import utils
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider

    monkeypatch.setattr(ray_aws.time, "sleep", lambda _: pytest.fail("Ray makes a profile of its own"))
    for cached in (utils.resource_cache, utils.client_cache):
        cached.cache_clear()
    config = ray_aws.bootstrap_aws(util.prepare_config(yaml.safe_load(rendered.read_text())))
    provider = AWSNodeProvider(config["provider"], config["cluster_name"])
    for kind, node in config["available_node_types"].items():
        provider.create_node(node["node_config"], {"ray-node-type": kind}, 1)
        assert len(set(node["node_config"]["SubnetIds"])) > 1  # several zones
    ec2 = boto3.client("ec2")
    machines = [m for r in ec2.describe_instances()["Reservations"] for m in r["Instances"]]
    by_kind = {next(t["Value"] for t in m["Tags"] if t["Key"] == "ray-node-type"): m for m in machines}
    assert set(by_kind) == {"head", "gpu", "gpu-g5", "gpu-on-demand"}
    for kind, role in (("head", "head"), *((kind, "worker") for kind in by_kind if kind != "head")):
        machine = by_kind[kind]
        assert machine["IamInstanceProfile"]["Arn"].endswith(f"instance-profile/fsm-icl-{role}")
        assert [g["GroupId"] for g in machine["SecurityGroups"]] == [group()["GroupId"]]
        assert machine["MetadataOptions"]["HttpTokens"] == "required"
        assert {"Key": "ray-cluster-name", "Value": aws.NAME} in machine["Tags"]
        assert {"Key": "project", "Value": aws.NAME} in machine["Tags"]
    spot = {kind for kind, machine in by_kind.items() if machine.get("InstanceLifecycle") == "spot"}
    assert spot == {"gpu", "gpu-g5"}
    assert open_to() == [CIDR]  # Ray added nothing
    assert "0.0.0.0/0" not in json.dumps([g["IpPermissions"] for g in ec2.describe_security_groups()["SecurityGroups"]])


def test_the_copy_is_ignored_by_git_and_not_written_over(rendered: Path) -> None:
    ignored = subprocess.run(["git", "-C", ROOT, "check-ignore", "cluster/gpu.local.yaml", "cluster/gpu.me.local.yaml"])
    assert ignored.returncode == 0
    before = rendered.read_text()
    again = ("cluster", "render", str(rendered.with_name("gpu.yaml")), "--bucket", BUCKET, "--ami", "ami-2")
    refused = fsm(*again)
    assert refused.exit_code == 2
    assert "gpu.local.yaml: says something else; --force writes over it" in refused.stderr
    assert rendered.read_text() == before
    assert fsm(*again, "--force").exit_code == 0
    assert "ami-2" in rendered.read_text()
    rendered.write_text(before)
