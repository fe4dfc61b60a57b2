import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.sources.sweep import load_sweep
from tests.analysis.builder import Plan, around, hash_of, hypothesis, spectrum, write_sweep


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def record(folder: Path, label: str = "rnn-d64-L1", phase: str = "measure", index: int = 3) -> Path:
    return folder / "records" / f"{hash_of(label, phase, index)}.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_sweep(tmp_path / "spectrum-laptop", spectrum())


def test_one_row_a_wanted_trial_with_the_names_of_the_code(folder: Path) -> None:
    table = load_sweep(folder).table
    assert len(table) == 4 * (4 + 6)
    expected = ["sweep", "scale", "cell", "arch", "d_model", "num_layers", "phase", "repeat", "index", "hash"]
    expected += ["outcome", "learning_rate", "num_params", "state_size", "flops_per_token", "steps"]
    expected += ["val/accuracy", "val/loss", "test/accuracy", "test/loss"]
    assert set(table.columns) == set(expected)
    row = table.set_index("hash").loc[hash_of("lstm-d32-L1", "search", 3)]
    assert (row["cell"], row["arch"], row["d_model"], row["learning_rate"]) == (
        "lstm-d32-L1",
        "lstm",
        32,
        0.008,
    )


def test_absent_is_absent(tmp_path: Path) -> None:
    sweep = load_sweep(write_sweep(tmp_path / "s", [Plan("rnn", [0.6, None, "diverged"])]))
    table = sweep.table.query("phase == 'measure'").set_index("index")
    assert table["outcome"].to_dict() == {0: "finished", 1: "missing", 2: "diverged"}
    assert table["test/accuracy"].isna().to_dict() == {0: False, 1: True, 2: True}
    assert pd.isna(table.loc[1, "steps"])
    assert pd.isna(table.loc[1, "learning_rate"])
    search = sweep.table.query("phase == 'search'")
    assert search["test/accuracy"].isna().all()
    assert search["val/accuracy"].notna().all()


def test_counts_say_what_is_missing_and_what_is_no_longer_wanted(tmp_path: Path) -> None:
    plans = [Plan("rnn", [0.6, None, "diverged"]), Plan("gru", [None] * 3, failed=True)]
    folder = write_sweep(tmp_path / "s", plans)
    edit(folder / "manifest.json", lambda m: m["cells"][0]["wanted"].pop(0))
    counts = load_sweep(folder).counts
    assert (counts.asked, counts.ended, counts.missing, counts.no_longer_wanted) == (4 + 3 + 4, 9, 1, 1)
    assert counts.outcomes == {"finished": 4, "pruned": 4, "diverged": 1}


def test_records_are_keyed_by_hash_not_by_order(folder: Path) -> None:
    before = load_sweep(folder).table.set_index("hash")
    edit(
        folder / "manifest.json",
        lambda m: (m["cells"].reverse(), [c["wanted"].reverse() for c in m["cells"]]),
    )
    after = load_sweep(folder).table.set_index("hash")
    pd.testing.assert_frame_equal(before, after.loc[before.index])


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no manifest"):
        load_sweep(tmp_path)


@pytest.mark.parametrize("text", ["", "{", '{"format": 1}', "\xff"])
def test_a_broken_record_is_named(folder: Path, text: str) -> None:
    path = record(folder)
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=rf"{path.name} \(rnn-d64-L1 measure repeat 0 index 3\)"):
        load_sweep(folder)


def test_a_record_under_a_wrong_name(folder: Path) -> None:
    record(folder).rename(folder / "records" / f"{'0' * 64}.json")
    with pytest.raises(ValueError, match="not where it belongs"):
        load_sweep(folder)


def test_half_written_files_are_no_records(folder: Path) -> None:
    (folder / "records" / ".half.json").write_text("{")
    (folder / "records" / "half.json.tmp").write_text("{")
    assert load_sweep(folder).counts.missing == 0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_are_not_finite_are_named(folder: Path, value: float) -> None:
    edit(record(folder), lambda r: r["config"]["optimizer"].update(learning_rate=value))
    with pytest.raises(ValueError, match="rnn-d64-L1 measure repeat 0 index 3: learning_rate is"):
        load_sweep(folder)


def test_a_metric_that_is_nan_is_named(folder: Path) -> None:
    edit(record(folder), lambda r: r["reports"][2]["metrics"].update({"val/loss": math.nan}))
    with pytest.raises(ValueError, match=r"index 3\).*reports\.2\.metrics.*finite number"):
        load_sweep(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda m: m["cells"][1].update(label=m["cells"][0]["label"]),
            "two cells have the same label: rnn-d64-L1",
        ),
        (
            lambda m: m["cells"][0]["wanted"].append(m["cells"][1]["wanted"][0]),
            "rnn-d64-L1 wants twice: search",
        ),
        (
            lambda m: m["cells"][0]["wanted"][0].update(hash=m["cells"][1]["wanted"][2]["hash"]),
            "rnn-d64-L1 search repeat 0 index 0; gru-d64-L1 search repeat 0 index 2",
        ),
        (lambda m: m["cells"][0].update(task="other"), "unknown task 'other'"),
        (lambda m: m["cells"][0]["fields"].pop("d_model"), "has no d_model"),
        (lambda m: m.update(surprise=1), "surprise"),
        (lambda m: m["cells"][0]["wanted"][0].update(phase="measure", index=99), "phase is 'search'"),
        (
            lambda m: m.update(hypotheses=[hypothesis(a="tcn-d64-L1").model_dump()]),
            "names no cell: tcn-d64-L1",
        ),
        (lambda m: m.update(hypotheses=[hypothesis().model_dump()] * 2), "two hypotheses have the same name: gates"),
    ],
)
def test_a_manifest_that_contradicts_itself(
    folder: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit(folder / "manifest.json", change)
    with pytest.raises(ValueError, match=message):
        load_sweep(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda end: end.update(test=None), "index 3 .*without a test score"),
        (lambda end: end["test"].update(accuracy=0.9), "index 3 .*not what the counts"),
        (lambda end: end["test"]["machine_class"].reverse(), "not scored on the same test episodes"),
        (
            lambda end: end["test"].update(machine_class=[c + 1 for c in end["test"]["machine_class"]]),
            "class numbers",
        ),
    ],
)
def test_scores_that_cannot_be_compared(folder: Path, change: Callable[[dict[str, Any]], object], message: str) -> None:
    edit(record(folder), lambda r: change(r["end"]))
    with pytest.raises(ValueError, match=message):
        load_sweep(folder)


def test_further_coordinates_and_searched_values_become_columns(tmp_path: Path) -> None:
    plan = Plan("rnn", around(0.6, 0.01), more={"nonlinearity": "relu"})
    spec = {"search": {"learning_rate": {"log": [1e-3, 1e-1]}, "weight_decay": {"log": [1e-3, 1]}}}
    folder = write_sweep(tmp_path / "s", [plan], spec=spec)
    for path in (folder / "records").glob("*.json"):
        edit(path, lambda r: r["config"]["optimizer"].update(weight_decay=0.5))
    table = load_sweep(folder).table
    assert set(table["nonlinearity"]) == {"relu"}
    assert set(table["weight_decay"]) == {0.5}
