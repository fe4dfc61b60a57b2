"""An AWS account in this process, and the commands that work on it; its fixtures are in conftest.py."""

from __future__ import annotations

from typing import Any

import boto3
from click.testing import Result
from typer.testing import CliRunner

from fsm_icl import cli
from fsm_icl.cluster import aws

REGION, BUCKET, CIDR = "us-east-2", "results-of-somebody", "203.0.113.7/32"
PREPARE = ("cluster", "prepare", "aws", "--bucket", BUCKET, "--ssh-cidr")


def fsm(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, [*arguments])


def group() -> dict[str, Any]:
    filters = [{"Name": "group-name", "Values": [aws.NAME]}]
    (found,) = boto3.client("ec2").describe_security_groups(Filters=filters)["SecurityGroups"]
    return dict(found)


def open_to() -> list[str]:
    return [r["CidrIp"] for rule in group()["IpPermissions"] for r in rule["IpRanges"]]
