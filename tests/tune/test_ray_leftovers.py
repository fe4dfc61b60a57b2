"""A local run beside what others have left on the machine: it joins nobody's cluster and logs to nobody's project."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsm_icl.tracking.encoding import PROJECT
from fsm_icl.tracking.offline_logs import read_log
from tests import wandb_account
from tests.progress import HOWEVER_LONG
from tests.tune.smoke import command, records
from tests.tune.test_ray_safety import ONE_TRIAL, QUIET, scratch, started  # noqa: F401  (a fixture)
from tests.wandb_double import serving

pytestmark = [pytest.mark.ray, pytest.mark.timeout(HOWEVER_LONG)]
ALL_BUT_QUIET = ONE_TRIAL[len(QUIET) :]
NOBODY = 65534


@pytest.fixture
def their_cluster() -> Iterator[socket.socket]:
    """Where another user's cluster would answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def address_file(folder: Path, server: socket.socket, mode: int) -> Path:
    """What `ray start` of another user has left below a folder for temporary files."""
    (folder / "ray").mkdir(parents=True)
    left = folder / "ray" / "ray_current_cluster"
    left.write_text(f"127.0.0.1:{server.getsockname()[1]}")
    left.chmod(mode)
    if os.getuid() == 0:
        os.chown(left, NOBODY, NOBODY)
    return left


@pytest.mark.parametrize("mode", [0o644, 0o000])
def test_the_address_of_another_users_cluster_is_not_joined(
    scratch: Path,  # noqa: F811
    tmp_path: Path,
    their_cluster: socket.socket,
    mode: int,
) -> None:
    """In both places where Ray may look: below RAY_TMPDIR and below TMPDIR."""
    left = [address_file(folder, their_cluster, mode) for folder in (scratch, tmp_path / "theirs")]
    before = [path.stat() for path in left]
    theirs = str(tmp_path / "theirs")
    with started(command(tmp_path, *ONE_TRIAL, *QUIET), scratch, RAY_TMPDIR=theirs) as driver:
        said = "".join(driver.communicate(timeout=HOWEVER_LONG))
    assert driver.returncode == 0, said
    assert len(records(tmp_path)) == 2
    with pytest.raises(BlockingIOError):  # nobody has knocked
        their_cluster.accept()
    assert [path.stat()[:9] for path in left] == [found[:9] for found in before]


def test_settings_that_another_project_has_left_in_the_working_folder_are_not_read(
    scratch: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    stale = tmp_path / "work" / "wandb" / "settings"
    stale.parent.mkdir(parents=True)
    with serving() as double:
        theirs = {"mode": "online", "project": "theirs", "entity": "them", "base_url": double.url}
        stale.write_text("\n".join(["[default]", *(f"{name} = {value}" for name, value in theirs.items())]))
        account = {**wandb_account.environment(tmp_path / "home"), "WANDB_API_KEY": "0" * 40}
        arguments = command(tmp_path / "results", *ALL_BUT_QUIET)
        with started(arguments, scratch, cwd=stale.parents[1], **account) as driver:
            said = "".join(driver.communicate(timeout=HOWEVER_LONG))
        assert driver.returncode == 0, said
        assert double.traffic == []
    folder = tmp_path / "results" / "spectrum-smoke"
    logs = [path for path in folder.glob("wandb/**/run-*.wandb") if not path.parent.is_symlink()]
    runs = [read_log(path) for path in logs]
    assert {run.config.get("hash") for run in runs} >= set(records(tmp_path / "results"))
    assert {(run.project, run.entity or None) for run in runs} == {(PROJECT, None)}
    assert list(stale.parent.iterdir()) == [stale]  # no log has strayed here
