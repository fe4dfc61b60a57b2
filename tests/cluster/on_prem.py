"""A cluster as `ray up cluster/on_prem.yaml` makes it, of simulated hosts: a head and a worker, seen from a laptop.

The file is that of cluster/, but for addresses and for what is installed. Its results lie in an S3 on the laptop.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml

from fsm_icl.cluster.cluster_file import ROOT, filled
from tests import s3
from tests.cluster.hosts import ONE_CORE, Host
from tests.progress import PATIENCE

T = TypeVar("T")


@dataclass
class Cluster:
    laptop: Host
    head: Host
    worker: Host

    def __post_init__(self) -> None:
        self.endpoint = f"http://{self.laptop.address}:5000"
        """Of the laptop's S3."""
        self.file = self.overlay("s3", f"s3://{s3.BUCKET}/results")

    def overlay(self, name: str, results: str) -> Path:
        """A cluster file that says that its results lie there."""
        values = {"HEAD_IP": self.head.address, "WORKER_IP": self.worker.address, "USER": "root"}
        text = (ROOT / "cluster" / "on_prem.yaml").read_text()
        config = yaml.safe_load(filled(text, values | {"SHARED_FOLDER": results}))
        (install,) = (i for i, command in enumerate(config["setup_commands"]) if "setup.sh" in command)
        words = " ".join(f"{word}='{value}'" for word, value in (ONE_CORE | s3.environment(self.endpoint)).items())
        export = f"export PATH={Path(sys.executable).parent}:$PATH {words}"
        config["setup_commands"][install] = f"echo {shlex.quote(export)} >> ~/.bashrc"
        path = self.laptop.root / f"{name}.yaml"
        path.write_text(yaml.safe_dump(config))
        return path

    def on_head(self, code: str) -> str:
        """What a line of Python says on the head."""
        done = self.head.run(f'cd {ROOT}; RAY_AUTH_MODE=token python -W ignore -c "{code}"')
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def wait_for_both(self) -> None:
        """Wait until head and worker are there: `ray up` says that all is well even where a worker never starts."""
        deadline = time.monotonic() + PATIENCE
        while self.on_head("from fsm_icl.tune.session import nodes; print(len(nodes('auto')))") != "2":
            assert time.monotonic() < deadline, self.head.run("cat /tmp/ray/session_latest/logs/monitor*").stdout
            time.sleep(1)

    def processes(self, host: Host) -> str:
        """What runs of Ray on a machine, a line each."""
        return host.run("pgrep --full --list-full 'raylet|gcs_server|log_monitor|[Dd]ashboard|[Aa]gent|ray::'").stdout

    def interrupted(self) -> set[str]:
        """Hashes of the trials that would go on from a checkpoint if the worker went away now."""
        there = self.worker.run("ls /tmp").stdout
        saved = self.laptop.run(f"curl --silent --fail '{self.endpoint}/{s3.BUCKET}?list-type=2'").stdout
        running = set(re.findall(r"fsm-(\w+)-stack\.txt", there))
        return running & set(re.findall(r"trials/(\w+)/checkpoint\.pt<", saved))


@contextlib.contextmanager
def up(laptop: Host, head: Host, worker: Host) -> Iterator[Cluster]:
    """A cluster that runs; it is taken down at the end, and nothing of it may be left."""
    cluster = Cluster(laptop, head, worker)
    serve_s3(laptop, cluster.endpoint)
    assert laptop.run("fsm-icl cluster token").returncode == 0
    done = laptop.run(f"ray up --yes {cluster.file}")
    assert done.returncode == 0, done.stdout + done.stderr
    cluster.wait_for_both()
    yield cluster
    assert all(cluster.processes(host) for host in (head, worker))
    done = laptop.run(f"fsm-icl cluster down {cluster.file}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [cluster.processes(host) for host in (head, worker)] == ["", ""]


def serve_s3(host: Host, endpoint: str) -> None:
    """Start an S3 with one bucket; it ends with the host."""
    address, _, port = endpoint.removeprefix("http://").partition(":")
    host.environment |= s3.environment(endpoint)
    started = host.run(f"moto_server --host {address} --port {port} >~/s3.log 2>&1 &")
    assert started.returncode == 0, started.stderr
    wait = "--retry 20 --retry-delay 1 --retry-connrefused"
    made = host.run(f"curl --silent --show-error --fail {wait} -X PUT {endpoint}/{s3.BUCKET}")
    assert made.returncode == 0, made.stderr + (host.home / "s3.log").read_text()


def disturb(cluster: Cluster, submit: subprocess.Popen[bytes], log: Path) -> tuple[set[str], float]:
    """Take the worker's power and then the connection, in mid-sweep: what that broke off, and when."""

    def wait_for(seen: Callable[[], T]) -> T:
        while not (found := seen()):
            assert submit.poll() is None, log.read_text()
            cluster.head.hold()  # it would do all trials before the worker has begun
            time.sleep(0.1)
        return found

    try:
        broken_off = wait_for(cluster.interrupted)
        cluster.worker.power_off()
        at = time.time()
        wait_for(lambda: "at once" in log.read_text())  # the job says so: it is followed
        cluster.laptop.run("pkill -x ssh")  # the laptop's own processes alone: it has a namespace for them
        wait_for(lambda: "connection lost" in log.read_text())
        return broken_off, at
    finally:
        cluster.head.hold(let_go=True)
