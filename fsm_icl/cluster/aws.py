"""The AWS account that cluster/gpu.yaml needs: a bucket, a role for the head and one for workers, a security group.

Every step asks first whether it is still needed, so that running it again changes nothing, or mends what has changed.
Names are fixed: the file says them, too.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

NAME = "fsm-icl"
"""The cluster's name, and that of what is made for it; `-head` and `-worker` for roles and profiles."""
WIDEST = 16
"""Shortest prefix of a range that port 22 is opened to: 65,536 addresses."""
_IMAGE = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
_ABSENT = {"404", "NoSuchBucket", "NoSuchEntity", "NoSuchPublicAccessBlockConfiguration"}
_FOREIGN = {"403": "it belongs to another account", "301": "it lies in another region"}
_BLOCKED = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)


@dataclass(frozen=True)
class Step:
    """Something that is missing, and how it is made."""

    what: str
    do: Callable[[], object]


@contextlib.contextmanager
def account(region: str | None) -> Iterator[Any]:
    """A boto3 session. Raises ValueError when there is none to be had, and for what AWS refuses while it is used."""
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ModuleNotFoundError:
        raise ValueError("boto3 is not installed: pip install -c constraints.txt -e '.[aws]'") from None
    aws = boto3.Session(region_name=region)
    if not aws.region_name:
        raise ValueError("no AWS region: give --region, or set AWS_DEFAULT_REGION")
    try:
        yield aws
    except (BotoCoreError, ClientError) as error:
        raise ValueError(f"AWS: {error}") from None


def missing_steps(aws: Any, bucket: str, cidr: str) -> Iterator[Step]:
    """What the account lacks, in order; each is to be done, or only shown, before the next is asked for.

    Raises:
        ValueError: `cidr` is too wide or none, or the bucket is somebody else's.
    """
    network = _checked(cidr)
    caller = aws.client("sts").get_caller_identity()
    partition, account = caller["Arn"].split(":")[1], caller["Account"]
    iam = aws.client("iam")
    yield from _bucket(aws.client("s3"), aws.region_name, bucket)
    for role, policy in policies(partition, aws.region_name, account, bucket).items():
        yield from _role(iam, f"{NAME}-{role}", policy)
    if not iam.list_roles(PathPrefix="/aws-service-role/spot.amazonaws.com/")["Roles"]:
        text = "let EC2 start spot machines in this account (a service-linked role)"
        yield Step(text, lambda: iam.create_service_linked_role(AWSServiceName="spot.amazonaws.com"))
    yield from _group(aws.client("ec2"), network)


def values(aws: Any, bucket: str, image: str | None) -> dict[str, str]:
    """Placeholder of cluster/gpu.yaml -> its value. Raises ValueError when the account is not prepared."""
    groups = _groups(aws.client("ec2"))
    if not groups:
        raise ValueError(f"no security group {NAME} in {aws.region_name}: run `fsm-icl cluster prepare aws` first")
    image = image or aws.client("ssm").get_parameter(Name=_IMAGE)["Parameter"]["Value"]
    return {"REGION": aws.region_name, "BUCKET": bucket, "AMI": image, "SECURITY_GROUP": groups[0]["GroupId"]}


def policies(partition: str, region: str, account: str, bucket: str) -> dict[str, dict[str, Any]]:
    """Role -> what it may do: workers use the bucket; the head also starts, tags and ends machines of this cluster."""
    here = f"arn:{partition}:ec2:{region}:{account}"
    ours = {"StringEquals": {"ec2:ResourceTag/ray-cluster-name": NAME}}
    launched = {"StringEquals": {"aws:RequestTag/ray-cluster-name": NAME}}
    parts = ("subnet", "security-group", "network-interface", "volume", "key-pair", "spot-instances-request")
    s3 = [
        _allow(["s3:ListBucket", "s3:GetBucketLocation"], f"arn:{partition}:s3:::{bucket}"),
        _allow(
            ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
            f"arn:{partition}:s3:::{bucket}/*",
        ),
    ]
    ec2 = [
        _allow(["ec2:Describe*"], "*"),
        _allow(["ec2:RunInstances"], f"{here}:instance/*", launched),
        _allow(
            ["ec2:RunInstances"], [f"arn:{partition}:ec2:{region}::image/*", *(f"{here}:{part}/*" for part in parts)]
        ),
        _allow(["ec2:CreateTags"], f"{here}:instance/*", {"StringEquals": {"ec2:CreateAction": "RunInstances"}}),
        _allow(["ec2:CreateTags", "ec2:DeleteTags", "ec2:TerminateInstances"], f"{here}:instance/*", ours),
        _allow(
            ["iam:PassRole"],
            f"arn:{partition}:iam::{account}:role/{NAME}-worker",
            {"StringEquals": {"iam:PassedToService": f"ec2.amazonaws.com{'.cn' if partition == 'aws-cn' else ''}"}},
        ),
    ]
    return {"worker": _policy(s3), "head": _policy([*s3, *ec2])}


