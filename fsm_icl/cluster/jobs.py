"""A running cluster seen from a laptop: a sweep becomes a Ray job on the head.

The dashboard that takes jobs listens on the head's loopback, so all goes through SSH; and it asks for the token.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from fsm_icl.cluster.cluster_file import ROOT, ray_program, read_cluster_file
from fsm_icl.cluster.parcel import Parcel, packed
from fsm_icl.cluster.token import token_problem

POLL_SECONDS = 2.0
PATIENCE = 120.0
"""Seconds without a connection after which a job is no longer followed; it goes on."""
_TUNNEL_SECONDS = 60.0


def results_of(file: Path) -> str:
    """Where the sweeps of this cluster keep their results. Raises ValueError when the file does not say."""
    metadata = read_cluster_file(file).get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("results"):
        raise ValueError(f"{file}: metadata.results is missing; name a folder that all machines see, or s3://...")
    return str(metadata["results"])


def entrypoint(file: Path, sweep: str, options: Sequence[str]) -> str:
    """The command that the head runs. Raises ValueError for a sweep file that would not travel."""
    path = Path(sweep)
    if path.suffix in (".yaml", ".yml"):
        if not path.resolve().is_relative_to(ROOT):
            raise ValueError(f"{sweep}: only what lies in {ROOT} travels to the cluster; copy it there")
        sweep = str(path.resolve().relative_to(ROOT))
    where = ["--address", "auto", "--results", results_of(file)]
    return shlex.join(["python", "-m", "fsm_icl.tune", sweep, *options, *where])


def submit_job(file: Path, command: str, code: Parcel) -> str:
    """Start `command` on the head, with the code of this checkout; the name by which Ray knows the job.

    Raises:
        ValueError: there is no token or it is refused.
        ConnectionError: the cluster can't be reached.
    """
    name = f"fsm-icl-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"  # two people may share a second
    with _jobs(file) as jobs:
        jobs.submit_job(entrypoint=command, submission_id=name, runtime_env=code.runtime_env)
    return name


def runtime_env() -> dict[str, Any]:
    """What a job is sent: this checkout's code, and which commit it is. Raises ValueError when this is no checkout."""
    return packed().runtime_env


def follow(file: Path, name: str) -> bool:
    """Print what a job says until it ends, however often the connection drops; whether it ended well.

    Raises:
        ValueError: the token is refused.
        ConnectionError: there was no connection for PATIENCE seconds.
    """
    printed, last = 0, time.monotonic()
    while True:
        try:
            with _jobs(file) as jobs:
                while True:
                    status = jobs.get_job_status(name)
                    log = jobs.get_job_logs(name)
                    print(log[printed:], end="", flush=True)
                    printed, last = len(log), time.monotonic()
                    if status.is_terminal():
                        return bool(status == "SUCCEEDED")
                    time.sleep(POLL_SECONDS)
        except (OSError, RuntimeError) as error:  # RuntimeError: Ray's, for an answer cut short
            if time.monotonic() - last > PATIENCE:
                raise ConnectionError(f"no connection for {PATIENCE:.0f} s; job {name} goes on ({error})") from None
            print(f"connection lost; job {name} goes on; trying again", flush=True)
            time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def _jobs(file: Path) -> Iterator[Any]:
    """Ray's job API on the head, through a tunnel from this machine's loopback."""
    if problem := token_problem():
        raise ValueError(problem)
    os.environ["RAY_AUTH_MODE"] = "token"
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    for part in ("_private.runtime_env", "dashboard.modules.dashboard_sdk"):  # what is sent, and what .gitignore keeps
        logging.getLogger(f"ray.{part}").setLevel(logging.ERROR)
    with _tunnel(file) as port:
        try:
            yield JobSubmissionClient(f"http://127.0.0.1:{port}")
        except AuthenticationError:
            raise ValueError("the cluster refuses this token: it was started with another one") from None


@contextlib.contextmanager
def _tunnel(file: Path) -> Iterator[int]:
    """A port of this machine's loopback that is the head's dashboard."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [ray_program(), "dashboard", str(file), "--port", str(port)]
    with tempfile.TemporaryFile("w+") as said:
        ssh = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True)
        try:
            _wait(port, ssh, said)
            yield port
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(ssh.pid, signal.SIGTERM)
            ssh.wait()


def _wait(port: int, ssh: subprocess.Popen[bytes], said: IO[str]) -> None:
    """Wait until the tunnel stands. Raises ConnectionError with the last line of what was said when it does not."""
    deadline = time.monotonic() + _TUNNEL_SECONDS
    while ssh.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.2)
    said.seek(0)
    lines = [line.strip() for line in said if line.strip()]
    raise ConnectionError(f"no tunnel to the head: {lines[-1] if lines else 'ssh said nothing'}")
