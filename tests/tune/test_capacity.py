"""How far a cluster may grow: read from the file that the autoscaler itself was given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fsm_icl.cluster.files import ROOT
from fsm_icl.tune import capacity
from fsm_icl.tune.capacity import of_cluster, of_this_machine
from fsm_icl.tune.packing import Capacity

HEAD = {"CPU": 0.0, "GPU": 0.0, "memory": 1e9}
WORKER = {"CPU": 4.0, "GPU": 1.0}


def cluster(monkeypatch: pytest.MonkeyPatch, folder: Path, nodes: list[dict[str, float]], config: Any) -> Capacity:
    monkeypatch.setattr("fsm_icl.tune.session.nodes", lambda _: nodes)
    monkeypatch.setattr(capacity, "HEADS_FILE", folder / "ray_bootstrap_config.yaml")
    if config is not None:
        capacity.HEADS_FILE.write_text(yaml.safe_dump(config))
    return of_cluster("auto")


def on_aws() -> Any:
    return yaml.safe_load((ROOT / "cluster" / "gpu.yaml").read_text())


def over_ssh(workers: int) -> Any:
    """As Ray completes cluster/on_prem.yaml: it does not say what machines have."""
    kind = {"node_config": {}, "resources": {}, "min_workers": workers, "max_workers": workers}
    return {
        "available_node_types": {"local.cluster.node": kind},
        "head_node_type": "local.cluster.node",
        "max_workers": workers,
    }


def test_workers_that_are_not_there_yet_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cluster(monkeypatch, tmp_path, [HEAD], on_aws()) == Capacity(32, 8)
    assert cluster(monkeypatch, tmp_path, [HEAD, WORKER, WORKER], on_aws()) == Capacity(32, 8)


def test_the_limit_of_the_whole_cluster_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cluster(monkeypatch, tmp_path, [HEAD], on_aws() | {"max_workers": 3}) == Capacity(12, 3)


def test_machines_over_ssh_are_taken_to_be_like_the_largest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cluster(monkeypatch, tmp_path, [{"CPU": 2.0}], over_ssh(3)) == Capacity(8, 0)
    assert cluster(monkeypatch, tmp_path, [{"CPU": 2.0}, WORKER], over_ssh(3)) == Capacity(16, 4)


def test_without_the_file_it_is_what_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cluster(monkeypatch, tmp_path, [HEAD, WORKER, WORKER], None) == Capacity(8, 2)


def test_this_machine_counts_what_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 3, 4})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert of_this_machine() == Capacity(3, 0)
