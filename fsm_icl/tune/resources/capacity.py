"""What there is to run trials on: this machine, or a cluster, also while it has not grown yet."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fsm_icl.hardware import driver_gpus, memory_bytes, num_cores, num_gpus, uncounted_gpus, visible_gpus
from fsm_icl.tune.resources.packing import Capacity, Hosts, Packing

HEADS_FILE = Path("~/ray_bootstrap_config.yaml")
"""On the head of a cluster that `ray up` started: what the autoscaler may start. Ray itself can't be asked."""
VARIABLE = "FSM_ICL_CAPACITY"
"""Environment variable that says of a cluster what `--capacity` does: a cluster's file sets it beside its limits."""
FOR_TRIALS = 0.7
"""Share of a host's memory that its trials may use, as on a cluster: the rest is Ray's object store."""

Resources = Mapping[str, float]


def capacity_here(cpus: int | None = None, gpus: int | None = None) -> Capacity:
    """Cores that this process may use, and visible GPUs, unless the user says what there is.

    Raises:
        ValueError: more GPUs are asked for than CUDA_VISIBLE_DEVICES lets anybody see, or than the driver lists.
    """
    visible, listed = visible_gpus(), driver_gpus()
    if gpus and visible is None and 0 < listed < gpus:
        raise ValueError(f"--gpus {gpus}: the driver lists {listed}; name MIG slices in CUDA_VISIBLE_DEVICES")
    if gpus and visible is not None and gpus > len(visible):
        raise ValueError(f"--gpus {gpus}: CUDA_VISIBLE_DEVICES={','.join(visible)!r} shows {len(visible)}; set it, too")
    stated, memory = gpus is not None, memory_bytes()
    cpus, gpus = num_cores() if cpus is None else cpus, num_gpus() if gpus is None else gpus
    return Capacity(cpus, gpus, (Hosts(cpus, gpus, None if memory is None else FOR_TRIALS * memory),), stated)


def stated(text: str) -> Capacity:
    """The capacity in a text such as `32,8`, CPUs and GPUs in all, or `4,1x8+64,0x2`, those of each kind of host.

    Raises:
        ValueError: it is none.
    """
    kinds = [_kind(part) for part in text.split("+")]
    if "+" not in text and "x" not in text and kinds[0]:
        return Capacity(kinds[0].cpus, kinds[0].gpus)
    hosts = tuple(kind for kind in kinds if kind)
    if len(hosts) < len(kinds):
        raise ValueError(
            "expected CPUS,GPUS of the whole cluster, such as 32,8, or of one host of each kind and their number, such "
            f"as 4,1x8+64,0x2, found {text!r}"
        )
    return Capacity(_sum("cpus", hosts), _sum("gpus", hosts), hosts)


def _kind(text: str) -> Hosts | None:
    """The hosts in a text such as `4,1x8`, None where it names none."""
    match = re.fullmatch(r"\s*([0-9]{1,6})\s*,\s*([0-9]{1,6})\s*(?:x\s*([0-9]{1,6})\s*)?", text)
    if match is None:
        return None
    cpus, gpus, count = int(match[1]), int(match[2]), int(match[3] or 1)
    return Hosts(cpus, gpus, count=count) if cpus and count else None


def of_cluster(address: str, said: Capacity | None = None) -> Capacity:
    """Of a Ray cluster that runs already, once it has grown: as far as its head knows, or as was `said`.

    Raises:
        ValueError: it can't be reached, does not let us in, or nobody knows what it will have.
    """
    from fsm_icl.tune.session import nodes

    said = said or _in_environment()
    there = nodes(address)
    file = HEADS_FILE.expanduser()
    known = _most(there, _read(file) if file.is_file() else {})
    if said is not None:
        most = Capacity(max(said.cpus, known.cpus), max(said.gpus, known.gpus))
        # Capacities are equal where their sums are; of neither's hosts where each has more of something.
        kinds = known.kinds if known == most else said.kinds if said == most else ()
        return replace(most, kinds=kinds, stated=True)
    if not known.cpus:
        raise ValueError(
            f"the cluster at {address!r} has no CPU for trials yet, and nothing says what it may grow to: give "
            f"--capacity CPUS,GPUS, such as 32,8, or set {VARIABLE}"
        )
    return known


def cpu_doubt(packing: Packing, address: str | None) -> str | None:
    """Why trials would run on the CPU though GPUs may be meant; None where they do not, or where the user said so."""
    if packing.resources.gpus_per_trial != "auto" or packing.capacity.gpus:
        return None
    if address is None:
        return None if packing.capacity.stated else uncounted_gpus()
    later = "" if packing.capacity.stated else "; where GPUs come later, say so with --capacity CPUS,GPUS"
    return f"no GPU on the cluster at {address!r}: trials run on its CPUs{later}"


def _in_environment() -> Capacity | None:
    text = os.environ.get(VARIABLE)
    try:
        return stated(text) if text else None
    except ValueError as error:
        raise ValueError(f"{VARIABLE}: {error}") from None


def _most(nodes: Sequence[Resources], limits: Mapping[str, Any]) -> Capacity:
    """What there is now, or may be.

    A file for machines reached over SSH does not say what they have: as much as the largest that is there, then.
    """
    now = [_host(node) for node in nodes]
    heads: list[Hosts] = []
    workers: list[Hosts] = []
    limit = limits.get("max_workers", 0)
    for name, kind in limits.get("available_node_types", {}).items():
        head, count = (
            name == limits.get("head_node_type"),
            min(kind.get("max_workers", 0), limits.get("max_workers", 0)),
        )
        if kind.get("resources"):
            one = _host(kind["resources"])
        elif count + head > len(now):
            one = Hosts(*(max((getattr(host, what) for host in now), default=0) for what in ("cpus", "gpus")))
        else:
            continue
        heads += [one] * head
        workers.append(replace(one, count=count))
    may_be = [*heads, *_within(workers, limit)]
    cpus, gpus = (max(_sum(what, now), _sum(what, may_be)) for what in ("cpus", "gpus"))
    kinds = max(now, may_be, key=lambda kinds: (_sum("gpus", kinds), _sum("cpus", kinds)))
    return Capacity(cpus, gpus, tuple(kind for kind in kinds if kind.cpus))


def _within(kinds: Sequence[Hosts], left: int) -> list[Hosts]:
    """As many of them as there may be in all: those with most GPUs first, then those with most CPUs."""
    taken = []
    for kind in sorted(kinds, key=lambda kind: (kind.gpus, kind.cpus), reverse=True):
        taken.append(replace(kind, count=min(kind.count, left)))
        left -= taken[-1].count
    return [kind for kind in taken if kind.count]


def _host(resources: Resources, count: int = 1) -> Hosts:
    return Hosts(int(resources.get("CPU", 0)), int(resources.get("GPU", 0)), resources.get("memory"), count)


def _sum(what: str, kinds: Sequence[Hosts]) -> int:
    return sum(kind.count * int(getattr(kind, what)) for kind in kinds)


def _read(file: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML

    values = YAML(typ="safe", pure=True).load(file)
    return values if isinstance(values, dict) else {}
