"""The contract with analysis: what SWEEP means, and numbers that are absent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from fsm_icl.results import records
from fsm_icl.results.lookup import default_scale, fresh_folder, sweep_folder, sweep_folders
from fsm_icl.results.records import METRICS, Manifest, Report, Slice, TaskEntry, TrialRecord
from tests.analysis.builder import Plan, write_sweep


def make(results: Path, *names: str) -> None:
    for name in names:
        (results / name).mkdir(parents=True)
        sweep, scale = name.rsplit("-", 1)
        if scale.isdigit():
            sweep, scale = sweep.rsplit("-", 1)
        (results / name / "manifest.json").write_text(json.dumps({"sweep": sweep, "scale": scale}))


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def test_a_name_means_the_newest_folder_of_the_default_scale(tmp_path: Path) -> None:
    make(tmp_path, "spectrum-laptop", "spectrum-laptop-2", "spectrum-laptop-10", "spectrum-paper", "spectrum2-laptop")
    assert default_scale() == "laptop"
    assert sweep_folder("spectrum", None, tmp_path).name == "spectrum-laptop-10"
    assert sweep_folder("spectrum", "paper", tmp_path).name == "spectrum-paper"
    assert sweep_folder(str(tmp_path / "spectrum-laptop-2"), None, tmp_path).name == "spectrum-laptop-2"


def test_fresh_folders_never_exist_yet(tmp_path: Path) -> None:
    assert fresh_folder("spectrum", "laptop", tmp_path).name == "spectrum-laptop"
    make(tmp_path, "spectrum-laptop", "spectrum-laptop-3", "spectrum-laptop-old")
    assert fresh_folder("spectrum", "laptop", tmp_path).name == "spectrum-laptop-2"
    (tmp_path / "spectrum-laptop-4").mkdir()  # killed before its manifest was written
    names = [path.name for path in sweep_folders("spectrum", "laptop", tmp_path)]
    assert names == ["spectrum-laptop", "spectrum-laptop-3", "spectrum-laptop-4"]
    assert sweep_folder("spectrum", "laptop", tmp_path).name == "spectrum-laptop-3"


def test_the_only_scale_there_is_will_do(tmp_path: Path) -> None:
    make(tmp_path, "mine-default", "mine-old-default")
    assert sweep_folder("mine", None, tmp_path).name == "mine-default"
    make(tmp_path, "mine-other")
    with pytest.raises(ValueError, match=r"in .*: mine-default, mine-old-default, mine-other"):
        sweep_folder("mine", None, tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no sweep at 'spectrum' nor at .*spectrum-laptop .*none"):
        sweep_folder("spectrum", None, tmp_path)


def test_absent_is_absent() -> None:
    with pytest.raises(ValueError, match="empty"):
        _ = Slice(label="0", correct=0, total=0).accuracy
    with pytest.raises(ValidationError, match="unknown metric 'val/acc'"):
        Report(step=1, metrics={"val/acc": 0.5})
    with pytest.raises(ValidationError, match="finite"):
        Report(step=1, metrics={"val/accuracy": float("nan")})


def test_every_metric_says_which_way_is_better() -> None:
    for metric in METRICS.values():
        assert metric.low <= metric.worst <= metric.high
        assert metric.worst == (metric.low if metric.mode == "max" else metric.worst)


def test_only_imported_records_may_lack_what_a_trial_knows(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "spectrum-laptop", [Plan("rnn")])
    whole = json.loads(
        next(p for p in (folder / "records").iterdir() if '"machine_correct"' in p.read_text()).read_text()
    )
    source = {"file": "x.json", "sha256": "0" * 64, "experiment": "lstm_direct", "timestamp": None}
    source |= {"final_results": {}, "notes": []}
    for part, name in (("end", "seconds"), ("end", "num_params"), ("test", "loss"), ("record", "dirty")):
        record = json.loads(json.dumps(whole))
        {"end": record["end"], "test": record["end"]["test"], "record": record}[part][name] = None
        with pytest.raises(ValidationError, match=f"{name}: unknown, which only imported records may have"):
            TrialRecord.model_validate(record)
        TrialRecord.model_validate(record | {"imported": source})
        del {"end": record["end"], "test": record["end"]["test"], "record": record}[part][name]
        with pytest.raises(ValidationError, match="Field required"):
            TrialRecord.model_validate(record | {"imported": source})


def test_only_imported_manifests_may_lack_what_a_sweep_knows(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "spectrum-laptop", [Plan("rnn")])
    whole = json.loads((folder / "manifest.json").read_text())
    places = {
        "seed": whole,
        "success_margin": whole,
        "num_params": whole["cells"][0],
        "ceiling": whole["tasks"]["task"],
    }
    for name, place in places.items():
        known, place[name] = place[name], None
        with pytest.raises(ValidationError, match=f"{name}: unknown, which only imported results may have"):
            Manifest.model_validate(whole)
        assert Manifest.model_validate(whole | {"imported": True}).step_unit == "epochs"
        place[name] = known
    assert Manifest.model_validate(whole).step_unit == "steps"


def test_counts_by_machine_are_all_there_or_none(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "spectrum-laptop", [Plan("rnn")])
    record = json.loads(
        next(p for p in (folder / "records").iterdir() if '"machine_correct"' in p.read_text()).read_text()
    )
    record["end"]["test"]["machine_class"] = None
    with pytest.raises(ValidationError, match="differ in length"):
        TrialRecord.model_validate(record)


def test_slices_of_earlier_records_are_read() -> None:
    counts = {"machine_correct": [1], "machine_total": [2], "machine_class": [0]}
    slices = {"query_step": [{"label": "0", "correct": 1, "total": 2}], "times_shown": []}
    earlier = {"accuracy": 0.5, "loss": 1.0, **counts} | {f"by_{name}": found for name, found in slices.items()}
    now = records.TestScore.model_validate_json(json.dumps(earlier), strict=True)
    assert now == records.TestScore(accuracy=0.5, loss=1.0, slices=slices, **counts)
    assert json.loads(now.model_dump_json()) == {"accuracy": 0.5, "loss": 1.0, "slices": slices, **counts}
    with pytest.raises(ValidationError, match="by_query_step"):
        records.TestScore.model_validate(earlier | {"slices": {}})


def test_earlier_manifests_know_the_sides_of_their_machines() -> None:
    scores = {"ladder": {"chance": 0.5}, "ceiling": 1.0, "ceiling_exact": True}
    earlier = TaskEntry.model_validate_json(
        json.dumps({"spec": {"num_states": 3, "num_actions": 4}, **scores}), strict=True
    )
    assert earlier.dimensions == {"states": 3, "actions": 4}
    assert list(earlier.slices) == ["times_shown", "query_step"]
    assert TaskEntry.model_validate_json(earlier.model_dump_json(), strict=True) == earlier
    other = TaskEntry.model_validate({"spec": {"family": "parity"}, **scores})
    assert (other.dimensions, other.slices) == ({}, {})
