"""The contract with analysis: what SWEEP means, and numbers that are absent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from fsm_icl.folders import default_scale, fresh_folder, sweep_folder, sweep_folders
from fsm_icl.records import METRICS, Report, Slice


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
