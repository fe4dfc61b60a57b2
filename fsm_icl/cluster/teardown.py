"""The end of a cluster: `ray down`, and on machines of one's own a visit to each of them."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fsm_icl.cluster.cluster_file import ray_program, read_cluster_file
from fsm_icl.cluster.ssh import Host

_AT_ONCE = 16
_STOP = f"bash --login -i -c {shlex.quote('source ~/.bashrc; ray stop --force')}"
"""In such a shell as Ray starts itself in: elsewhere ~/.bashrc, which says where Ray is, ends early or isn't read.

By force, since a worker whose head is gone would take 11 s to say goodbye to it.
"""


def ray_up(file: Path, name: str | None) -> bool:
    """Run `ray up` on the file, and say whether it ended well. Raises ValueError as `ray_down`."""
    if shutil.which("rsync") is None:
        print("beware: rsync is not installed on this machine, and `ray up` copies files with it", file=sys.stderr)
    return _ray("up", file, name)


def ray_down(file: Path, name: str | None = None) -> bool:
    """Run `ray down` on the file, and say whether it ended well.

    Raises:
        ValueError: it is no file of `ray up`, or in a cloud that of a cluster with another name.
    """
    return _ray("down", file, name)


def _ray(what: str, file: Path, name: str | None) -> bool:
    config = read_cluster_file(file)
    if not isinstance(config.get("provider"), dict):
        raise ValueError(f"{file}: `ray up` starts no such cluster (the file has no provider)")
    stated = config.get("cluster_name")
    if name not in (None, stated) and config["provider"].get("type") == "aws":  # roles go by the name, too
        raise ValueError(f"{file}: is that of cluster {stated}; `fsm-icl cluster render --name {name}` makes {name}'s")
    named = [] if name is None else ["--cluster-name", name]
    return subprocess.run([ray_program(), what, "--yes", str(file), *named]).returncode == 0


def stop_each(file: Path) -> Iterator[tuple[str, str | None]]:
    """Stop Ray on each machine of one's own; yields its user@address and what went wrong there, None if nothing.

    `ray down` stops the head alone, and ends well also where it was not reached: workers would be left with a raylet
    for a minute, and with what reads its logs for ever. In a cloud the machines are gone, and nothing is visited.

    Raises:
        ValueError: the file does not say where they are, or who may log in.
    """
    config = read_cluster_file(file)
    provider = config["provider"]
    if provider.get("type") != "local":
        return
    if not provider.get("head_ip"):
        raise ValueError(f"{file}: provider.head_ip is missing")
    machines = [Host(config, address) for address in (provider["head_ip"], *(provider.get("worker_ips") or []))]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from zip((machine.name for machine in machines), pool.map(_stopped, machines), strict=True)


def _stopped(machine: Host) -> str | None:
    """Stop Ray there; what went wrong, in a line."""
    done = subprocess.run(machine.command(_STOP), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if not done.returncode:
        return None
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {done.returncode}"
