"""The AWS account that cluster/gpu.yaml needs: a bucket, a role for the head and one for workers, a security group.

All that could be refused is looked at before anything is changed; then every step asks first whether it is still
needed, so that running it again changes nothing, or mends what has changed. What is made goes by the cluster's name,
and belongs to one bucket in one region: that of another is refused and never rewritten.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fsm_icl.cluster.policies import NAME, policies, policy_document, refuse_other

OWNER = "fsm-icl-owner"
"""Tag of a security group: who made it, so that nobody else takes it for their own."""
WIDEST = 16
"""Shortest prefix of a range that port 22 is opened to: 65,536 addresses."""
ITSELF = "itself"
"""A rule that lets a security group's own members in."""
_IMAGE = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
_ABSENT = {"404", "NoSuchBucket", "NoSuchEntity", "NoSuchPublicAccessBlockConfiguration"}
_FOREIGN = {"403": "it belongs to another account", "301": "it lies in another region"}
_BLOCKED = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)


@dataclass(frozen=True)
class Step:
    """Something that is missing, and how it is made."""

    what: str
    do: Callable[[], object]


def checked_name(name: str) -> str:
    """`name`. Raises ValueError where it can't name a cluster and what is made for it."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", name):
        raise ValueError(f"--name: expected up to 40 of a-z, 0-9 and -, with a letter first, found {name!r}")
    return name


def missing_steps(aws: Any, bucket: str, cidr: str, name: str = NAME) -> Iterator[Step]:
    """What the account lacks, in order; each is to be done, or only shown, before the next is asked for.

    Raises:
        ValueError: before the first step: `cidr` is too wide or none, the bucket is somebody else's, or the name is
            that of a cluster with another bucket, region or owner.
    """
    network = _checked(cidr)
    wanted = policies_unless_refused(aws, bucket, checked_name(name))
    iam = aws.client("iam")
    yield from _bucket(aws.client("s3"), aws.region_name, bucket)
    for role, policy in wanted.items():
        yield from _role(iam, f"{name}-{role}", name, policy)
    if not iam.list_roles(PathPrefix="/aws-service-role/spot.amazonaws.com/")["Roles"]:
        text = "let EC2 start spot machines in this account (a service-linked role)"
        yield Step(text, lambda: iam.create_service_linked_role(AWSServiceName="spot.amazonaws.com"))
    yield from _group(aws.client("ec2"), network, name, _person(_caller(aws)))


def _caller(aws: Any) -> Mapping[str, str]:
    answer: Mapping[str, str] = aws.client("sts").get_caller_identity()
    return answer


def _person(caller: Mapping[str, str]) -> str:
    """Who that is, in every session: a session's name that a program has made up is left out."""
    return re.sub(r"(?<=/)(botocore-session-\d+|aws-\S*sdk-\S*\d+|i-[0-9a-f]+|\d+)$", "*", caller["Arn"])


def policies_unless_refused(aws: Any, bucket: str, name: str) -> dict[str, dict[str, Any]]:
    """The policies of both roles. It only reads.

    Raises:
        ValueError: something of this name belongs to another bucket, region or person.
    """
    caller = _caller(aws)
    wanted = policies(caller["Arn"].split(":")[1], aws.region_name, caller["Account"], bucket, name)
    _is_ours(aws.client("s3"), bucket, aws.region_name)
    for role, policy in wanted.items():
        refuse_other(_policy_of(aws.client("iam"), f"{name}-{role}", name), policy, f"role {name}-{role}", bucket)
    for group in groups_of(aws.client("ec2"), name):
        owner = next((tag["Value"] for tag in group.get("Tags", []) if tag["Key"] == OWNER), None)
        if owner not in (None, _person(caller)):
            raise ValueError(
                f"security group {name} is {owner}'s, and you are {_person(caller)}: choose another --name, or let its "
                "owner run this; otherwise you would shut each other out. If it is yours after all: "
                f"`aws ec2 delete-tags --resources {group['GroupId']} --tags Key={OWNER}`"
            )
    return wanted


def values(aws: Any, bucket: str, image: str | None, name: str = NAME) -> dict[str, str]:
    """Placeholder of cluster/gpu.yaml -> its value. Raises ValueError when the account is not prepared."""
    groups = groups_of(aws.client("ec2"), checked_name(name))
    prepare = f"`fsm-icl cluster prepare aws --bucket {bucket} --name {name} --ssh-cidr YOUR-ADDRESS/32`"
    if not groups:
        raise ValueError(f"no security group {name} in {aws.region_name}: run `fsm-icl cluster prepare aws` first")
    if not _is_ours(aws.client("s3"), bucket, aws.region_name):
        raise ValueError(f"there is no bucket {bucket}: a slip in its name? Else run {prepare} first")
    policies_unless_refused(aws, bucket, name)
    image = image or aws.client("ssm").get_parameter(Name=_IMAGE)["Parameter"]["Value"]
    return {"REGION": aws.region_name, "BUCKET": bucket, "AMI": image, "SECURITY_GROUP": groups[0]["GroupId"]}


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


