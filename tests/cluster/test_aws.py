"""Against an EC2, IAM and S3 in this process: what prepare makes, and what `ray up cluster/gpu.yaml` would start."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore import exceptions
from click.testing import Result
from moto import mock_aws
from typer.testing import CliRunner

from fsm_icl import cli
from fsm_icl.cluster import aws
from fsm_icl.cluster.files import ROOT, placeholders

REGION, BUCKET, CIDR = "us-east-2", "results-of-somebody", "203.0.113.7/32"
PREPARE = ("cluster", "prepare", "aws", "--bucket", BUCKET, "--ssh-cidr")


def fsm(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, [*arguments])


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty account, and a home folder to go with it."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("HOME", str(home))
        patch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
        yield home


@pytest.fixture(scope="module")
def prepared(home: Path) -> list[Result]:
    """What was said: by a dry run, after which there was still nothing, by the first run and by the second."""
    before = fsm(*PREPARE, CIDR, "--dry-run")
    assert boto3.client("s3").list_buckets()["Buckets"] == []
    assert boto3.client("iam").list_roles()["Roles"] == []
    assert list(home.iterdir()) == []
    return [before, fsm(*PREPARE, CIDR), fsm(*PREPARE, CIDR)]


def group() -> dict[str, Any]:
    filters = [{"Name": "group-name", "Values": [aws.NAME]}]
    (found,) = boto3.client("ec2").describe_security_groups(Filters=filters)["SecurityGroups"]
    return dict(found)


def open_to() -> list[str]:
    return [r["CidrIp"] for rule in group()["IpPermissions"] for r in rule["IpRanges"]]


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


def account_now() -> str:
    """Everything that prepare may touch."""
    iam, ec2 = boto3.client("iam"), boto3.client("ec2")
    roles = sorted(role["RoleName"] for role in iam.list_roles()["Roles"])
    named = [(role, policy) for role in roles for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]]
    policies = [iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"] for role, policy in named]
    groups = [(g["GroupName"], g["IpPermissions"]) for g in ec2.describe_security_groups()["SecurityGroups"]]
    profiles = sorted(p["InstanceProfileName"] for p in iam.list_instance_profiles()["InstanceProfiles"])
    buckets = sorted(bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"])
    return json.dumps([roles, policies, sorted(groups), profiles, buckets])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--bucket", "another-bucket"), f"belongs to a cluster with bucket {BUCKET}, not to bucket another-bucket"),
        (("--bucket", BUCKET, "--region", "eu-west-1"), "us-east-2"),
        (("--bucket", "Another_Bucket"), "--bucket: expected a bucket's name"),
        (("--bucket", BUCKET, "--name", "My Cluster"), "--name: expected up to 40 of a-z"),
        (("--bucket", BUCKET, "--region", "us-eas-2"), "no AWS region 'us-eas-2': did you mean 'us-east-2'"),
    ],
)
@pytest.mark.usefixtures("prepared")
def test_what_belongs_to_another_cluster_is_refused_before_anything_changes(
    arguments: tuple[str, ...], message: str
) -> None:
    before = account_now()
    for more in ((), ("--dry-run",)):
        done = fsm("cluster", "prepare", "aws", "--ssh-cidr", CIDR, *arguments, *more)
        assert (done.exit_code, done.stdout) == (2, ""), done.output
        assert message in done.stderr
    assert account_now() == before
    refused = fsm("cluster", "prepare", "aws", "--undo", *arguments)
    assert refused.exit_code == 2
    assert account_now() == before


def test_a_token_that_cannot_serve_is_refused_before_anything_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("x")
    (tmp_path / "token").chmod(0o644)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    before = account_now()
    done = fsm(*PREPARE, CIDR, "--name", "other")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "chmod 600" in done.stderr
    assert account_now() == before


@pytest.mark.usefixtures("prepared")
def test_somebody_elses_group_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    before = account_now()
    caller = {"Arn": "arn:aws:iam::123456789012:user/somebody", "Account": "123456789012"}
    monkeypatch.setattr(aws, "_caller", lambda _: caller)
    done = fsm(*PREPARE, "198.51.100.9/32")
    assert done.exit_code == 2
    assert "you are arn:aws:iam::123456789012:user/somebody: choose another --name" in done.stderr
    assert account_now() == before


@pytest.mark.usefixtures("prepared")
def test_another_name_is_another_cluster_that_can_be_undone(home: Path) -> None:
    before = account_now()
    mine = ("--bucket", "my-bucket", "--name", "mine")
    assert "12 steps done" in fsm("cluster", "prepare", "aws", *mine, "--ssh-cidr", CIDR).stdout
    head = boto3.client("iam").get_role_policy(RoleName="mine-head", PolicyName="mine")["PolicyDocument"]
    assert "fsm-icl" not in json.dumps(head)
    text = (ROOT / "cluster" / "gpu.yaml").read_text()
    (home / "gpu.yaml").write_text(text)
    rendered = fsm("cluster", "render", str(home / "gpu.yaml"), *mine, "--ami", "ami-1")
    assert rendered.exit_code == 0, rendered.output
    config = yaml.safe_load((home / "gpu.mine.local.yaml").read_text())
    assert config["cluster_name"] == "mine"
    profiles = {k: n["node_config"]["IamInstanceProfile"]["Name"] for k, n in config["available_node_types"].items()}
    assert set(profiles.values()) == {"mine-head", "mine-worker"}
    assert fsm("doctor", "--cluster", str(home / "gpu.mine.local.yaml")).exit_code == 0
    image = boto3.client("ec2").describe_images()["Images"][0]["ImageId"]
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "ray-cluster-name", "Value": "mine"}]}]
    machines = boto3.client("ec2").run_instances(ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=tags)
    (machine,) = (found["InstanceId"] for found in machines["Instances"])
    undo = ("cluster", "prepare", "aws", *mine, "--undo")
    running = fsm(*undo)
    assert running.exit_code == 2
    assert f"{machine} of cluster mine still run" in running.stderr
    boto3.client("ec2").terminate_instances(InstanceIds=[machine])
    now = account_now()
    assert "steps to do" in fsm(*undo, "--dry-run").stdout
    assert account_now() == now
    done = fsm(*undo)
    assert done.exit_code == 0, done.output
    assert "bucket my-bucket stays" in done.stdout
    assert account_now() == before.replace(f'["{BUCKET}"]', f'["my-bucket", "{BUCKET}"]')
    assert "nothing is there" in fsm(*undo).stdout


@pytest.mark.usefixtures("prepared")
def test_a_bucket_that_is_not_there_is_told_with_the_next_step(home: Path) -> None:
    (home / "gpu.yaml").write_text((ROOT / "cluster" / "gpu.yaml").read_text())
    done = fsm("cluster", "render", str(home / "gpu.yaml"), "--bucket", f"{BUCKET}s", "--ami", "ami-1")
    assert done.exit_code == 2
    assert f"there is no bucket {BUCKET}s: a slip in its name? Else run `fsm-icl cluster prepare aws" in done.stderr


@pytest.mark.parametrize(
    ("error", "step"),
    [
        (exceptions.NoCredentialsError(), "run `aws configure` or `aws sso login`"),
        (exceptions.ProfileNotFound(profile="work"), "aws configure list-profiles"),
        (exceptions.EndpointConnectionError(endpoint_url="https://x"), "is the region right"),
        (exceptions.ClientError({"Error": {"Code": "ExpiredToken"}}, "GetCallerIdentity"), "log in again"),
        (exceptions.ClientError({"Error": {"Code": "AccessDenied"}}, "CreateRole"), "lacks that permission"),
    ],
)
def test_what_aws_refuses_is_told_with_the_next_step(
    error: Exception, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "_caller", lambda _: (_ for _ in ()).throw(error))
    done = fsm(*PREPARE, CIDR)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: AWS: ")
    assert step in done.stderr


def test_a_profile_that_does_not_exist_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    done = fsm(*PREPARE, CIDR)
    assert done.exit_code == 2
    assert "set AWS_PROFILE to one" in done.stderr
