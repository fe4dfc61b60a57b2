"""Storage that fills up or turns read-only, before and while trials run: said plainly, and nothing is lost."""

from __future__ import annotations

import platform
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.progress import HOWEVER_LONG, outcome, run, wait_until
from tests.tune.smoke import QUIET, command, records, sweep

pytestmark = [pytest.mark.ray, pytest.mark.timeout(HOWEVER_LONG)]


def mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"needs the right to mount a tmpfs: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=32m", "tmpfs", str(disk))
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream, pytest.raises(OSError, match="No space left"):
        while True:
            stream.write(b"x" * 4096)
    return filler


def test_a_disk_without_room_is_refused_before_anything_starts(small_disk: Path, tmp_path: Path) -> None:
    fill(small_disk)
    refused = sweep(small_disk)
    assert refused.returncode == 2
    assert "No space left on device" in refused.stderr
    mount("-o", "remount,size=33m", str(small_disk))
    refused = sweep(small_disk)
    assert refused.returncode == 2
    assert "needs about" in refused.stderr
    assert "MB are free" in refused.stderr


def test_a_disk_that_fills_up_while_trials_run(small_disk: Path, undisturbed: Path) -> None:
    """From the first record on there is no room for another; then there is again."""
    with subprocess.Popen(command(small_disk), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as driver:
        wait_until(lambda: bool(records(small_disk)), driver, small_disk, every=0.02)
        filler = fill(small_disk)
        said, errors = outcome(driver, small_disk)
    assert driver.returncode == 1, said + errors
    assert "Traceback" not in errors
    assert "No space left on device; mend that, then run the same command again" in " ".join(said.split())
    filler.unlink()
    assert sweep(small_disk, *QUIET).returncode == 0
    assert records(small_disk) == records(undisturbed)


def test_a_folder_that_turns_read_only_is_refused_and_kept(small_disk: Path, undisturbed: Path) -> None:
    """Between two runs: a kernel lets nobody turn a disk read-only while files on it are open for writing."""
    quiet = command(small_disk, *QUIET)
    with subprocess.Popen(quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True) as driver:
        wait_until(lambda: len(records(small_disk)) >= 5, driver, small_disk, every=0.02)
        driver.send_signal(signal.SIGINT)
    kept = records(small_disk)
    for _ in range(1000):  # its workers take a moment to go
        done = subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], capture_output=True, text=True)
        if done.returncode == 0:
            break
        time.sleep(0.2)
    assert done.returncode == 0, done.stderr
    refused = sweep(small_disk)
    assert refused.returncode == 2
    assert f"cannot be written by {platform.node()}: Read-only file system" in refused.stderr
    assert records(small_disk) == kept
    mount("-o", "remount,rw", str(small_disk))
    assert sweep(small_disk, *QUIET).returncode == 0
    assert records(small_disk) == records(undisturbed)


def test_a_disk_that_is_full_at_the_report(small_disk: Path) -> None:
    done = sweep(small_disk, "--set", "grid={arch: gru, d_model: 8}", "--set", "hypotheses=[]")
    assert done.returncode == 0
    folder = small_disk / "spectrum-smoke"
    before = records(small_disk)
    filler = fill(small_disk)
    analysis = [command(small_disk)[0], "-m", "analysis", str(folder)]
    full = run(analysis, small_disk)
    assert full.returncode == 1
    assert "No space left on device" in full.stderr
    assert "Traceback" not in full.stderr
    assert records(small_disk) == before
    filler.unlink()
    assert run(analysis, small_disk).returncode == 0
