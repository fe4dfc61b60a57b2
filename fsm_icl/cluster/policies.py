"""What the roles of a cluster may do in an AWS account, and whose a policy is. Pure: it asks AWS nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

NAME = "fsm-icl"
"""The cluster's name where none is given, and that of what is made for it; `-head` and `-worker` for roles."""


def policies(partition: str, region: str, account: str, bucket: str, name: str = NAME) -> dict[str, dict[str, Any]]:
    """Role -> what it may do: workers use the bucket; the head also starts, tags and ends machines of this cluster."""
    here = f"arn:{partition}:ec2:{region}:{account}"
    ours = {"StringEquals": {"ec2:ResourceTag/ray-cluster-name": name}}
    launched = {"StringEquals": {"aws:RequestTag/ray-cluster-name": name}}
    parts = ("subnet", "security-group", "network-interface", "volume", "key-pair", "spot-instances-request")
    s3 = [
        _allow(["s3:ListBucket", "s3:GetBucketLocation"], f"arn:{partition}:s3:::{bucket}"),
        _allow(
            ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
            f"arn:{partition}:s3:::{bucket}/*",
        ),
    ]
    machine = [f"{here}:instance/*", f"{here}:volume/*"]
    ec2 = [
        _allow(["ec2:Describe*"], "*"),
        _allow(["ec2:RunInstances"], f"{here}:instance/*", launched),
        _allow(
            ["ec2:RunInstances"], [f"arn:{partition}:ec2:{region}::image/*", *(f"{here}:{part}/*" for part in parts)]
        ),
        _allow(["ec2:CreateTags"], machine, {"StringEquals": {"ec2:CreateAction": "RunInstances"}}),
        _allow(["ec2:CreateTags", "ec2:DeleteTags", "ec2:TerminateInstances"], f"{here}:instance/*", ours),
        _allow(
            ["iam:PassRole"],
            f"arn:{partition}:iam::{account}:role/{name}-worker",
            {"StringEquals": {"iam:PassedToService": f"ec2.amazonaws.com{'.cn' if partition == 'aws-cn' else ''}"}},
        ),
    ]
    return {"worker": policy_document(s3), "head": policy_document([*s3, *ec2])}


def policy_document(statements: list[dict[str, Any]]) -> dict[str, Any]:
    """Statements as AWS wants them."""
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(actions: list[str], resource: str | list[str], condition: Mapping[str, Any] | None = None) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
    return statement | ({"Condition": condition} if condition else {})


def refuse_other(found: Mapping[str, Any] | None, wanted: Mapping[str, Any], what: str, bucket: str) -> None:
    """Refuse a policy that names another bucket or region than the wanted one: it is another cluster's.

    Raises:
        ValueError: it does.
    """
    if found is None:
        return
    for kind, scope in (("bucket", _buckets), ("region", _regions)):
        others = scope(found) - scope(wanted)
        if others:
            raise ValueError(
                f"{what} belongs to a cluster with {kind} {', '.join(sorted(others))}, not to bucket {bucket} in this "
                "region: choose another --name, or take that one away with `fsm-icl cluster prepare aws --undo`"
            )


def _resources(policy: Mapping[str, Any]) -> Iterator[list[str]]:
    """The ARNs that a policy names, each as its parts."""
    statements = policy.get("Statement", [])
    for statement in [statements] if isinstance(statements, Mapping) else statements:
        named = statement.get("Resource", [])
        yield from (arn.split(":", 5) for arn in ([named] if isinstance(named, str) else named) if arn.count(":") > 4)


def _buckets(policy: Mapping[str, Any]) -> set[str]:
    return {parts[5].partition("/")[0] for parts in _resources(policy) if parts[2] == "s3"}


def _regions(policy: Mapping[str, Any]) -> set[str]:
    return {parts[3] for parts in _resources(policy) if parts[2] == "ec2"}
