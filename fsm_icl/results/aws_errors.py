"""What to do about what AWS refuses, whichever library speaks to it. Needs none of them."""

from __future__ import annotations

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


def next_step(error: BaseException) -> str:
    """The end of a message about `error`: a colon and what to do, or nothing where that is not known."""
    code = (getattr(error, "response", None) or {}).get("Error", {}).get("Code")
    kinds = (code, *(kind.__name__ for kind in type(error).__mro__))
    return next((f": {_NEXT[kind]}" for kind in kinds if kind in _NEXT), "")
