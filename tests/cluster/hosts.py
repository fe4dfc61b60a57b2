"""Machines that are reached over SSH, each in namespaces of its own: real enough for `ray up`, gone with the test.

A host is a network namespace, on a bridge that leads nowhere else, and in it a tree of processes with their own mounts,
process ids, host name, home, /tmp, /run and /dev/shm. It sees the checkout, the interpreter and the folder of all hosts
under the usual paths. Losing power is one SIGKILL; losing the network is a link that goes down. Nothing of it can be
reached from the machine's own network. Needs root, iproute2, openssh-server and rsync.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.progress import HOWEVER_LONG

CHECKOUT = Path(__file__).parents[2]
INIT = Path(__file__).with_name("host_init.sh")
SWEEP = (
    "spectrum --scale smoke --set 'grid={arch: gru, d_model: 8}' --set 'hypotheses=[]' --set search.num_trials=2 "
    "--set measure.num_seeds=2 --set budget.steps=400 --set budget.report_every=40"
)
"""A sweep of 4 trials, 2 at a time, each of a few seconds."""
ONE_CORE = {"RAY_OVERRIDE_RESOURCES": '{"CPU": 1}'}
"""Makes Ray give a host one trial at a time, since all hosts share this machine's cores."""
SSH = "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR -o ConnectTimeout=5"


def why_not() -> str | None:
    """Why hosts can't be made here; None if they can."""
    missing = [tool for tool in ("ip", "nsenter", "rsync", "ssh", "unshare") if shutil.which(tool) is None]
    if missing or not Path("/usr/sbin/sshd").is_file():
        return f"not installed: {', '.join(missing) or 'sshd'}"
    made = subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "true"], capture_output=True, text=True)
    return f"no namespaces here: {made.stderr.strip()}" if made.returncode else None


def sh(*command: str | Path) -> None:
    """Run it. Raises AssertionError with what it said when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=HOWEVER_LONG)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


@dataclass
class Host:
    """One machine."""

    lab: str
    """Network namespace with the bridge that all hosts hang on."""
    number: int
    root: Path
    """Folder with the files of all hosts: `NAME/` is this one's, `shared/` is seen by each of them."""
    init: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    environment: dict[str, str] = field(default_factory=dict)
    """What commands at its keyboard have in their environment beside the usual."""

    @property
    def name(self) -> str:
        """Its name."""
        return f"host{self.number}"

    @property
    def address(self) -> str:
        """Its IPv4 address."""
        return f"10.99.0.{self.number + 10}"

    @property
    def home(self) -> Path:
        """Its home folder, as seen from outside."""
        return self.root / self.name / "home"

    def wire(self) -> None:
        """Make its network namespace, with one link to the bridge."""
        space = f"{self.lab}-{self.number}"
        sh("ip", "netns", "add", space)
        sh("ip", "-n", self.lab, "link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", space)
        sh("ip", "-n", self.lab, "link", "set", self.name, "master", "bridge", "up")
        sh("ip", "-n", space, "address", "add", f"{self.address}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            sh("ip", "-n", space, "link", "set", link, "up")

    def power_on(self) -> None:
        """Boot it. Its home is what it was; /tmp, /run and /dev/shm are empty."""
        self.home.mkdir(parents=True, exist_ok=True)
        spaces = ("--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child")
        command = ["ip", "netns", "exec", f"{self.lab}-{self.number}", "unshare", *spaces, "bash", str(INIT)]
        with (self.root / self.name / "log").open("ab") as log:
            self.init = subprocess.Popen(
                [*command, str(self.root), self.name], stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 15
        while self.init.poll() is None and not (self.root / self.name / "booted").exists():
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)
        assert self.init.poll() is None, self.log

    @property
    def log(self) -> str:
        """What its init and its sshd said."""
        return (self.root / self.name / "log").read_text()

    def power_off(self) -> None:
        """As if the plug were pulled: all its processes are gone at once."""
        if self.init is not None:
            os.killpg(self.init.pid, signal.SIGKILL)
            self.init.wait(timeout=HOWEVER_LONG)
            self.init = None
        (self.root / self.name / "booted").unlink(missing_ok=True)

    def hold(self, let_go: bool = False) -> None:
        """Stop the trials that run on it, or let them go on."""
        self.run(f"pkill -{'CONT' if let_go else 'STOP'} ray::TrialTrain")

    def unplug(self, back: bool = False) -> None:
        """Cut its network, or bring it back."""
        sh("ip", "-n", self.lab, "link", "set", self.name, "up" if back else "down")

    def command(self, command: str) -> list[str]:
        """What runs a shell command on it, as somebody at its keyboard; give it to subprocess."""
        assert self.init is not None, f"{self.name} is off"
        (inside,) = Path(f"/proc/{self.init.pid}/task/{self.init.pid}/children").read_text().split()
        path = f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        usual = {"HOME": "/root", "LANG": "C.UTF-8", "PATH": path, "RAY_USAGE_STATS_ENABLED": "0", "TERM": "dumb"}
        environment = (f"{name}={value}" for name, value in (usual | self.environment).items())
        enter = ("nsenter", "--target", inside, "--mount", "--pid", "--uts", "--ipc", "--net", f"--wd={CHECKOUT}")
        return [*enter, "env", "--ignore-environment", *environment, "bash", "-c", command]

    def run(self, command: str, timeout: float = HOWEVER_LONG) -> subprocess.CompletedProcess[str]:
        """Run a shell command on it, to its end."""
        return subprocess.run(self.command(command), capture_output=True, text=True, timeout=timeout)


@contextlib.contextmanager
def hosts(count: int, root: Path) -> Iterator[list[Host]]:
    """So many hosts that see each other and nothing else, each with the key that lets it into the others."""
    lab = f"fsm{os.getpid()}"
    machines = [Host(lab, number, root) for number in range(count)]
    (root / "shared").mkdir(parents=True)
    sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", root / "key")
    names = "".join(f"{host.address} {host.name}\n" for host in machines)
    (root / "etc_hosts").write_text(f"127.0.0.1 localhost\n{names}")
    (root / "visible").write_text(
        "".join(f"{p}\n" for p in dict.fromkeys((root, CHECKOUT, sys.prefix, sys.base_prefix)))
    )
    sh("ip", "netns", "add", lab)
    try:
        sh("ip", "-n", lab, "link", "add", "bridge", "type", "bridge")
        sh("ip", "-n", lab, "link", "set", "bridge", "up")
        for host in machines:
            host.wire()
            host.power_on()
        yield machines
    finally:
        for host in machines:
            host.power_off()
            subprocess.run(["ip", "netns", "delete", f"{lab}-{host.number}"], capture_output=True)
        sh("ip", "netns", "delete", lab)
