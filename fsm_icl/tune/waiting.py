"""What is said while trials wait for a machine that does not come: how many were asked for, and Ray's own reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

import ray

PATIENCE = 120.0
"""Seconds for which a machine may be on its way before that is said, and between one time and the next."""
_SECTIONS = ("Pending:", "Recent failures:")
"""Of what `ray status` prints: machines on their way, and those that could not be had."""
_NOBODY = "Ray has asked nobody for one: no autoscaler runs, its limits are reached, or none of its machines would do"
_BROKEN = "The autoscaler failed"


class Patience:
    """Looks now and then whether anything has waited for too long."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """`say` gets the line."""
        self._say, self._since = say, time.monotonic()

    def look(self, waiting: int, running: int, wanted: Mapping[str, float]) -> None:
        """Say that a machine is waited for where one has been for long.

        Args:
            waiting: number of trials or tasks that Ray was given and has not begun.
            running: number of those that it has.
            wanted: resource -> how much there is once all machines have come.
        """
        now = time.monotonic()
        if not waiting:
            self._since = now
        if now - self._since < PATIENCE:
            return
        self._since = now
        try:
            there = ray.cluster_resources()
        except Exception:  # noqa: BLE001  (Tune asks this, and would end the sweep; it is asked again in a while)
            return
        missing = {name: number for name, number in wanted.items() if there.get(name, 0.0) < number}
        if missing:
            self._say(_sentence(missing, there, why()))
        elif not running:
            found = " and ".join(f"{number:g} {name}s" for name, number in wanted.items())
            self._say(f"no trial has begun yet: {found} are there, but others have them, or processes start slowly")


def _sentence(wanted: Mapping[str, float], there: Mapping[str, float], reason: str) -> str:
    asked = " and ".join(f"{number:g} {name}s" for name, number in wanted.items())
    found = " and ".join(f"{there.get(name, 0.0):g}" for name in wanted)
    return f"waiting for a machine (asked for {asked}, there: {found}; why: {reason})"


def why() -> str:
    """Why no machine comes, in Ray's own words as `ray status` has them."""
    try:
        status = _status()
    except Exception as error:  # noqa: BLE001  (whatever Ray says to the question, the sweep goes on)
        return f"Ray does not say ({' '.join(str(error).split())[:200]})"
    reasons = list(dict.fromkeys(_reasons(iter(status.splitlines()))))
    return "; ".join(reasons) or _NOBODY


def _status() -> str:
    """What `ray status` prints."""
    from ray._private import ray_constants
    from ray.autoscaler._private.commands import debug_status
    from ray.experimental.internal_kv import _internal_kv_get

    keys = (ray_constants.DEBUG_AUTOSCALING_STATUS, ray_constants.DEBUG_AUTOSCALING_ERROR)
    status, error = (_internal_kv_get(key) for key in keys)
    return str(debug_status(status, error, verbose=True, address=ray.get_runtime_context().gcs_address))


def _reasons(lines: Iterator[str]) -> Iterator[str]:
    """The lines of the sections that tell why; what comes after them, and what says that there is nothing, is not."""
    inside = False
    for line in lines:
        if line.startswith(_BROKEN):
            yield next((last.strip() for last in reversed(list(lines)) if last.strip()), line)  # of its trace-back
        elif not line.startswith(" "):
            inside = line in _SECTIONS
        elif inside and not line.strip().startswith("(no "):
            yield line.strip()
