"""cluster/slurm.sh with a stand-in for Slurm's own commands: the script, `ray symmetric-run` and the sweep are real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.hosts import CHECKOUT, ONE_CORE, SSH, SWEEP, Host
from tests.progress import HOWEVER_LONG, PATIENCE

SCRIPT = CHECKOUT / "cluster" / "slurm.sh"
SCONTROL = """#!/bin/bash
[ "$1 $2" = "show hostnames" ] && tr , '\\n' <<< "$3" || echo "$@" >> "$STAND_IN/said"
"""


def stand_in(folder: Path, srun: str) -> Path:
    """A folder for PATH with scontrol and srun."""
    folder.mkdir(parents=True)
    for name, text in (("scontrol", SCONTROL), ("srun", f"#!/bin/bash\n{srun}\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def prepared(folder: Path, srun: str) -> dict[str, str]:
    """The environment of a job on two nodes, with stand-ins for Slurm's commands in it."""
    bin_ = stand_in(folder / "bin", srun)
    (bin_ / "getent").write_text("#!/bin/bash\necho '127.0.1.1 STREAM'; echo '192.0.2.7 STREAM'\n")
    (bin_ / "getent").chmod(0o755)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "activate").touch()
    path = f"{bin_}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    slurm = {"SLURM_SUBMIT_DIR": str(folder), "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "node1,node2"}
    here = {"PATH": path, "STAND_IN": str(folder), "RAY_AUTH_TOKEN_PATH": str(folder / "token")}
    return os.environ | slurm | here | {"SLURM_JOB_NUM_NODES": "2"}


@pytest.mark.parametrize(("gpus", "said"), [("4", "--disable-usage-stats --num-gpus=4 -- python"), (None, "stats -- ")])
def test_it_gives_away_the_gpus_that_slurm_gave_and_leaves_no_scratch(
    tmp_path: Path, gpus: str | None, said: str
) -> None:
    environment = prepared(tmp_path, 'echo "$*" >> "$STAND_IN/srun"')
    environment |= {} if gpus is None else {"SLURM_GPUS_ON_NODE": gpus}
    done = subprocess.run(
        ["bash", str(SCRIPT), "spectrum", "--scale", "smoke"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    first, ran, last = (tmp_path / "srun").read_text().splitlines()
    assert first.endswith("mkdir -p /tmp/fsm-7")
    assert said in ran
    assert ran.endswith("fsm_icl.tune spectrum --scale smoke --address auto")
    assert last == "--overlap --kill-on-bad-exit=0 rm -rf /tmp/fsm-7"


def test_at_the_time_limit_it_goes_back_into_the_queue(tmp_path: Path) -> None:
    srun = '[ "$1" = ray ] && { touch "$STAND_IN/running"; exec sleep 300; } || true'
    environment = prepared(tmp_path, srun)
    with subprocess.Popen(["bash", str(SCRIPT)], env=environment, start_new_session=True) as job:
        try:
            deadline = time.monotonic() + PATIENCE
            while not (tmp_path / "running").exists():
                assert job.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            job.send_signal(signal.SIGUSR1)
            job.wait(timeout=PATIENCE)
        finally:
            os.killpg(job.pid, signal.SIGKILL)
    assert (tmp_path / "said").read_text() == "requeue 7\n"


@pytest.mark.slow
@pytest.mark.timeout(HOWEVER_LONG)
def test_a_sweep_runs_on_all_nodes_with_a_token(lab: list[Host]) -> None:
    _, head, worker = lab
    everywhere = f"""
while [[ $1 == -* ]]; do shift; done
export -p > "$STAND_IN/env"
for host in {head.name} {worker.name}; do
  ssh {SSH} root@$host "source $STAND_IN/env; cd $PWD; $(printf '%q ' "$@")" & tasks+=($!)
done
for task in "${{tasks[@]}}"; do wait $task || code=$?; done
exit ${{code:-0}}"""
    folder = head.root / "shared" / "slurm"
    bin_ = stand_in(folder / "bin", everywhere)
    slurm = f"SLURM_SUBMIT_DIR={CHECKOUT} SLURM_JOB_ID=7 SLURM_JOB_NODELIST={head.name},{worker.name}"
    here = f"PATH={bin_}:$PATH STAND_IN={folder} RAY_AUTH_TOKEN_PATH={folder}/token SLURM_JOB_NUM_NODES=2"
    head.environment |= ONE_CORE
    command = head.command(f"env {slurm} {here} bash {SCRIPT} {SWEEP} --results {folder}/results 2>&1")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout is not None
        while not records_in(folder):
            assert job.poll() is None, job.stdout.read()
            head.hold()  # it would do them all before the worker has begun
            time.sleep(0.1)
        head.hold(let_go=True)
        said = job.stdout.read()
    assert job.returncode == 0, said
    records = records_in(folder)
    assert len(records) == 4
    assert {record["end"]["node"] for record in records} == {head.name, worker.name}
    assert (folder / "token").read_text() not in said


def records_in(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in folder.glob("results/spectrum-smoke/records/*.json")]
