"""A session with AWS, and what AWS's refusals mean for the person who reads them."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator
from typing import Any

from fsm_icl.results.aws_errors import next_step


@contextlib.contextmanager
def account(region: str | None) -> Iterator[Any]:
    """A boto3 session.

    Raises:
        ValueError: there is none to be had, or AWS refused something while it was used; the message says what to do.
    """
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ModuleNotFoundError:
        raise ValueError("boto3 is not installed: pip install -c constraints.txt -e '.[aws]'") from None
    try:
        aws = boto3.Session(region_name=region)
        if not aws.region_name:
            raise ValueError("no AWS region: give --region, or set AWS_DEFAULT_REGION")
        _check_region(aws)
        yield aws
    except (BotoCoreError, ClientError) as error:
        raise ValueError(_explained(error)) from None


def _check_region(aws: Any) -> None:
    """Raise ValueError for a region that does not exist: AWS's own answer is a host name that can't be found."""
    partitions = aws.get_available_partitions()
    known = [name for partition in partitions for name in aws.get_available_regions("ec2", partition_name=partition)]
    if aws.region_name not in known:
        near = difflib.get_close_matches(aws.region_name, known, 1, 0.0)[0]
        raise ValueError(f"no AWS region {aws.region_name!r}: did you mean {near!r}? Give it with --region")


def _explained(error: Exception) -> str:
    """What AWS, or the library that speaks to it, says, and the next step where that is known."""
    return f"AWS: {' '.join(str(error).split())}{next_step(error)}"