def asked(call: Callable[..., Any], **arguments: Any) -> Any:
    """AWS's answer, or None where it says that there is no such thing."""
    from botocore.exceptions import ClientError

    try:
        return call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return None
        raise


def _is_ours(s3: Any, bucket: str, region: str) -> bool:
    """Whether the bucket is there. Raises ValueError where it is somebody else's, elsewhere, or no name at all."""
    from botocore.exceptions import ClientError

    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket):
        raise ValueError(f"--bucket: expected a bucket's name, 3 to 63 of a-z, 0-9, . and -, found {bucket!r}")
    try:
        found = asked(s3.head_bucket, Bucket=bucket)
    except ClientError as error:
        why = _FOREIGN.get(error.response["Error"]["Code"])
        if why is None:
            raise
        raise ValueError(f"bucket {bucket} can't be used, {why}: choose another name") from None
    lies = region if found is None else found.get("BucketRegion", region)
    if lies != region:
        raise ValueError(f"bucket {bucket} lies in {lies}, not in {region}: give --region {lies}, or another bucket")
    return found is not None


def _bucket(s3: Any, region: str, bucket: str) -> Iterator[Step]:
    if not _is_ours(s3, bucket, region):
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        yield Step(f"create bucket {bucket} in {region}", lambda: s3.create_bucket(Bucket=bucket, **where))
    found = asked(s3.get_public_access_block, Bucket=bucket)
    if found is None or found["PublicAccessBlockConfiguration"] != _BLOCKED:
        blocked = {"Bucket": bucket, "PublicAccessBlockConfiguration": _BLOCKED}
        yield Step(f"block public access to bucket {bucket}", lambda: s3.put_public_access_block(**blocked))


def _policy_of(iam: Any, role: str, name: str) -> dict[str, Any] | None:
    """What a role may do by its policy of that name; None where there is none."""
    found = asked(iam.get_role_policy, RoleName=role, PolicyName=name)
    return None if found is None else dict(found["PolicyDocument"])


def _role(iam: Any, role: str, name: str, policy: dict[str, Any]) -> Iterator[Step]:
    if asked(iam.get_role, RoleName=role) is None:
        trust = policy_document(
            [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]
        )
        made = {"RoleName": role, "AssumeRolePolicyDocument": json.dumps(trust)}
        yield Step(f"create role {role}", lambda: iam.create_role(**made))
    if _policy_of(iam, role, name) != policy:
        document = {"RoleName": role, "PolicyName": name, "PolicyDocument": json.dumps(policy)}
        yield Step(f"set what role {role} may do", lambda: iam.put_role_policy(**document))
    profile = asked(iam.get_instance_profile, InstanceProfileName=role)
    if profile is None:
        yield Step(f"create instance profile {role}", lambda: iam.create_instance_profile(InstanceProfileName=role))
    if profile is None or not profile["InstanceProfile"]["Roles"]:
        both = {"InstanceProfileName": role, "RoleName": role}
        yield Step(f"put role {role} into its profile", lambda: iam.add_role_to_instance_profile(**both))


def groups_of(ec2: Any, name: str) -> list[Any]:
    """The security group of that name, in a list, or an empty one."""
    filters = [{"Name": "group-name", "Values": [name]}, {"Name": "vpc-id", "Values": [_default_vpc(ec2)]}]
    return list(ec2.describe_security_groups(Filters=filters)["SecurityGroups"])


def _default_vpc(ec2: Any) -> str:
    found = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    if not found:
        raise ValueError("this region has no default VPC: make one with `aws ec2 create-default-vpc`")
    return str(found[0]["VpcId"])


def _group(ec2: Any, cidr: str, name: str, owner: str) -> Iterator[Step]:
    groups = groups_of(ec2, name)
    if not groups:
        tags = [{"ResourceType": "security-group", "Tags": [{"Key": OWNER, "Value": owner}]}]
        about = {"GroupName": name, "Description": f"Ray cluster {name}", "VpcId": _default_vpc(ec2)}
        yield Step(f"create security group {name}", lambda: ec2.create_security_group(**about, TagSpecifications=tags))
        groups = groups_of(ec2, name)
    open_to = _open_to(groups[0]) if groups else set()
    wanted = {("-1", None, ITSELF), ("tcp", 22, cidr)}
    if open_to != wanted:
        text = f"let security group {name} be reached by itself, and on port 22 from {cidr}, and from nowhere else"
        yield Step(text, lambda: _set_rules(ec2, groups[0], cidr))


def _open_to(group: Mapping[str, Any]) -> set[tuple[str, int | None, str]]:
    """Protocol, port and from where, for each rule."""
    found = set()
    for rule in group["IpPermissions"]:
        ranges = [r["CidrIp"] for r in rule["IpRanges"]] + [r["CidrIpv6"] for r in rule.get("Ipv6Ranges", [])]
        lists = [r["PrefixListId"] for r in rule.get("PrefixListIds", [])]
        inside = [ITSELF if p["GroupId"] == group["GroupId"] else p["GroupId"] for p in rule["UserIdGroupPairs"]]
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
