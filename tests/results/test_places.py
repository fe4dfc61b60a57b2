"""Which cell a record is of: its place says it; a record of format 1 is recognised by what its config holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsm_icl.results.places import cell_of
from fsm_icl.results.reading import read_manifest, read_records
from tests.sweep import folders, simulate


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folders.write(tmp_path, simulate.loaded())
    return tmp_path


def test_place_and_config_name_the_cell_that_wants_the_record(folder: Path) -> None:
    manifest, records = read_manifest(folder), read_records(folder)
    for cell in manifest.cells:
        for wanted in cell.wanted:
            record = records[wanted.hash]
            assert record.place is not None
            place = (record.place.phase, record.place.repeat, record.place.index)
            assert place == (wanted.phase, wanted.repeat, wanted.index)
            assert cell_of(record.config, record.place, manifest) == cell
            assert cell_of(record.config, None, manifest) == cell


def test_a_cell_that_was_renamed_keeps_its_records_and_one_that_is_gone_has_none(folder: Path) -> None:
    manifest, records = read_manifest(folder), read_records(folder)
    first, *others = manifest.cells
    record = records[first.wanted[0].hash]
    renamed = first.model_copy(update={"label": "other"})
    changed = manifest.model_copy(update={"cells": [renamed, *others]})
    assert cell_of(record.config, record.place, changed) == renamed
    assert cell_of(record.config, record.place, manifest.model_copy(update={"cells": others})) is None


@pytest.mark.parametrize(("part", "name", "value"), [("task", "num_states", 4), ("budget", "steps", 7)])
def test_a_record_of_format_1_with_another_task_or_budget_is_of_no_cell(
    folder: Path, part: str, name: str, value: int
) -> None:
    manifest, records = read_manifest(folder), read_records(folder)
    config = next(iter(records.values())).config
    assert cell_of({**config, part: {**config[part], name: value}}, None, manifest) is None
