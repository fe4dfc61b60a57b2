"""Ray on one machine is reached from that machine alone, and by its user alone."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fsm_icl.tune import scratch
from fsm_icl.tune import session as module
from fsm_icl.tune.session import SessionError, check_this_machine, session


@pytest.fixture
def marked() -> Any:
    """A session with a worker."""
    import ray

    with session(None, 1) as folder:
        ray.get(ray.remote(lambda: None).remote())
        yield folder


@pytest.mark.ray
@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("marked")
def test_nothing_listens_beyond_loopback() -> None:
    found = listeners()
    assert {"gcs_server", "raylet"} <= {name for name, _, _ in found}
    assert [where for where in found if not _is_loopback(where[1])] == []


def listeners() -> list[tuple[str, str, int]]:
    """Process name, address and port of whatever listens, of this process and those below it."""
    import psutil  # comes with ray

    me = psutil.Process()
    parts = [me, *me.children(recursive=True)]
    found = [(p.name(), c) for p in parts for c in p.net_connections("inet") if c.status == "LISTEN"]
    return [(name, c.laddr.ip, c.laddr.port) for name, c in found]


def _is_loopback(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback


@pytest.mark.ray
@pytest.mark.timeout(3600)
@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_of_this_machine_is_refused_everywhere(marked: Path) -> None:
    import ray

    (node,) = ray.nodes()
    gcs = int(ray.get_runtime_context().gcs_address.rpartition(":")[2])
    worker = next(port for name, _, port in listeners() if name.startswith("ray::IDLE"))
    calls: dict[str, tuple[int | str, str]] = {
        "GCS": (gcs, "/ray.rpc.InternalKVGcsService/InternalKVGet"),
        "raylet": (node["NodeManagerPort"], "/ray.rpc.NodeManagerService/GetNodeStats"),
        "worker": (worker, "/ray.rpc.CoreWorkerService/GetCoreWorkerStats"),
        "dashboard agent": (node["MetricsAgentPort"], "/ray.rpc.ReporterService/HealthCheck"),
        "runtime env agent": (f"http://127.0.0.1:{node['RuntimeEnvAgentPort']}/get_or_create_runtime_env", ""),
    }
    token = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
    private = [str(token), str(marked.parent)]
    told = subprocess.run(
        [sys.executable, "-m", "tests.tune.intruder", json.dumps(calls), *private],
        input=token.read_text(),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    answers: dict[str, list[str]] = found["answers"]
    assert answers.pop("runtime env agent") == ["401", "403", "answered"]
    assert answers == {part: ["UNAUTHENTICATED", "UNAUTHENTICATED", "answered"] for part in answers}
    assert found["readable"] == dict.fromkeys(private, False)
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert stat.S_IMODE(marked.parent.stat().st_mode) == 0o700


@pytest.mark.ray
@pytest.mark.timeout(3600)
def test_each_run_has_a_token_of_its_own_and_leaves_the_home_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    before = dict(os.environ)
    tokens = set()
    for _ in range(2):
        with session(None, 1):
            tokens.add(Path(os.environ["RAY_AUTH_TOKEN_PATH"]).read_text())
    assert len(tokens) == 2
    assert all(len(token) == 64 for token in tokens)
    assert list(tmp_path.iterdir()) == []
    assert dict(os.environ) == before


@pytest.mark.ray
@pytest.mark.timeout(3600)
def test_a_start_that_times_out_is_tried_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    init, attempts = ray.init, []

    def slow(**options: Any) -> Any:
        attempts.append(options["_temp_dir"])
        if len(attempts) == 1:
            raise Exception("The current node timed out during startup.")
        return init(**options)

    monkeypatch.setattr(ray, "init", slow)
    with session(None, 1):
        assert ray.is_initialized()
    assert len(set(attempts)) == 2


def test_a_start_that_never_succeeds_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(**_: Any) -> None:
        raise Exception("The current node timed out during startup.\nand much more")

    monkeypatch.setattr(module.ray, "init", never)
    with pytest.raises(SessionError, match=r"^Ray did not start on this machine: The current node timed out .*\.$"):
        session(None, 1).__enter__()


def test_a_folder_for_temporary_files_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "gone"))
    with pytest.raises(SessionError, match=rf"temporary files: {tmp_path}/gone: TMPDIR is no folder"):
        check_this_machine(None)


def test_a_full_one_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SessionError, match=r"temporary files: /.*: No space left on device; make room there"):
        check_this_machine(None)


def test_without_loopback_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    with pytest.raises(SessionError, match=r"needs the loopback network 127\.0\.0\.1: Network is unreachable"):
        check_this_machine(None)


def test_the_scratch_folder_of_a_driver_that_lives_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the two can't see one another's processes: in containers that share the folder."""
    monkeypatch.setattr(scratch, "_parent", lambda: tmp_path)
    with scratch.scratch_folder() as first:
        with scratch.scratch_folder() as second:
            assert first.is_dir()
            assert second.is_dir()
        assert list(tmp_path.iterdir()) == [first]
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_driver_left_is_removed_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "_parent", lambda: tmp_path)
    killed, forming, other = tmp_path / "fsm-killed", tmp_path / "fsm-forming", tmp_path / "others"
    for folder in (killed, forming, other):
        folder.mkdir()
    (killed / scratch.LOCK).touch()
    with scratch.scratch_folder():
        pass
    assert sorted(tmp_path.iterdir()) == [forming, other]
