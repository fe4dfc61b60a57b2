"""A network of simulated hosts, and a simulated AWS account, for the tests that need one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.cluster.accounts import CIDR, PREPARE, REGION, fsm
from tests.cluster.hosts import Host, hosts, why_not


@pytest.fixture(scope="module")
def lab() -> Iterator[list[Host]]:
    """A laptop, a head and a worker. Skips with a reason where there can't be any."""
    if reason := why_not():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="fsm-lab-") as folder, hosts(3, Path(folder)) as machines:
        yield machines


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty account, and a home folder to go with it."""
    from moto import mock_aws

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
    import boto3

    before = fsm(*PREPARE, CIDR, "--dry-run")
    assert boto3.client("s3").list_buckets()["Buckets"] == []
    assert boto3.client("iam").list_roles()["Roles"] == []
    assert list(home.iterdir()) == []
    return [before, fsm(*PREPARE, CIDR), fsm(*PREPARE, CIDR)]
