"""An S3 of our own on loopback (moto), as drivers, workers and commands of a test see it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

BUCKET = "bucket"


def environment(endpoint: str) -> dict[str, str]:
    """What a process needs to reach an S3 of our own."""
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    return {"AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": "us-east-1", **keys}


@contextlib.contextmanager
def served() -> Iterator[str]:
    """Inside, this process and its children reach a fresh bucket; its URI."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(f"http://{host}:{port}").items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}/results"
    server.stop()