def _policy(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(actions: list[str], resource: str | list[str], condition: Mapping[str, Any] | None = None) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
    return statement | ({"Condition": condition} if condition else {})


def _checked(cidr: str) -> str:
    try:
        network = ipaddress.IPv4Network(cidr)
    except ValueError as error:
        raise ValueError(
            f"--ssh-cidr: expected an IPv4 range such as 203.0.113.7/32, found {cidr!r} ({error})"
        ) from None
    if network.prefixlen < WIDEST:
        raise ValueError(
            f"--ssh-cidr: {cidr} is too wide; port 22 is opened to /{WIDEST} at most, best to your own /32"
        )
    return str(network)


def _asked(call: Callable[..., Any], **arguments: Any) -> Any:
    """The answer, or None where AWS says that there is no such thing."""
    from botocore.exceptions import ClientError

    try:
        return call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return None
        raise


def _is_ours(s3: Any, bucket: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        return _asked(s3.head_bucket, Bucket=bucket) is not None
    except ClientError as error:
        why = _FOREIGN.get(error.response["Error"]["Code"])
        if why is None:
            raise
        raise ValueError(f"bucket {bucket} can't be used, {why}: choose another name") from None


def _bucket(s3: Any, region: str, bucket: str) -> Iterator[Step]:
    if not _is_ours(s3, bucket):
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        yield Step(f"create bucket {bucket} in {region}", lambda: s3.create_bucket(Bucket=bucket, **where))
    found = _asked(s3.get_public_access_block, Bucket=bucket)
    if found is None or found["PublicAccessBlockConfiguration"] != _BLOCKED:
        blocked = {"Bucket": bucket, "PublicAccessBlockConfiguration": _BLOCKED}
        yield Step(f"block public access to bucket {bucket}", lambda: s3.put_public_access_block(**blocked))


def _role(iam: Any, name: str, policy: dict[str, Any]) -> Iterator[Step]:
    if _asked(iam.get_role, RoleName=name) is None:
        trust = _policy(
            [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]
        )
        role = {"RoleName": name, "AssumeRolePolicyDocument": json.dumps(trust)}
        yield Step(f"create role {name}", lambda: iam.create_role(**role))
    found = _asked(iam.get_role_policy, RoleName=name, PolicyName=NAME)
    if found is None or found["PolicyDocument"] != policy:
        document = {"RoleName": name, "PolicyName": NAME, "PolicyDocument": json.dumps(policy)}
        yield Step(f"set what role {name} may do", lambda: iam.put_role_policy(**document))
    profile = _asked(iam.get_instance_profile, InstanceProfileName=name)
    if profile is None:
        yield Step(f"create instance profile {name}", lambda: iam.create_instance_profile(InstanceProfileName=name))
    if profile is None or not profile["InstanceProfile"]["Roles"]:
        both = {"InstanceProfileName": name, "RoleName": name}
        yield Step(f"put role {name} into its profile", lambda: iam.add_role_to_instance_profile(**both))


def _groups(ec2: Any) -> list[Any]:
    filters = [{"Name": "group-name", "Values": [NAME]}, {"Name": "vpc-id", "Values": [_default_vpc(ec2)]}]
    return list(ec2.describe_security_groups(Filters=filters)["SecurityGroups"])


def _default_vpc(ec2: Any) -> str:
    found = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    if not found:
        raise ValueError("this region has no default VPC: make one with `aws ec2 create-default-vpc`")
    return str(found[0]["VpcId"])


def _group(ec2: Any, cidr: str) -> Iterator[Step]:
    groups = _groups(ec2)
    if not groups:
        about = {"GroupName": NAME, "Description": f"Ray cluster {NAME}", "VpcId": _default_vpc(ec2)}
        yield Step(f"create security group {NAME}", lambda: ec2.create_security_group(**about))
        groups = _groups(ec2)
    open_to = _open_to(groups[0]) if groups else set()
    wanted = {("-1", None, NAME), ("tcp", 22, cidr)}
    if open_to != wanted:
        text = f"let security group {NAME} be reached by itself, and on port 22 from {cidr}, and from nowhere else"
        yield Step(text, lambda: _set_rules(ec2, groups[0], cidr))


def _open_to(group: Mapping[str, Any]) -> set[tuple[str, int | None, str]]:
    """Protocol, port and from where, for each rule; the group itself goes by its name."""
    found = set()
    for rule in group["IpPermissions"]:
        ranges = [r["CidrIp"] for r in rule["IpRanges"]] + [r["CidrIpv6"] for r in rule.get("Ipv6Ranges", [])]
        lists = [r["PrefixListId"] for r in rule.get("PrefixListIds", [])]
        inside = [NAME if p["GroupId"] == group["GroupId"] else p["GroupId"] for p in rule["UserIdGroupPairs"]]
        port = rule.get("FromPort") if rule.get("FromPort") == rule.get("ToPort") else -1
        found |= {
            (rule["IpProtocol"], None if rule["IpProtocol"] == "-1" else port, who) for who in ranges + lists + inside
        }
    return found


def _set_rules(ec2: Any, group: Mapping[str, Any], cidr: str) -> None:
    if group["IpPermissions"]:
        ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])
    inside = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group["GroupId"]}]}
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": cidr}]}
    ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[inside, ssh])
