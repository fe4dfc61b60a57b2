"""What makes a cluster file unsafe, or unable to work: `fsm-icl doctor --cluster FILE`. Reads the file alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fsm_icl.cluster.cluster_file import pinned, placeholders, read_cluster_file
from fsm_icl.cluster.token import token_problem
from fsm_icl.tune.resources.capacity import VARIABLE, stated

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_WORLD = {"0.0.0.0/0", "::/0"}


def problems(path: Path) -> list[str]:
    """What is wrong with it, each with where and what would be right; nothing if it can be used.

    Raises:
        ValueError: it is no cluster file at all.
        OSError: it can't be read.
    """
    config = read_cluster_file(path)
    if config.get("kind") == "RayJob":
        found = _kuberay(config)
    elif isinstance(config.get("provider"), dict):
        found = _launched(config)
    else:
        raise ValueError(f"{path}: neither a cluster file of `ray up` (it has no provider) nor a RayJob")
    names = placeholders(path.read_text(encoding="utf-8"))
    unfilled = [f"<{name}> is not filled in" for name in names]
    return [f"{path}: {problem}" for problem in (*unfilled, *found)]


def _launched(config: Mapping[str, Any]) -> Iterator[str]:
    """Of a file for `ray up`."""
    yield from _dashboard(config)
    yield from _token(config)
    yield from _versions(config)
    if config["provider"].get("type") == "aws":
        yield from _aws(config)


def _starts(config: Mapping[str, Any], who: str) -> list[str]:
    """Commands that start Ray on the head, or on workers."""
    return [command for command in config.get(f"{who}_start_ray_commands") or [] if "ray start" in command]


def _dashboard(config: Mapping[str, Any]) -> Iterator[str]:
    if not _starts(config, "head"):
        yield "head_start_ray_commands: has no `ray start`; Ray's own opens the dashboard to every network"
    for command in _starts(config, "head"):
        for host in re.findall(r"--dashboard-host[= ]+(\S+)", command):
            if host not in _LOOPBACK:
                yield (
                    f"head_start_ray_commands: a public dashboard ({host}), which runs whatever it is sent; write "
                    "--dashboard-host=127.0.0.1 and reach it through an SSH tunnel"
                )


def _token(config: Mapping[str, Any]) -> Iterator[str]:
    for who in ("head", "worker"):
        if not all(re.search(r"RAY_AUTH_MODE=token\b.*ray start", command) for command in _starts(config, who)):
            yield f"{who}_start_ray_commands: no token is asked for; write RAY_AUTH_MODE=token before `ray start`"
    if not _starts(config, "worker"):
        yield "worker_start_ray_commands: has no `ray start`; Ray's own asks for no token"
    if "~/.ray/auth_token" not in (config.get("file_mounts") or {}):
        yield "file_mounts: the token does not travel; add `~/.ray/auth_token: ~/.ray/auth_token`"
    if problem := token_problem():
        yield problem


def _versions(config: Mapping[str, Any]) -> Iterator[str]:
    commands = " ".join(config.get("setup_commands") or [])
    stated = re.search(r"setup\.sh (\d+\.\d+\.\d+) (\d+\.\d+\.\d+)", commands)
    if stated is None:
        yield "setup_commands: exact versions are not checked; run `setup.sh PYTHON RAY`, as in 3.11.14 2.60.0"
    else:
        yield from _ray_version("setup_commands", stated[2])


def _ray_version(where: str, stated: object) -> Iterator[str]:
    if str(stated) != pinned()["ray"]:
        yield f"{where}: Ray {stated}, but constraints.txt has {pinned()['ray']}; make them the same"


def _aws(config: Mapping[str, Any]) -> Iterator[str]:
    rules = (config["provider"].get("security_group") or {}).get("IpPermissions") or []
    if any(word in str(rule) for rule in rules for word in _WORLD):
        yield "provider.security_group: open to the world; allow your own address alone"
    types = config.get("available_node_types") or {}
    for name, kind in types.items():
        node = kind.get("node_config") or {}
        yield from (f"available_node_types.{name}.node_config: {problem}" for problem in _node(node))
    head = types.get(config.get("head_node_type")) or {}
    if "InstanceMarketOptions" in (head.get("node_config") or {}):
        yield "head_node_type: the head is on spot; losing it ends the driver: remove InstanceMarketOptions"


def _node(node: Mapping[str, Any]) -> Iterator[str]:
    if not node.get("SecurityGroupIds"):
        yield "no SecurityGroupIds, so Ray makes a group with SSH open to the world; name one you have prepared"
    if not node.get("IamInstanceProfile"):
        yield "no IamInstanceProfile, so no access to s3:// (or, on the head, to every bucket); name one"
    if (node.get("MetadataOptions") or {}).get("HttpTokens") != "required":
        yield "instance metadata answer without a token (IMDSv1); add MetadataOptions: {HttpTokens: required}"
    if not node.get("ImageId"):
        yield "no ImageId, so Ray takes an image of 2018; name one"


def _kuberay(config: Mapping[str, Any]) -> Iterator[str]:
    cluster = (config.get("spec") or {}).get("rayClusterSpec") or {}
    if (cluster.get("authOptions") or {}).get("mode") != "token":
        yield "spec.rayClusterSpec.authOptions: no token is asked for; write {mode: token}"
    head = cluster.get("headGroupSpec") or {}
    if head.get("serviceType", "ClusterIP") != "ClusterIP" or head.get("enableIngress"):
        yield "spec.rayClusterSpec.headGroupSpec: a public dashboard; use serviceType: ClusterIP and no ingress"
    yield from _ray_version("spec.rayClusterSpec.rayVersion", cluster.get("rayVersion"))
    yield from _capacity(str((config.get("spec") or {}).get("entrypoint")), cluster)


def _capacity(entrypoint: str, cluster: Mapping[str, Any]) -> Iterator[str]:
    """What the job is told of its workers, against what they may grow to."""
    most = [0.0, 0.0]
    for group in cluster.get("workerGroupSpecs") or []:
        limits = _container(group).get("resources", {}).get("limits") or {}
        count = _quantity(group.get("maxReplicas", 0))
        most = [sum_ + count * _quantity(limits.get(name, 0)) for sum_, name in zip(most, _LIMITS, strict=True)]
    env = _container(cluster.get("headGroupSpec") or {}).get("env") or []
    told = {entry.get("name"): entry.get("value") for entry in env}
    said = re.search(r"--capacity[= ](\S+)", entrypoint)
    capacity = said[1] if said else told.get(VARIABLE)
    wanted = ",".join(str(int(number)) for number in most)
    if capacity is None:
        yield f"spec.rayClusterSpec.headGroupSpec: the head's env has no {VARIABLE}; set it to {wanted}"
        return
    try:
        found = stated(str(capacity))
    except ValueError as error:
        yield f"{VARIABLE}: {error}"
        return
    if f"{found.cpus},{found.gpus}" != wanted:
        yield f"{VARIABLE}: is {capacity}, but workers may grow to {wanted} (maxReplicas x limits)"


_LIMITS = ("cpu", "nvidia.com/gpu")


def _quantity(value: object) -> float:
    """A number as Kubernetes writes it: 4, "4", "4000m". Raises ValueError where it is none."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(m?)", str(value))
    if match is None:
        raise ValueError(f"expected a number such as 4 or 4000m, found {value!r}")
    return float(match[1]) / (1000 if match[2] else 1)


def _container(group: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first container of a group's pods; an empty one where the file has none."""
    spec = (group.get("template") or {}).get("spec") or {}
    found: Mapping[str, Any] = (spec.get("containers") or [{}])[0] or {}
    return found
