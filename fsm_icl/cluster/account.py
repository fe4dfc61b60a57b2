"""A session with AWS, and what AWS's refusals mean for the person who reads them."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator
from typing import Any

_LOG_IN = "log in again (`aws sso login`, or new keys with `aws configure`)"
_NEXT = {
    "ProfileNotFound": "list them with `aws configure list-profiles` and set AWS_PROFILE to one",
    "NoCredentialsError": "run `aws configure` or `aws sso login`, or set AWS_PROFILE",
    "PartialCredentialsError": "run `aws configure`, which asks for both keys",
    "ConfigParseError": "mend that file, or write it anew with `aws configure`",
    "SSOTokenLoadError": "run `aws sso login`",
    "UnauthorizedSSOTokenError": "run `aws sso login`",
    "TokenRetrievalError": "run `aws sso login`",
    "EndpointConnectionError": "is the region right, and is there a network?",
    "ConnectTimeoutError": "is there a network?",
    "ExpiredToken": _LOG_IN,
    "ExpiredTokenException": _LOG_IN,
    "RequestExpired": "is this machine's clock right?",
    "InvalidClientTokenId": "these keys are none of AWS's: run `aws configure`, or set AWS_PROFILE",
    "InvalidAccessKeyId": "these keys are none of AWS's: run `aws configure`, or set AWS_PROFILE",
    "AuthFailure": "are these the keys of this account, and is the region enabled in it?",
    "SignatureDoesNotMatch": "the secret key is not that of the key id: run `aws configure`",
    "OptInRequired": "enable this region in the account first",
    "AccessDenied": "your user lacks that permission: ask whoever administrates the account",
    "UnauthorizedOperation": "your user lacks that permission: ask whoever administrates the account",
    "403": "your user lacks that permission: ask whoever administrates the account",
    "IllegalLocationConstraintException": "create the bucket in the region that --region names",
    "BucketAlreadyExists": "somebody else has a bucket of this name: choose another",
    "DeleteConflict": "something was added to it that this program has not made: take that away first",
    "DependencyViolation": "something still uses it: wait a minute, and look for machines that still run",
}
"""Name of an exception, or AWS's code of a refusal -> what to do next."""


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


def _explained(error: Any) -> str:
    """What AWS, or the library that speaks to it, says, and the next step where that is known."""
    code = getattr(error, "response", {}).get("Error", {}).get("Code")
    step = next((_NEXT[kind] for kind in (code, *(k.__name__ for k in type(error).__mro__)) if kind in _NEXT), None)
    said = " ".join(str(error).split())
    return f"AWS: {said}" + (f": {step}" if step else "")
