"""Records that analysis keeps: all of them is there, in little memory."""

from __future__ import annotations

import gc
import json
import tracemalloc
from pathlib import Path

import pytest

from analysis.findings.summary import summarise
from analysis.sources.packing import Packer, unpacked
from analysis.sources.snapshot import load_snapshot, origin, write_snapshot
from analysis.sources.sweep import load_sweep
from fsm_icl.results import records as kept_records
from fsm_icl.results.reading import read_manifest, read_records
from fsm_icl.results.records import Report, Slice, TrialRecord
from tests.analysis.builder import spectrum, write_sweep


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_sweep(tmp_path / "s", spectrum())


def test_nothing_is_lost(folder: Path) -> None:
    full, pack = read_records(folder), Packer()
    for record in full.values():
        kept = pack(record)
        assert unpacked(kept).model_dump_json() == record.model_dump_json()
        assert unpacked(pack(kept)).model_dump_json() == record.model_dump_json()


def test_a_report_may_lack_what_another_has(folder: Path) -> None:
    record = next(iter(read_records(folder).values()))
    reports = [
        Report(step=1, metrics={"val/loss": 1.0}),
        Report(step=2),
        Report(step=3, metrics={"val/loss": 0.5, "val/accuracy": 0.1}),
        Report(step=4, metrics={"val/accuracy": 0.25}),
    ]
    for given in ([], reports, [*reports, Report(step=5, end=record.end)]):
        changed = record.model_copy(update={"reports": given})
        assert unpacked(Packer()(changed)).model_dump_json() == changed.model_dump_json()


@pytest.mark.parametrize("largest", [255, 256, 2**16, 2**32])
def test_a_count_of_any_size_is_kept(folder: Path, largest: int) -> None:
    record = next(r for r in read_records(folder).values() if r.end.test is not None)
    slices = [Slice(label="0", correct=largest - 1, total=largest)]
    counts = {"machine_correct": [largest - 1], "machine_total": [largest], "machine_class": [0]}
    test = kept_records.TestScore(accuracy=0.5, loss=1.0, slices={"query_step": slices, "times_shown": []}, **counts)
    changed = record.model_copy(update={"end": record.end.model_copy(update={"test": test})})
    assert unpacked(Packer()(changed)).model_dump_json() == changed.model_dump_json()


def _full(kind: type[Report | Slice]) -> int:
    gc.collect()
    return sum(type(each) is kind for each in gc.get_objects())


@pytest.mark.parametrize("kind", [Report, Slice])
def test_no_source_keeps_a_record_in_full(folder: Path, tmp_path: Path, kind: type[Report | Slice]) -> None:
    manifest = read_manifest(folder)
    (first, *_), cell = manifest.cells[0].wanted, manifest.cells[0]
    cut = cell.model_copy(update={"wanted": [first.model_copy(update={"pruned_at": 300}), *cell.wanted[1:]]})
    (folder / "manifest.json").write_text(
        manifest.model_copy(update={"cells": [cut, *manifest.cells[1:]]}).model_dump_json()
    )
    before = _full(kind)
    sweep = load_sweep(folder)
    assert sweep.records[first.hash].reports[-1].step == 300
    write_snapshot(sweep, tmp_path, origin(sweep, "mine"))
    again = load_snapshot(tmp_path)
    summarise(again)
    assert len(again.records) == len(sweep.records)
    assert _full(kind) == before


def test_a_record_takes_less_than_12_kilobytes(folder: Path) -> None:
    machines, count = 2000, 100
    record = next(r for r in read_records(folder).values() if r.end.test is not None)
    assert record.end.test is not None
    counts = {"machine_total": [12] * machines, "machine_class": list(range(machines))}
    test = record.end.test.model_copy(update={"machine_correct": [6] * machines, **counts})
    plain = json.loads(
        record.model_copy(update={"end": record.end.model_copy(update={"test": test})}).model_dump_json()
    )
    pack, kept = Packer(), []
    tracemalloc.start()
    for i in range(count):
        plain["config"]["seed"], plain["hash"] = i, f"{i:064x}"
        plain["end"]["test"]["machine_correct"][i] = 7
        kept.append(pack(TrialRecord.model_validate_json(json.dumps(plain))))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / count < 12_000
