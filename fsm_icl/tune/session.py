"""Ray for one run: started on this machine and reached by this user alone, or a cluster that runs already."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fsm_icl.tune import environment  # first: it sets what Ray reads when it is imported

# isort: split
import ray
from ray._private import services, utils
from ray.tune.execution import class_cache

from fsm_icl.results.files import os_error_text
from fsm_icl.tune.scratch import scratch_folder

_QUIET = {"log_to_driver": False, "logging_level": logging.ERROR}
_SECRETS = {name for name in class_cache.ENV_VARS_TO_PROPAGATE if not name.startswith(("RAY_", "TUNE_"))}
# Tune would send them to its workers in their runtime_env, which Ray writes to a log that everybody can read.
# Workers on this machine inherit the driver's environment anyway; those of a cluster have an account of their own.
class_cache.ENV_VARS_TO_PROPAGATE.difference_update(_SECRETS)

ATTEMPTS = 2
"""To start Ray: on a busy machine the first one may run into Ray's own time limit."""


class SessionError(ValueError):
    """There is no Ray to run on: why, and what would help."""


@contextlib.contextmanager
def session(address: str | None, num_cpus: int, num_gpus: int | None = None) -> Iterator[Path]:
    """Ray, and a scratch folder that goes with it.

    Args:
        address: of a cluster that runs already; None starts Ray on this machine.
        num_cpus: CPUs that are given away on this machine.
        num_gpus: its GPUs that are given away; None: those that Ray finds.

    Raises:
        SessionError: Ray can't be started or reached.
    """
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(_scratch())
        if address is None:
            stack.enter_context(environment.local_environment(scratch))
        stack.callback(ray.shutdown)
        with _as_session_errors(address):
            if address is None:
                _start(num_cpus, num_gpus, scratch)
            else:
                _connect(address)
        _take_signals_back()
        for name in ("ray.tune", "ray.train"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        yield scratch / "tune"


def nodes(address: str) -> list[dict[str, float]]:
    """What each machine of a running cluster has for trials.

    Raises:
        SessionError: the cluster can't be reached, or does not let us in.
    """
    try:
        with _as_session_errors(address):
            _connect(address)
            return [node["Resources"] for node in ray.nodes() if node["Alive"]]
    finally:
        ray.shutdown()


def check_this_machine(address: str | None) -> None:
    """See, before anything is written, to what Ray would fail without.

    Raises:
        SessionError: there is no room for its temporary files, or no loopback network.
    """
    with _scratch():
        pass
    if address is None:
        try:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                probe.listen()
                socket.create_connection(probe.getsockname(), timeout=5).close()
        except OSError as error:
            why = f"{error.strerror or error}; as root, `ip link set lo up` may help"
            raise SessionError(f"Ray needs the loopback network 127.0.0.1: {why}") from None


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(scratch_folder())
        except OSError as error:
            raise SessionError(f"Ray needs a folder for temporary files: {os_error_text(error)}") from None
        yield folder


@contextlib.contextmanager
def _as_session_errors(address: str | None) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # Ray raises whatever its parts raise
        what = "Ray did not start on this machine" if address is None else f"no Ray cluster at {address!r}"
        first = next(iter(str(error).strip().splitlines()), "")
        raise SessionError(f"{what}: {first or type(error).__name__}") from error


def _start(num_cpus: int, num_gpus: int | None, scratch: Path) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _init(num_cpus, num_gpus, scratch / f"ray{attempt}")
        except Exception:
            ray.shutdown()
            if attempt == ATTEMPTS:
                raise
    return None


def _init(num_cpus: int, num_gpus: int | None, folder: Path) -> None:
    # Else every part of Ray listens on every network.
    with _replaced(services, "resolve_ip_for_localhost", lambda host: host), _keeping_our_sigterm():
        ray.init(
            address="local",
            num_cpus=num_cpus,
            num_gpus=num_gpus,
            include_dashboard=False,
            object_store_memory=2**27,
            _node_ip_address="127.0.0.1",
            _temp_dir=str(folder),
            **_QUIET,
        )


def _connect(address: str) -> None:
    """Join a cluster. Its workers get this code, unless this is a Ray job, whose code they have anyway."""
    in_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
    code = {} if in_job else {"py_modules": [str(Path(__file__).parents[1])]}
    with _keeping_our_sigterm():
        ray.init(address=address, runtime_env=code, **_QUIET)


def _keeping_our_sigterm() -> contextlib.AbstractContextManager[None]:
    """Ray's own handler would end the run without a word."""
    return _replaced(utils, "set_sigterm_handler", lambda _: None)


def _take_signals_back() -> None:
    """Let Python's handlers stand again: Ray's C++ puts one in their place, which prints a stack at SIGTERM."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, signal.getsignal(number))


@contextlib.contextmanager
def _replaced(module: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)
