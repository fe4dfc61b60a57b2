"""The simulated hosts are hosts: reached over SSH, with things of their own, and gone when their power is cut."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cluster.hosts import SSH, Host

pytestmark = pytest.mark.slow


def over_ssh(laptop: Host, host: Host, command: str) -> subprocess.CompletedProcess[str]:
    return laptop.run(f"ssh {SSH} root@{host.address} '{command}'")


def test_each_is_reached_over_ssh_and_has_things_of_its_own(lab: list[Host]) -> None:
    laptop, *others = lab
    for host in others:
        done = over_ssh(laptop, host, "hostname; touch /tmp/mine ~/mine; ls -d /tmp/mi* ~/mi*; ps -e | wc -l; id -u")
        assert done.returncode == 0, done.stderr + host.log
        name, home, tmp, processes, user = done.stdout.split()
        assert (name, home, tmp, user) == (host.name, "/root/mine", "/tmp/mine", "0")
        assert int(processes) < 15
        assert (host.home / "mine").is_file()
        assert not Path("/tmp/mine").exists()


def test_without_the_key_nobody_gets_in(lab: list[Host]) -> None:
    laptop, head, _ = lab
    done = laptop.run(f"ssh {SSH} -o IdentityFile=none -o IdentitiesOnly=yes -o BatchMode=yes root@{head.address} true")
    assert done.returncode == 255
    assert "Permission denied (publickey)" in done.stderr


def test_they_see_the_checkout_and_the_shared_folder_but_not_the_world(lab: list[Host]) -> None:
    laptop, head, worker = lab
    assert over_ssh(laptop, head, f"touch {head.root}/shared/here").returncode == 0
    assert over_ssh(laptop, worker, f"ls {head.root}/shared").stdout == "here\n"
    assert laptop.run("python -c 'import fsm_icl; print(fsm_icl.__file__)'").stdout.endswith("fsm_icl/__init__.py\n")
    assert laptop.run("python -c 'import socket; socket.create_connection((\"192.0.2.1\", 80), 2)'").returncode == 1


def test_the_machine_itself_has_no_way_to_them(lab: list[Host]) -> None:
    own = subprocess.run(["ip", "-oneline", "address"], capture_output=True, text=True, check=True).stdout
    assert "inet 127.0.0.1/8" in own
    assert lab[0].address.rpartition(".")[0] not in own


def test_power_and_network_come_and_go(lab: list[Host]) -> None:
    laptop, _, worker = lab
    assert over_ssh(laptop, worker, "echo kept > ~/disk; sleep 1000 >/dev/null 2>&1 & echo $!").returncode == 0
    worker.unplug()
    assert over_ssh(laptop, worker, "true").returncode == 255
    worker.unplug(back=True)
    assert over_ssh(laptop, worker, "pgrep -x sleep | wc -l").stdout == "2\n"
    worker.power_off()
    assert over_ssh(laptop, worker, "true").returncode == 255
    worker.power_on()
    assert over_ssh(laptop, worker, "cat ~/disk; ls /tmp/mine; pgrep -x sleep | wc -l").stdout == "kept\n1\n"
