"""A cluster of several machines with GPUs that are made up, one of which is lost in the middle of a sweep.

The machines are Ray's own `Cluster`: real raylets, all on this one and on loopback. torch sees no GPU, so trials run on
the CPU; how many share a GPU is reckoned from the memory of their processes.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from ray._private import services
from ray.cluster_utils import Cluster

from fsm_icl.results.reading import read_records
from fsm_icl.results.records import Report
from fsm_icl.tune.job import Job
from fsm_icl.tune.trainable import TrialTrainable
from tests.progress import HOWEVER_LONG, outcome, run, wait_until
from tests.tune.leaks import ONE_TRIAL, SECRETS, Leaks
from tests.tune.smoke import QUIET, command, records

pytestmark = [pytest.mark.ray, pytest.mark.timeout(HOWEVER_LONG)]

NODE = {"num_cpus": 2, "num_gpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 2**27}
LOSSES_SEEN_SOON = {
    "health_check_initial_delay_ms": 500,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 20_000,  # of a machine that answers late; one that is gone refuses at once
    "health_check_failure_threshold": 3,
}
SWEEP = ("grid={arch: gru, d_model: 8}", "hypotheses=[]", "search.num_trials=2", "measure.num_seeds=2")
LONG_ENOUGH = ("budget.steps=400", "budget.report_every=20")
SETTINGS = [*QUIET, *(word for setting in (*SWEEP, *LONG_ENOUGH) for word in ("--set", setting))]
DRIVER = """
import runpy
from fsm_icl.tune import run, session, waiting
from ray._private import services
from tests.tune.test_ray_cluster import FullOnce
services.resolve_ip_for_localhost = lambda host: host  # the cluster is on loopback
run.TrialTrainable = FullOnce
waiting.PATIENCE = 2.0
runpy.run_module("fsm_icl.tune", run_name="__main__", alter_sys=True)
"""


class FullOnce(TrialTrainable):
    """The sweep's first trial finds its GPU full, and leaves in `shares` what it had of it each time."""

    def setup(self, config: dict[str, Any]) -> None:
        super().setup(config)
        job = Job.of(config)
        folder = Path(job.folder)
        shares, mark = folder.parent.parent / "shares", folder / "full"
        try:
            shares.touch(exist_ok=False)
            mark.touch()
            self._reports = full()
        except FileExistsError:
            pass
        if mark.exists():
            shares.write_text(f"{shares.read_text()}{job.gpu} ")


def full() -> Iterator[Report]:
    yield from ()
    raise torch.OutOfMemoryError("tried to allocate 2 GiB")


@pytest.fixture
def head_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A head that runs no trials."""
    monkeypatch.setattr(services, "resolve_ip_for_localhost", lambda host: host)  # else it listens on every network
    with tempfile.TemporaryDirectory(prefix="fsm-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)  # or the address of a cluster of the user's is written over
        (Path(folder) / "ray").mkdir()
        made = Cluster()
        head = NODE | {"num_cpus": 0, "num_gpus": 0, "temp_dir": f"{folder}/ray", "include_dashboard": False}
        made.add_node(**head, _system_config=LOSSES_SEEN_SOON)
        yield made
        made.shutdown()


@pytest.fixture
def cluster(head_alone: Cluster) -> Cluster:
    """With two workers."""
    for _ in range(2):
        head_alone.add_node(**NODE)
    return head_alone


def test_no_secret_of_the_driver_travels_to_a_cluster(cluster: Cluster, tmp_path: Path) -> None:
    environment = {**os.environ, **SECRETS}
    typed = [sys.executable, "-c", DRIVER, *command(tmp_path, *ONE_TRIAL, "--address", cluster.address)[3:]]
    leaks = Leaks(Path(os.environ["RAY_TMPDIR"]), tmp_path)
    with subprocess.Popen(
        typed, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as driver:
        leaks.look_until_it_ends(driver)
        said, _ = driver.communicate()
    assert driver.returncode == 0, said
    assert leaks.found == set()
    assert any(name.startswith("runtime_env_agent") for name in leaks.looked_at)


def in_flight(results: Path) -> set[str]:
    """Hashes of trials with a checkpoint and no record."""
    return {path.parent.name for path in results.glob("*/trials/*/checkpoint.pt")} - records(results).keys()


def busy(node: ray._private.node.Node) -> int:
    """Processes of a machine that run trials."""
    import psutil  # comes with ray

    number = 0
    for child in psutil.Process(node.all_processes["raylet"][0].process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # ended meanwhile
            number += "Trainable.train" in "".join(child.cmdline())
    return number


def driver(results: Path, address: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", DRIVER, *command(results, *SETTINGS, "--address", address, *arguments)[3:]]


def test_trials_of_a_lost_machine_go_on_elsewhere(cluster: Cluster, tmp_path: Path) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(driver(tmp_path, cluster.address), **pipes) as running:
        wait_until(  # all that run can go on
            lambda: 0 < len(in_flight(tmp_path)) == sum(map(busy, cluster.worker_nodes)), running, tmp_path
        )
        lost = max(cluster.worker_nodes, key=busy)
        cluster.remove_node(lost, allow_graceful=False)
        killed, interrupted = time.time(), in_flight(tmp_path)
        cluster.add_node(**NODE)
        said, _ = outcome(running, tmp_path)
    assert running.returncode == 0, said
    assert "2 trials share a GPU" in said
    assert "later 2 measure trials; 4 fit (2 GPUs, 4 CPUs)" in " ".join(said.split())
    shares = (tmp_path / "spectrum-smoke" / "shares").read_text().split()
    assert shares[:2] == ["0.5", "1.0"], "out of memory, then with all of a GPU"
    ended = read_records(tmp_path / "spectrum-smoke")
    for trial in interrupted:  # the time at which it began is kept in its checkpoint alone
        assert ended[trial].end.started_at < killed
    alone = run(command(tmp_path / "alone", *SETTINGS), tmp_path / "alone")
    assert alone.returncode == 0, alone.stderr
    assert records(tmp_path) == records(tmp_path / "alone")


def test_a_gpu_that_joins_late_is_waited_for_and_used(head_alone: Cluster, tmp_path: Path) -> None:
    refused = run(driver(tmp_path, head_alone.address, "--max-concurrent", "32"), tmp_path)
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert "no CPU for trials yet" in refused.stderr
    assert not list(tmp_path.iterdir())
    log = tmp_path / "said"
    with log.open("w") as said:
        late = driver(tmp_path, head_alone.address, "--capacity", "2,1")
        with subprocess.Popen(late, stdout=said, stderr=subprocess.STDOUT, text=True) as running:
            wait_until(lambda: log.read_text().count("waiting for a machine (asked") > 1, running, tmp_path)
            waited = " ".join(log.read_text().split())
            assert "looking at how much of a GPU one trial of each cell takes" in waited
            assert "waiting for a machine (asked for 1 GPUs, there: 0; why: " in waited
            head_alone.add_node(**NODE)
            outcome(running, tmp_path)
    assert running.returncode == 0, log.read_text()
    assert len(records(tmp_path)) == 4
    assert "one trial takes" in log.read_text()
    assert "were given a GPU of" in " ".join(log.read_text().split())  # it was made up, and trials ran on the CPU
    shares = (tmp_path / "spectrum-smoke" / "shares").read_text().split()
    assert shares[:2] == ["0.5", "1.0"]
