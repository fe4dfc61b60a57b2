"""A trial -> its W&B run -> the trial again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from fsm_icl.results import records
from fsm_icl.results.reading import read_manifest
from fsm_icl.results.records import Slice, TrialRecord, WantedTrial
from fsm_icl.tracking.encoding import (
    artifact_of,
    code_of,
    group_of,
    manifest_in,
    record_of,
    row_of,
    run_config,
    summary_of,
    sweep_config,
)
from fsm_icl.tracking.limits import tags
from tests.analysis.builder import spectrum, write_sweep
from tests.sweep import simulate
from tests.wandb_double import check_artifact, check_run

SWEEP = {"sweep": "s", "sweep_id": "0123abcd", "scale": "laptop", "cell": "c"}


def scored() -> TrialRecord:
    score = records.TestScore(
        accuracy=0.5,
        loss=1.0,
        slices={
            "query_step": [Slice(label="0", correct=1, total=2)],
            "times_shown": [Slice(label="0", correct=0, total=0), Slice(label="3+", correct=1, total=2)],
        },
        machine_correct=[1, 12],
        machine_total=[2, 24],
        machine_class=[0, 1],
    )
    (record, *_) = simulate.run(simulate.loaded(), stop_after=1).values()
    end = simulate.end("finished", record.reports[-1].step, score)
    return record.model_copy(update={"end": end, "commit": "0" * 40})


def run_of(record: TrialRecord) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """Config, summary and rows as JSON brings them back."""
    assert record.place is not None
    place = {"repeat": record.place.repeat, "index": record.place.index, "cell_key": record.place.cell}
    config = run_config(record.config, {**SWEEP, **place, "hash": record.hash}) | code_of(record)
    return tuple(json.loads(json.dumps([config, summary_of(record), [row_of(r) for r in record.reports]])))


def test_what_is_logged_comes_back() -> None:
    record = scored()
    back = record_of(*run_of(record))
    assert back == record.model_copy(update={"end": record.end.model_copy(update={"node": ""})})


def test_a_run_of_an_earlier_version_gives_a_record_without_a_place() -> None:
    record = scored()
    config, summary, rows = run_of(record)
    del config["cell_key"]
    back = record_of(config, summary, rows)
    assert (back.format, back.place, back.config) == (1, None, record.config)


def test_the_last_row_of_a_step_counts_and_rows_beyond_the_end_do_not() -> None:
    record = scored()
    config, summary, rows = run_of(record)
    worse = [{**row, "val/accuracy": 0.0, "_step": 99} for row in rows]
    beyond = [{**rows[-1], "step": record.end.steps + 30}]
    assert record_of(config, summary, worse + rows[::-1] + beyond).reports == record.reports


def test_slices_are_columns_and_empty_ones_are_left_out() -> None:
    summary = summary_of(scored())
    assert summary["test/accuracy"] == 0.5
    assert summary["test/accuracy_by_times_shown/3+"] == 0.5
    assert "test/accuracy_by_times_shown/0" not in summary
    assert summary["outcome"] == "finished"


def test_a_full_test_set_is_some_kilobytes() -> None:
    record = scored()
    many = {"machine_correct": [i % 12 for i in range(2000)], "machine_total": [12] * 2000}
    many["machine_class"] = [i * 7919 % 500 for i in range(2000)]
    test = record.end.test.model_copy(update=many)  # type: ignore[union-attr]
    end = record.end.model_copy(update={"test": test})
    summary = summary_of(record.model_copy(update={"end": end}))
    assert len(json.dumps(summary)) < 10_000


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("FileNotFoundError: '/home/ada/data.txt' is gone", "FileNotFoundError: '<path>' is gone"),
        ("0.4 is below 1/3 of it", "0.4 is below 1/3 of it"),
        ("lost ~/x and /tmp/y on node7: 3", "lost <path> and <path> on <host>: 3"),
    ],
)
def test_places_stay_at_home(reason: str, shown: str) -> None:
    record = scored()
    end = record.end.model_copy(update={"outcome": "failed", "reason": reason, "node": "node7"})
    summary = summary_of(record.model_copy(update={"end": end}))
    assert summary["reason"] == shown
    assert "node7" not in json.dumps(summary)


@pytest.mark.parametrize(
    ("lacking", "message"),
    [("hash", "no hash"), ("commit", "no commit"), ("test/score", "cannot be read"), ("steps", "steps")],
)
def test_a_run_that_lacks_something_is_named(lacking: str, message: str) -> None:
    config, summary, rows = run_of(scored())
    if lacking == "test/score":
        summary[lacking] = "!"
    config.pop(lacking, None)
    if lacking == "steps":
        summary.pop(lacking)
    with pytest.raises(ValueError, match=message):
        record_of(config, summary, rows)


@pytest.mark.parametrize("trials", [1, 20_000])
def test_a_manifest_of_any_size_fits_into_a_config_and_comes_back(tmp_path: Path, trials: int) -> None:
    small = read_manifest(write_sweep(tmp_path / "sweep", spectrum(), []))
    wanted = [
        WantedTrial(hash=hashlib.sha256(str(i).encode()).hexdigest(), phase="search", repeat=0, index=i)
        for i in range(trials)
    ]
    cell = small.cells[0].model_copy(update={"wanted": wanted})
    large = small.model_copy(update={"cells": [cell]})
    config = json.loads(json.dumps(sweep_config(large)))
    check_run({"config": json.dumps({key: {"value": value} for key, value in config.items()})})
    assert manifest_in(config) == large


def test_an_error_of_any_length_fits_into_a_summary() -> None:
    record = scored()
    end = record.end.model_copy(update={"outcome": "failed", "reason": "x" * 5_000_000})
    reason = summary_of(record.model_copy(update={"end": end}))["reason"]
    assert reason.startswith("x" * 1000)
    assert reason.endswith("(the rest is in the trial's log)\n")
    assert len(reason) <= 10_000


@pytest.mark.parametrize("name", ["spectrum", "two words", "é/ü", "x" * 500, " ", "a:b?c"])
def test_any_name_makes_a_group_an_artifact_and_tags_that_are_taken(name: str) -> None:
    tagged = tags([name, name, name + "2", ""])
    check_run({"groupName": group_of(name, "0123abcd"), "tags": tagged})
    assert len(tagged) == (2 if name.strip() else 1)
    check_artifact(artifact_of(name, "0123abcd"))
    assert artifact_of(name, "0123abcd") != artifact_of(name + "2", "0123abcd")
