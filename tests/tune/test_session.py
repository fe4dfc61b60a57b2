"""Ray on one machine is reached from that machine alone."""

from __future__ import annotations

import ipaddress

import pytest

from fsm_icl.tune.session import session

pytestmark = [pytest.mark.ray, pytest.mark.timeout(3600)]


def test_nothing_listens_beyond_loopback() -> None:
    import psutil  # comes with ray
    import ray

    with session(None, 1):
        ray.get(ray.remote(lambda: None).remote())  # so that there is a worker
        me = psutil.Process()
        parts = [me, *me.children(recursive=True)]
        found = [(p.name(), c.laddr.ip) for p in parts for c in p.net_connections("inet") if c.status == "LISTEN"]
    assert {"gcs_server", "raylet"} <= {name for name, _ in found}
    assert [where for where in found if not _is_loopback(where[1])] == []


def _is_loopback(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback
