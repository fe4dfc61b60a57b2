"""`ray up cluster/on_prem.yaml` on two machines from a third: a sweep goes there and comes home, nobody else gets in.

The file is that of cluster/, but for addresses and for what is installed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from fsm_icl.cluster.files import ROOT, filled
from tests.cluster.hosts import LONG_ENOUGH, SSH, Host

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass
class Cluster:
    laptop: Host
    head: Host
    worker: Host
    file: Path

    def nodes(self) -> int:
        """How many machines Ray says are alive; not `ray status`, which lags."""
        code = "import ray; ray.init(address='auto', log_to_driver=False); print(sum(n['Alive'] for n in ray.nodes()))"
        said = self.head.run(f'RAY_AUTH_MODE=token python -W ignore -c "{code}"').stdout.split()
        return int(said[-1]) if said else 0

    def processes(self, host: Host) -> str:
        """What runs of Ray on a machine, a line each."""
        return host.run("pgrep --full --list-full 'raylet|gcs_server|log_monitor|[Dd]ashboard|[Aa]gent|ray::'").stdout


def overlay(head: Host, worker: Host) -> Path:
    values = {"HEAD_IP": head.address, "WORKER_IP": worker.address, "USER": "root"}
    text = (ROOT / "cluster" / "on_prem.yaml").read_text()
    config = yaml.safe_load(filled(text, values | {"SHARED_FOLDER": f"{head.root}/shared/results"}))
    (install,) = (i for i, command in enumerate(config["setup_commands"]) if "setup.sh" in command)
    config["setup_commands"][install] = f"echo 'export PATH={Path(sys.executable).parent}:$PATH' >> ~/.bashrc"
    path = head.root / "on_prem.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="module")
def cluster(lab: list[Host]) -> Iterator[Cluster]:
    laptop, head, worker = lab
    up = Cluster(laptop, head, worker, overlay(head, worker))
    assert laptop.run("fsm-icl cluster token").returncode == 0
    done = laptop.run(f"ray up --yes {up.file}", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    deadline = time.monotonic() + 90
    while up.nodes() < 2:  # `ray up` says that all is well even where a worker never starts
        assert time.monotonic() < deadline, head.run("cat /tmp/ray/session_latest/logs/monitor*").stdout
        time.sleep(1)
    yield up
    assert all(up.processes(host) for host in (head, worker))
    done = laptop.run(f"fsm-icl cluster down {up.file}", timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [up.processes(host) for host in (head, worker)] == ["", ""]


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


def test_a_sweep_survives_a_dropped_connection_and_comes_home(cluster: Cluster) -> None:
    command = cluster.laptop.command(f"fsm-icl cluster submit {cluster.file} spectrum {LONG_ENOUGH} 2>&1")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as submit:
        assert submit.stdout is not None
        said = [submit.stdout.readline()]
        assert said[0].startswith("job fsm-icl-"), said + submit.stdout.readlines()
        cluster.laptop.run("sleep 3; pkill -x ssh")  # the laptop's own processes alone: it has a namespace for them
        said += submit.stdout.readlines()
    assert submit.returncode == 0, said
    assert any("connection lost" in line for line in said)
    assert [line for line in said if "gru-d8-L1" in line]
    home = cluster.laptop.run(f"fsm-icl cluster fetch {cluster.file} --results ~/results")
    assert home.returncode == 0, home.stderr
    folder = cluster.laptop.home / "results" / "spectrum-smoke"
    records = [json.loads(path.read_text()) for path in (folder / "records").glob("*.json")]
    assert len(records) == 7
    assert {record["end"]["node"] for record in records} == {cluster.head.name, cluster.worker.name}
    assert not (folder / "trials").exists()
    analysed = cluster.laptop.run("cd ~; python -m analysis spectrum --scale smoke")
    assert analysed.returncode == 0, analysed.stderr
    (folder / "id").write_text("ffffffff")
    refused = cluster.laptop.run(f"fsm-icl cluster fetch {cluster.file} --results ~/results")
    assert refused.returncode == 2
    assert "holds another sweep of this name" in refused.stderr
