"""--retry-failed: a peer that failed and was repaired leaves nothing behind in the table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fsm_icl.results.records import TrialRecord
from fsm_icl.sweep.file.planned import PlannedTrial
from fsm_icl.sweep.store.store import Store, StoreError
from tests.sweep import folders, simulate

SWEEP = ("search.num_trials=12",)  # start-up points and TPE both


def sound(planned: PlannedTrial) -> TrialRecord:
    """Every config trains: what fails below is a fault that gets mended."""
    kept = []
    for report in simulate.curve(planned):
        kept.append(report)
        limit = planned.cutoffs.get(report.step)
        if limit is not None and report.metric("val/accuracy") < limit:
            return simulate.record(planned, kept, simulate.end("pruned", report.step))
    return simulate.record(planned, kept, simulate.end("finished", kept[-1].step))


def failing(which: Callable[[PlannedTrial], bool], at_step: int = 100) -> Callable[[PlannedTrial], TrialRecord]:
    """As `sound`, but trials that `which` picks fail at a step."""

    def learner(planned: PlannedTrial) -> TrialRecord:
        if not which(planned):
            return sound(planned)
        reports = [report for report in simulate.curve(planned) if report.step <= at_step]
        return simulate.record(planned, reports, simulate.end("failed", at_step))

    return learner


@pytest.fixture(scope="module")
def clean() -> tuple[dict[str, TrialRecord], dict[str, list[str]]]:
    sweep = simulate.loaded(*SWEEP)
    records = simulate.run(sweep, learner=sound)
    return dict(records), simulate.winners(sweep, records)


@pytest.mark.parametrize(
    "which",
    [
        lambda planned: planned.place.phase == "search" and planned.place.index in (1, 4, 10),
        lambda planned: planned.place.phase == "measure" and planned.place.index == 2,
        lambda planned: planned.place.phase == "search" and planned.cell.label == "gru-d64-L1",
        lambda planned: planned.config.seed % 3 == 0,
    ],
    ids=["early, middle and late proposals", "a measure trial", "a whole cell", "a third of all"],
)
@pytest.mark.parametrize("at_step", [0, 100, 300])
def test_repaired_peers_give_the_table_of_a_clean_run(
    tmp_path: Path,
    clean: tuple[dict[str, TrialRecord], dict[str, list[str]]],
    which: Callable[[PlannedTrial], bool],
    at_step: int,
) -> None:
    sweep = simulate.loaded(*SWEEP)
    folders.write(tmp_path, sweep, learner=failing(which, at_step))
    with Store(tmp_path) as store:
        before = dict(store.records)
        failed = {h for h, record in before.items() if record.end.outcome == "failed"}
        assert failed
        assert set(store.forget_failed()) == failed
        assert store.records == {h: record for h, record in before.items() if h not in failed}
    records = dict(folders.write(tmp_path, sweep, learner=sound))
    assert simulate.winners(sweep, records) == clean[1]
    for trial, record in clean[0].items():  # what more there is is no longer wanted, or goes on beyond today's rule
        steps = record.end.steps
        assert [r for r in records[trial].reports if r.step <= steps] == record.reports


def test_only_failed_records_and_what_belongs_to_them_go(tmp_path: Path) -> None:
    sweep = simulate.loaded()
    records = folders.write(tmp_path, sweep, stop_after=40)
    for trial in records:
        for path in (f"wandb/{trial}.done", f"trials/{trial}/log.txt"):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text("x")
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    with Store(tmp_path) as store:
        failed = store.forget_failed()
    assert failed
    gone = {f"{folder}/{h}{rest}" for h in failed for folder, rest in (("records", ".json"), ("wandb", ".done"))}
    assert before - {path for path in tmp_path.rglob("*") if path.is_file()} == {tmp_path / name for name in gone}


def test_what_cannot_be_removed_is_named_and_still_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders.write(tmp_path, simulate.loaded(), stop_after=40)

    def read_only(path: Path, missing_ok: bool = False) -> None:
        raise OSError(30, "Read-only file system", str(path))

    with Store(tmp_path) as store:
        monkeypatch.setattr(Path, "unlink", read_only)
        with pytest.raises(StoreError, match="cannot be removed: Read-only file system"):
            store.forget_failed()
        assert any(record.end.outcome == "failed" for record in store.records.values())
