"""status and logs: true at any time, from any terminal, without a lock."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from fsm_icl.results.reading import read_records
from fsm_icl.sweep.examine.status import Status, driver_of, print_status, read_status
from fsm_icl.sweep.examine.trial import find_trial, read_record, trial_lines, trial_report
from fsm_icl.sweep.store.store import Store, StoreError
from tests.sweep import folders, simulate

TRIALS = 5 * (8 + 6)


def shown(status: Status, now: float | None = None) -> str:
    console = Console(width=110, record=True, quiet=False, file=open(os.devnull, "w"))  # noqa: SIM115
    print_status(status, console, now)
    console.file.close()
    return console.export_text()


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ended")
    folders.write(folder, simulate.loaded())
    return folder


def counts(folder: Path) -> tuple[int, int]:
    """Trials ended and missing."""
    cells = read_status(folder).cells
    return sum(sum(cell.outcomes.values()) for cell in cells), sum(cell.missing for cell in cells)


def test_an_ended_sweep(ended: Path) -> None:
    status = read_status(ended)
    assert counts(ended) == (TRIALS, 0)
    assert all(cell.measured == cell.num_seeds == 6 for cell in status.cells)
    assert status.driver is None
    text = shown(status)
    assert f"{TRIALS} of {TRIALS} trials ended" in text
    assert f"next: python -m analysis {ended}" in text


def test_the_next_command_can_be_typed_whatever_the_folder_is_called(ended: Path, tmp_path: Path) -> None:
    (tmp_path / "a b").symlink_to(ended)
    assert f"next: python -m analysis '{tmp_path}/a b'" in shown(read_status(tmp_path / "a b"))


@pytest.mark.parametrize("stop", [0, 7, 30])
@pytest.mark.parametrize("stopped_cleanly", [True, False])
def test_every_stage_counts_what_there_is_though_the_manifest_is_older(
    tmp_path: Path, stop: int, stopped_cleanly: bool
) -> None:
    folders.write(tmp_path, simulate.loaded(), stop_after=stop, manifest=stopped_cleanly)
    assert counts(tmp_path) == (stop, TRIALS - stop)
    assert read_status(tmp_path).no_longer_wanted == 0
    assert "the command that began it goes on from here" in shown(read_status(tmp_path))


def test_dropped_records_are_counted_apart(tmp_path: Path) -> None:
    folders.write(tmp_path, simulate.loaded())
    folders.write(tmp_path, simulate.loaded("grid={arch: gru, d_model: 64}", "hypotheses=[]"))
    past = time.time() - 60
    for path in (tmp_path / "records").iterdir():
        os.utime(path, (past, past))
    assert counts(tmp_path) == (14, 0)
    assert read_status(tmp_path).no_longer_wanted == TRIALS - 14
    assert f"{TRIALS - 14} records are of trials that the sweep file no longer asks for" in shown(read_status(tmp_path))


def test_failures_are_named_with_cell_reason_and_log(ended: Path) -> None:
    failures = read_status(ended).failures
    assert {failure.outcome for failure in failures} == {"failed", "diverged"}
    text = shown(read_status(ended))
    for failure in failures:
        assert failure.trial[:8] in text
        assert failure.cell in text


def test_who_drives_and_what_is_in_flight(tmp_path: Path) -> None:
    folders.write(tmp_path, simulate.loaded(), stop_after=3)
    begun = tmp_path / "trials" / ("a" * 64)
    begun.mkdir(parents=True)
    (begun / "checkpoint.pt").write_text("")
    text = shown(read_status(tmp_path), now=time.time() + 300)
    assert "driver: none; last activity 5 min ago" in text
    assert "interrupted, by last checkpoint: aaaaaaaa (5 min ago)" in text
    with Store(tmp_path):
        text = shown(read_status(tmp_path))
        assert f"driver: pid {os.getpid()} on " in text
        assert "running, by last checkpoint: aaaaaaaa" in text
    assert driver_of(tmp_path) is None


def test_looking_in_never_keeps_a_driver_out(tmp_path: Path) -> None:
    folders.write(tmp_path, simulate.loaded(), stop_after=1)
    code = f"""
import time
from pathlib import Path
from fsm_icl.sweep.examine.status import driver_of
print("ready", flush=True)
end = time.monotonic() + 3
while time.monotonic() < end:
    driver_of(Path({str(tmp_path)!r}))
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as looking:
        assert looking.stdout is not None
        looking.stdout.readline()
        for _ in range(100):
            Store(tmp_path).close()
        looking.kill()


