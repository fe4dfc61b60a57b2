"""`ray up cluster/on_prem.yaml` on two machines from a third: a sweep goes there and comes home, nobody else does."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.hosts import SSH, SWEEP, Host
from tests.cluster.on_prem import Cluster, disturb, up
from tests.progress import HOWEVER_LONG
from tests.tune.smoke import records

pytestmark = [pytest.mark.slow, pytest.mark.timeout(HOWEVER_LONG)]


@pytest.fixture(scope="module")
def cluster(lab: list[Host]) -> Iterator[Cluster]:
    with up(*lab) as cluster:
        yield cluster


def test_the_token_lies_on_each_machine_for_its_owner_alone(cluster: Cluster) -> None:
    token = cluster.laptop.run("cat ~/.ray/auth_token").stdout
    for host in (cluster.head, cluster.worker):
        assert host.run("stat --format %a ~/.ray ~/.ray/auth_token").stdout.split() == ["700", "600"]
        assert host.run("cat ~/.ray/auth_token").stdout == token != ""
        leaks = "grep --recursive --files-with-matches --file ~/.ray/auth_token /tmp/ray /proc/[0-9]*/cmdline"
        assert host.run(leaks).stdout == ""


def test_the_dashboard_is_reached_through_ssh_alone_and_with_the_token_alone(cluster: Cluster) -> None:
    ask = "curl --silent --max-time 5 --output /dev/null --write-out '%{http_code}'"
    assert cluster.laptop.run(f"{ask} http://{cluster.head.address}:8265/api/jobs/").stdout == "000"
    tunnel = cluster.laptop.command(f"exec ssh {SSH} -N -L 127.0.0.1:8265:127.0.0.1:8265 root@{cluster.head.address}")
    with subprocess.Popen(tunnel) as ssh:
        there = f"{ask} http://127.0.0.1:8265/api/jobs/"
        assert cluster.laptop.run(f"until ss -ltn | grep -q :8265; do sleep 0.1; done; {there}").stdout == "401"
        assert cluster.laptop.run(f"{there} -H 'Authorization: Bearer {'0' * 64}'").stdout in ("401", "403")
        submit = "ray job submit --address http://127.0.0.1:8265 -- touch /tmp/intruder"
        refused = cluster.laptop.run(f"cd /tmp; RAY_AUTH_MODE=disabled {submit}")
        assert refused.returncode != 0
        assert "Missing authentication token" in refused.stderr
        trusted = cluster.laptop.run(f"cd /tmp; RAY_AUTH_MODE=token {submit.replace('intruder', 'friend')}")
        assert trusted.returncode == 0, trusted.stderr
        ssh.terminate()
    assert cluster.head.run("ls /tmp/intruder /tmp/friend").stdout == "/tmp/friend\n"


def test_without_the_token_nobody_joins(cluster: Cluster) -> None:
    join = f"cd /tmp; RAY_AUTH_MODE=disabled timeout 30 ray status --address {cluster.head.address}:6379"
    refused = cluster.laptop.run(join)
    assert refused.returncode != 0
    assert "node" not in refused.stdout
    other = cluster.laptop.run("mkdir -p /tmp/other && echo 0 > /tmp/other/token && chmod 600 /tmp/other/token")
    assert other.returncode == 0
    said = cluster.laptop.run(f"RAY_AUTH_TOKEN_PATH=/tmp/other/token fsm-icl cluster submit {cluster.file} spectrum")
    assert said.returncode == 2
    assert "the cluster refuses this token" in said.stderr


def test_a_folder_that_only_the_head_has_stops_the_sweep_and_says_who_saw_what(cluster: Cluster) -> None:
    file = cluster.overlay("private", "/tmp/private")  # each machine has a /tmp of its own
    done = cluster.laptop.run(f"fsm-icl cluster submit {file} {SWEEP} --wandb disabled")
    assert done.returncode == 1, done.stdout + done.stderr
    folder = "/tmp/private/spectrum-smoke"
    said = f"{cluster.worker.name} does not see {folder}, which the driver on {cluster.head.name} does"
    assert said in " ".join(done.stdout.split())
    assert cluster.worker.run("ls /tmp/private").returncode != 0


CAPACITY_WITHOUT_WORKER = """
import time
from fsm_icl.tune.resources.capacity import of_cluster
from fsm_icl.tune.session import nodes
while len(nodes('auto')) > 1: time.sleep(0.5)
print(of_cluster('auto'))
"""


@dataclass
class Swept:
    broken_off: set[str]
    """Hashes of the trials that had a checkpoint when the worker lost power."""
    at: float
    """Unix seconds of that."""
    folder: Path
    """Where the laptop has it."""


@pytest.fixture(scope="module")
def swept(cluster: Cluster) -> Swept:
    """A sweep in which the connection drops and the worker loses power, brought home. Then the power is back."""
    log = cluster.laptop.home / "said"
    command = f"fsm-icl cluster submit {cluster.file} {SWEEP} > ~/said 2>&1"
    with subprocess.Popen(cluster.laptop.command(command)) as submit:
        broken_off, at = disturb(cluster, submit, log)
        assert cluster.on_head(CAPACITY_WITHOUT_WORKER) == "Capacity(cpus=2, gpus=0)"
    said = log.read_text()
    assert submit.returncode == 0, said
    assert said.startswith("job fsm-icl-")
    assert [line for line in said.splitlines() if "gru-d8-L1" in line]
    cluster.worker.power_on()
    home = cluster.laptop.run(f"fsm-icl cluster fetch {cluster.file} --results ~/results")
    assert home.returncode == 0, home.stderr
    return Swept(broken_off, at, cluster.laptop.home / "results" / "spectrum-smoke")


def test_a_sweep_survives_a_dropped_connection_and_a_machine_that_loses_power(cluster: Cluster, swept: Swept) -> None:
    found = [json.loads(path.read_text()) for path in (swept.folder / "records").glob("*.json")]
    assert {record["commit"] for record in found} == {cluster.laptop.run("git rev-parse HEAD").stdout.strip()}
    ends = {record["hash"]: record["end"] for record in found}
    assert {ends[trial]["node"] for trial in swept.broken_off} == {cluster.head.name}
    assert all(ends[trial]["started_at"] < swept.at for trial in swept.broken_off)  # so from its checkpoint
    sweep = f"fsm-icl tune {SWEEP} --wandb disabled --results ~/undisturbed"
    done = cluster.laptop.run(sweep)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(found) == 4
    assert records(swept.folder.parent) == records(cluster.laptop.home / "undisturbed")


def test_what_came_home_can_be_analysed_and_is_not_overwritten(cluster: Cluster, swept: Swept) -> None:
    assert not (swept.folder / "trials").exists()
    analysed = cluster.laptop.run("cd ~; python -m analysis spectrum --scale smoke")
    assert analysed.returncode == 0, analysed.stderr
    shared = cluster.laptop.root / "shared" / "results"
    over_ssh = cluster.overlay("shared", str(shared))
    for command in (f"{cluster.file} --results {shared} --trials", f"{over_ssh} --results ~/again"):
        done = cluster.laptop.run(f"fsm-icl cluster fetch {command}")
        assert done.returncode == 0, done.stderr
    assert len(list(shared.glob("*/trials/*/weights.pt"))) == 2
    assert records(cluster.laptop.home / "again") == records(swept.folder.parent)
    assert not (cluster.laptop.home / "again" / "spectrum-smoke" / "trials").exists()
    (swept.folder / "id").write_text("ffffffff")
    refused = cluster.laptop.run(f"fsm-icl cluster fetch {cluster.file} --results ~/results")
    assert refused.returncode == 2
    assert "holds another sweep of this name" in refused.stderr


@pytest.mark.usefixtures("swept")
def test_a_machine_that_is_back_joins_again(cluster: Cluster) -> None:
    cluster.wait_for_both()
