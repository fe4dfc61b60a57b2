"""How far a cluster may grow: read from the file that the autoscaler itself was given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fsm_icl.cluster.cluster_file import ROOT
from fsm_icl.sweep.file.spec import ResourcesSpec
from fsm_icl.tune.resources import capacity
from fsm_icl.tune.resources.capacity import VARIABLE, capacity_here, cpu_doubt, of_cluster, stated
from fsm_icl.tune.resources.packing import Capacity, Hosts, Packing

HEAD = {"CPU": 0.0, "GPU": 0.0, "memory": 1e9}
WORKER = {"CPU": 4.0, "GPU": 1.0}


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def cluster(
    monkeypatch: pytest.MonkeyPatch, folder: Path, nodes: list[dict[str, float]], config: Any, said: str | None = None
) -> Capacity:
    monkeypatch.setattr("fsm_icl.tune.session.nodes", lambda _: nodes)
    monkeypatch.setattr(capacity, "HEADS_FILE", folder / "ray_bootstrap_config.yaml")
    if config is not None:
        capacity.HEADS_FILE.write_text(yaml.safe_dump(config))
    return of_cluster("auto", None if said is None else stated(said))


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


def test_several_types_share_the_limit_of_the_whole_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = on_aws()
    assert len(config["available_node_types"]) > 2
    config["available_node_types"]["large"] = {"resources": {"CPU": 48, "GPU": 4}, "max_workers": 2}
    assert cluster(monkeypatch, tmp_path, [HEAD], config) == Capacity(2 * 48 + 6 * 4, 2 * 4 + 6)


def test_unequal_machines_over_ssh_that_are_all_there_are_what_they_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = cluster(monkeypatch, tmp_path, [{"CPU": 64.0}, {"CPU": 8.0, "GPU": 1.0}], over_ssh(1))
    assert found == Capacity(72, 1)
    assert Packing(ResourcesSpec(gpus_per_trial=0.01), found).fit(["cell"]) == 8


def test_machines_over_ssh_are_taken_to_be_like_the_largest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cluster(monkeypatch, tmp_path, [{"CPU": 2.0}], over_ssh(3)) == Capacity(8, 0)
    assert cluster(monkeypatch, tmp_path, [{"CPU": 2.0}, WORKER], over_ssh(3)) == Capacity(16, 4)


def test_without_the_file_it_is_what_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cluster(monkeypatch, tmp_path, [HEAD, WORKER, WORKER], None) == Capacity(8, 2)


def test_this_machine_counts_what_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 3, 4})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert capacity_here() == Capacity(3, 0)


@pytest.mark.parametrize("nodes", [[HEAD], []])
def test_a_cluster_of_which_nobody_knows_what_it_will_have_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nodes: list[dict[str, float]]
) -> None:
    with pytest.raises(ValueError, match=f"no CPU for trials yet.* --capacity CPUS,GPUS.*{VARIABLE}"):
        cluster(monkeypatch, tmp_path, nodes, None)


def test_what_is_said_of_a_cluster_counts_before_it_has_grown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cluster(monkeypatch, tmp_path, [HEAD], None, "32,8") == Capacity(32, 8)
    assert cluster(monkeypatch, tmp_path, [HEAD, WORKER], None, "32,8") == Capacity(32, 8)
    monkeypatch.setenv(VARIABLE, "16, 4")
    assert cluster(monkeypatch, tmp_path, [HEAD], None) == Capacity(16, 4)
    assert cluster(monkeypatch, tmp_path, [HEAD], None, "32,8") == Capacity(32, 8)  # the option before the variable
    assert cluster(monkeypatch, tmp_path, [HEAD, *5 * [WORKER]], None) == Capacity(20, 5)  # more is there than was said
    monkeypatch.setenv(VARIABLE, "many")
    with pytest.raises(ValueError, match=rf"{VARIABLE}: expected CPUS,GPUS .* found 'many'"):
        cluster(monkeypatch, tmp_path, [HEAD], None)


NO_CAPACITY = ["", "8", "8,", "a,b", "0,1", "-1,2", "8,1,1", "1.5,1", "8,1x", "8,1x0", "0,1x2", "8,1+", "+", "8x2"]


@pytest.mark.parametrize("text", NO_CAPACITY)
def test_what_is_no_capacity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected CPUS,GPUS of the whole cluster, such as 32,8"):
        stated(text)


def test_kinds_of_hosts_are_told_apart() -> None:
    found = stated("4,1x8 + 64,0x2")
    assert found == Capacity(160, 8)
    assert found.hosts == (Hosts(4, 1, count=8), Hosts(64, 0, count=2))
    assert stated("8,1+64,0").hosts == (Hosts(8, 1), Hosts(64, 0))
    assert stated("32,8").hosts == (Hosts(32, 8),)


def test_cpus_of_hosts_without_a_gpu_hold_no_trial_that_needs_one() -> None:
    """In all there are 160 CPUs and 8 GPUs, as if of one host: 20 CPUs a GPU."""

    def fit(text: str) -> int:
        return Packing(ResourcesSpec(gpus_per_trial=0.01), stated(text)).fit(["cell"])

    assert fit("160,8") == 160
    assert fit("4,1x8+64,0x2") == 32
    big = Packing(ResourcesSpec(cpus_per_trial=16), stated("4,1x8"))
    assert "there are 4 on one host" in str(big.problem)


def test_hosts_that_were_said_count_until_a_cluster_has_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = "4,1x8+64,0x2"
    assert cluster(monkeypatch, tmp_path, [HEAD, WORKER], None, said).hosts == stated(said).hosts
    monkeypatch.setenv(VARIABLE, said)
    assert cluster(monkeypatch, tmp_path, [HEAD], None).hosts == stated(said).hosts
    grown = cluster(monkeypatch, tmp_path, [HEAD, *40 * [WORKER]], None)
    assert grown == Capacity(160, 40)
    assert {(kind.cpus, kind.gpus) for kind in grown.hosts} == {(4, 1)}
    mixed = cluster(monkeypatch, tmp_path, [HEAD, *10 * [WORKER]], None)  # more GPUs than were said, fewer CPUs
    assert mixed.hosts == (Hosts(160, 10),)


def test_a_cluster_without_gpus_is_never_silently_the_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def doubt(nodes: list[dict[str, float]], **resources: Any) -> str | None:
        return cpu_doubt(Packing(ResourcesSpec(**resources), cluster(monkeypatch, tmp_path, nodes, None)), "auto")

    assert "trials run on its CPUs; where GPUs come later, say so with --capacity" in str(doubt([HEAD, {"CPU": 8.0}]))
    assert doubt([HEAD, {"CPU": 8.0}], gpus_per_trial=0) is None
    assert doubt([HEAD, WORKER]) is None
    monkeypatch.setenv(VARIABLE, "32,8")
    assert doubt([HEAD, {"CPU": 8.0}]) is None


def test_on_this_machine_what_is_said_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert capacity_here(cpus=3, gpus=2) == Capacity(3, 2)
    assert capacity_here(gpus=1).gpus == 1
    monkeypatch.setattr(capacity, "driver_gpus", lambda: 1)
    with pytest.raises(ValueError, match="--gpus 2: the driver lists 1; name MIG slices"):
        capacity_here(gpus=2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-a,MIG-b")
    assert capacity_here(gpus=2).gpus == 2
    with pytest.raises(ValueError, match="CUDA_VISIBLE_DEVICES='MIG-a,MIG-b' shows 2"):
        capacity_here(gpus=3)


def test_cpus_beside_no_gpu_do_not_count_for_trials_on_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nodes = [HEAD, {"CPU": 64.0}, {"CPU": 8.0, "GPU": 1.0}]
    found = cluster(monkeypatch, tmp_path, nodes, None)
    assert found == Capacity(72, 1)
    assert Packing(ResourcesSpec(gpus_per_trial=0.01), found).fit(["cell"]) == 8
    assert Packing(ResourcesSpec(gpus_per_trial=0), found).fit(["cell"]) == 72
    assert "there are 8 on one host" in str(Packing(ResourcesSpec(cpus_per_trial=16), found).problem)