def test_a_file_managers_copy_counts_nowhere_and_is_told_alike_everywhere(tmp_path: Path) -> None:
    folders.write(tmp_path, simulate.loaded())
    first = min((tmp_path / "records").iterdir())
    copy = first.with_name(f"{first.stem} (1).json")
    copy.write_bytes(first.read_bytes())
    shutil.copytree(tmp_path / "trials", tmp_path / "trials" / f"{first.stem} (1)")
    status = read_status(tmp_path)
    said = f"{copy}: holds the record of {first.stem}, so it is not where it belongs; move it away"
    assert counts(tmp_path) == (TRIALS, 0)
    assert status.misplaced == [said]
    assert said in shown(status).splitlines()
    assert "next: python -m analysis" not in shown(status)
    assert find_trial(tmp_path, first.stem[:12]) == first.stem
    for reader in (Store, read_records):
        with pytest.raises((ValueError, StoreError)) as caught:
            reader(tmp_path)
        assert str(caught.value) == said
    copy.replace(first.with_name(f"{'a' * 64}.json"))
    with pytest.raises(ValueError, match="holds the record of"):
        read_record(tmp_path, "a" * 64)
    assert counts(tmp_path) == (TRIALS, 0)


def test_an_unreadable_record_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    folders.write(tmp_path, simulate.loaded(), stop_after=3)
    broken = tmp_path / "records" / f"{'b' * 64}.json"
    broken.write_text("{")
    assert read_status(tmp_path).unreadable == [broken]
    assert "not a trial record" in shown(read_status(tmp_path))
    assert counts(tmp_path)[0] == 3


def test_a_broken_manifest_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"it has no manifest.json"):
        read_status(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ValueError, match=r"manifest.json: sweep: Field required"):
        read_status(tmp_path)


def test_status_writes_nothing(ended: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in ended.rglob("*")}
    read_status(ended)
    assert {path: path.stat().st_mtime_ns for path in ended.rglob("*")} == before


@pytest.mark.timeout(120)
def test_a_thousand_trials_are_counted_in_under_a_second_without_anything_heavy(tmp_path: Path, ended: Path) -> None:
    records = [json.loads(path.read_text()) for path in (ended / "records").iterdir()]
    (tmp_path / "records").mkdir()
    (tmp_path / "manifest.json").write_bytes((ended / "manifest.json").read_bytes())
    for i in range(1000):
        record = records[i % len(records)]
        record["hash"] = f"{i:064x}"
        (tmp_path / "records" / f"{i:064x}.json").write_text(json.dumps(record))
    code = f"""
import sys, time
from fsm_icl.cli import app
try:
    app(["status", {str(tmp_path)!r}])
except SystemExit as end:
    assert end.code == 0, end.code
heavy = ("torch", "ray", "wandb", "optuna", "pandas", "scipy", "matplotlib")
print("seconds", time.process_time(), [name for name in heavy if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "1000 of" in done.stdout
    _, seconds, imported = done.stdout.splitlines()[-1].split(" ", 2)
    assert imported == "[]"
    assert float(seconds) < 1


def test_logs_tell_outcome_score_and_trace_back(ended: Path, tmp_path: Path) -> None:
    failed = next(f.trial for f in read_status(ended).failures if f.outcome == "failed")
    log = ended / "trials" / failed / "log.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("Traceback (most recent call last): [odd]\n")
    lines = list(trial_report(ended, find_trial(ended, failed[:10])))
    assert lines[0] == f"trial {failed}"
    assert any(line.startswith("outcome: failed at step") for line in lines)
    assert lines[-1] == "Traceback (most recent call last): [odd]"
    assert any(f.log == log for f in read_status(ended).failures)
    log.unlink()


def test_logs_of_a_trial_that_has_not_ended(tmp_path: Path) -> None:
    folders.write(tmp_path, simulate.loaded(), stop_after=0)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    trial = manifest["cells"][0]["wanted"][0]["hash"]
    assert "outcome: none yet; it has no checkpoint" in list(trial_report(tmp_path, find_trial(tmp_path, trial)))


def test_a_trial_is_found_by_a_prefix_that_only_it_has(ended: Path) -> None:
    trial = sorted(path.stem for path in (ended / "records").iterdir())[0]
    assert find_trial(ended, trial[:12].upper()) == trial
    with pytest.raises(ValueError, match="no trial begins with 'xyz'"):
        find_trial(ended, "xyz")
    with pytest.raises(ValueError, match="no trial begins with ''"):
        find_trial(ended, "")
    short = next(c for c in "0123456789abcdef" if sum(p.stem[0] == c for p in (ended / "records").iterdir()) > 1)
    with pytest.raises(ValueError, match=rf"\d+ trials begin with '{short}': {short}"):
        find_trial(ended, short)


def test_all_trials_are_listed(ended: Path) -> None:
    lines = list(trial_lines(ended))
    assert len(lines) == TRIALS
    assert any("lstm-d32-L1, measure, repeat 0, index 5: finished" in line for line in lines)
