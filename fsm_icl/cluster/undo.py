"""What `prepare` has made, taken away again, except the bucket, which holds results."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from fsm_icl.cluster.aws import Step, asked, checked_name, groups_of, policies_unless_refused
from fsm_icl.cluster.policies import NAME

_GONE = ["terminated", "shutting-down"]


def undo_steps(aws: Any, bucket: str, name: str = NAME) -> Iterator[Step]:
    """What is there and can go, in order; each is to be done, or only shown, before the next is asked for.

    Raises:
        ValueError: before the first step: the name is that of a cluster with another bucket, region or owner, or
            machines of it still run.
    """
    policies_unless_refused(aws, bucket, checked_name(name))
    ec2, iam = aws.client("ec2"), aws.client("iam")
    if running := _running(ec2, name):
        raise ValueError(f"{', '.join(running)} of cluster {name} still run: end them with `fsm-icl cluster down FILE`")
    for group in groups_of(ec2, name):
        yield Step(f"delete security group {name}", partial(ec2.delete_security_group, GroupId=group["GroupId"]))
    for role in (f"{name}-head", f"{name}-worker"):
        yield from _role(iam, role)


def _running(ec2: Any, name: str) -> list[str]:
    """Ids of the cluster's machines that are not gone."""
    found = ec2.describe_instances(Filters=[{"Name": "tag:ray-cluster-name", "Values": [name]}])["Reservations"]
    return [m["InstanceId"] for part in found for m in part["Instances"] if m["State"]["Name"] not in _GONE]


def _role(iam: Any, role: str) -> Iterator[Step]:
    """A role with its policies and its profile, in the order in which AWS lets them go."""
    profile = asked(iam.get_instance_profile, InstanceProfileName=role)
    if profile is not None:
        for held in profile["InstanceProfile"]["Roles"]:
            remove = partial(iam.remove_role_from_instance_profile, InstanceProfileName=role)
            yield Step(f"take the role out of profile {role}", partial(remove, RoleName=held["RoleName"]))
        yield Step(f"delete instance profile {role}", partial(iam.delete_instance_profile, InstanceProfileName=role))
    if asked(iam.get_role, RoleName=role) is None:
        return
    for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        delete = partial(iam.delete_role_policy, RoleName=role, PolicyName=policy)
        yield Step(f"delete what role {role} may do", delete)
    yield Step(f"delete role {role}", partial(iam.delete_role, RoleName=role))
