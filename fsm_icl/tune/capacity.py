"""What there is to run trials on: this machine, or a cluster, also while it has not grown yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fsm_icl.hardware import num_cores, num_gpus
from fsm_icl.tune.packing import Capacity

HEADS_FILE = Path("~/ray_bootstrap_config.yaml")
"""On the head of a cluster that `ray up` started: what the autoscaler may start. Ray itself can't be asked."""

Resources = Mapping[str, float]


def of_this_machine() -> Capacity:
    """Cores that this process may use, and visible GPUs."""
    return Capacity(num_cores(), num_gpus())


def of_cluster(address: str) -> Capacity:
    """Of a Ray cluster that runs already, once it has grown.

    Raises:
        ValueError: it can't be reached, or does not let us in.
    """
    from fsm_icl.tune.session import nodes

    there = nodes(address)
    file = HEADS_FILE.expanduser()
    limits = _read(file) if file.is_file() else {}
    return Capacity(*(int(_most(name, there, limits)) for name in ("CPU", "GPU")))


def _most(resource: str, nodes: Sequence[Resources], limits: Mapping[str, Any]) -> float:
    """What there is now, or may be.

    A file for machines reached over SSH does not say what they have: as much as the largest that is there, then.
    """
    now = [node.get(resource, 0.0) for node in nodes]
    may_be = 0.0
    for name, kind in limits.get("available_node_types", {}).items():
        stated = kind.get("resources") or {"CPU": max(now, default=0.0), "GPU": max(now, default=0.0)}
        count = min(kind.get("max_workers", 0), limits.get("max_workers", 0)) + (name == limits.get("head_node_type"))
        may_be += count * stated.get(resource, 0.0)
    return max(sum(now), may_be)


def _read(file: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML

    values = YAML(typ="safe", pure=True).load(file)
    return values if isinstance(values, dict) else {}
