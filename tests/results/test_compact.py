"""Records that a driver keeps: what the protocol reads is there, and it takes little memory."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from fsm_icl.results import records as kept_records
from fsm_icl.results.compact import Compactor
from fsm_icl.results.reading import read_records
from fsm_icl.results.records import TrialRecord
from fsm_icl.sweep.protocol import prefix_rule
from fsm_icl.sweep.protocol.manifest import manifest_cell, task_key
from fsm_icl.sweep.protocol.planner import Planner
from fsm_icl.sweep.store.own_records import read_own_records
from tests.sweep import folders, simulate

MACHINES = 2000


def scored(record: TrialRecord) -> TrialRecord:
    test = kept_records.TestScore(
        accuracy=0.5,
        loss=1.0,
        machine_correct=[6] * MACHINES,
        machine_total=[12] * MACHINES,
        machine_class=list(range(MACHINES)),
    )
    return record.model_copy(update={"end": record.end.model_copy(update={"test": test})})


def test_the_protocol_reads_the_same(tmp_path: Path) -> None:
    sweep = simulate.loaded()
    folders.write(tmp_path, sweep)
    full, small = read_records(tmp_path), read_own_records(tmp_path)
    for trial, record in full.items():
        kept = small[trial]
        assert [r.step for r in kept.reports] == [r.step for r in record.reports]
        for name in ("val/accuracy", "val/loss"):
            assert [r.metric(name) for r in kept.reports] == [r.metric(name) for r in record.reports]
        assert kept.reports[-1].metric("val/accuracy") == record.reports[-1].metric("val/accuracy")
        assert kept.reports[1:3] == list(kept.reports)[1:3]
        assert (kept.config, kept.end, kept.hash) == (record.config, record.end, record.hash)
    for cell in simulate.cells(sweep):
        ours, theirs = (Planner(sweep.spec, [cell], records).plans[0] for records in (small, full))
        assert manifest_cell(sweep.spec, ours, task_key(cell)) == manifest_cell(sweep.spec, theirs, task_key(cell))


def test_a_record_without_reports_stays_one() -> None:
    sweep = simulate.loaded()
    planned = Planner(sweep.spec, simulate.cells(sweep), {}).next([])
    assert planned is not None
    kept = Compactor()(simulate.record(planned, [], simulate.end("failed", 0)))
    assert list(kept.reports) == []
    seen = prefix_rule.read(kept, planned.params, [90], {})
    assert seen is not None
    assert seen.outcome == "failed"


@pytest.mark.parametrize("phase", ["search", "measure"])
def test_a_record_takes_less_than_20_kilobytes(phase: str) -> None:
    sweep = simulate.loaded()
    planned = Planner(sweep.spec, simulate.cells(sweep), {}).next([])
    assert planned is not None
    record = simulate.record(planned, simulate.curve(planned), simulate.end("finished", 750))
    text = (scored(record) if phase == "measure" else record).model_dump_json()
    compact, kept, count = Compactor(), [], 200
    tracemalloc.start()
    for i in range(count):
        plain = json.loads(text)
        plain["config"]["seed"], plain["hash"] = i, f"{i:064x}"
        kept.append(compact(TrialRecord.model_validate_json(json.dumps(plain))))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / count < 20_000
