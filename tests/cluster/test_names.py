"""An account that several clusters share: what is refused before anything changes, and what goes again."""

from __future__ import annotations

import json
from pathlib import Path

import boto3
import pytest
import yaml
from botocore import exceptions

from fsm_icl.cluster import aws
from fsm_icl.cluster.cluster_file import ROOT
from tests.cluster.accounts import BUCKET, CIDR, PREPARE, fsm

pytestmark = pytest.mark.usefixtures("home")


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
    assert "aws ec2 delete-tags --resources sg-" in done.stderr
    assert account_now() == before


def test_another_session_of_the_same_person_is_the_same_person() -> None:
    role = "arn:aws:sts::123456789012:assumed-role/admin/"
    first, second, mail = ({"Arn": role + name} for name in ("botocore-session-17", "botocore-session-18", "me@x.org"))
    assert aws._person(first) == aws._person(second) != aws._person(mail)
    assert aws._person(mail) == mail["Arn"]


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
