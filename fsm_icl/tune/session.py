"""Ray for one run: started on this machine and reached from nowhere else, or a cluster that runs already."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # on loopback alone; a cluster's machines have it set to token
os.environ.update(  # read by Ray when it is imported
    RAY_AIR_NEW_OUTPUT="0",
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",
    RAY_CHDIR_TO_TRIAL_DIR="0",
    RAY_ENABLE_UV_RUN_RUNTIME_ENV="0",
    RAY_USAGE_STATS_ENABLED="0",
    RAY_enable_worker_prestart="0",
    TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
    TUNE_DISABLE_SIGINT_HANDLER="1",
    TUNE_GLOBAL_CHECKPOINT_S="3600",
    TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S="0",
)
import ray
from ray._private import services

import fsm_icl

_QUIET = {"log_to_driver": False, "logging_level": logging.ERROR}


@contextlib.contextmanager
def session(address: str | None, num_cpus: int, num_gpus: int | None = None) -> Iterator[Path]:
    """Ray, and a scratch folder that goes with it.

    Args:
        address: of a cluster that runs already; None starts Ray on this machine.
        num_cpus: CPUs that are given away on this machine.
        num_gpus: its GPUs that are given away; None: those that Ray finds.
    """
    # Ray's unix sockets lie below it, and their paths may have 107 characters.
    short = tempfile.gettempdir() if len(tempfile.gettempdir()) <= 24 else "/tmp"
    _clear_scratch(Path(short))
    scratch = Path(tempfile.mkdtemp(prefix=f"fsm-{os.getpid()}-", dir=short))
    try:
        if address is None:
            _start(num_cpus, num_gpus, scratch / "ray")
        else:
            _connect(address)
        for name in ("ray.tune", "ray.train"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        yield scratch / "tune"
    finally:
        ray.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)


def nodes(address: str) -> list[dict[str, float]]:
    """What each machine of a running cluster has for trials.

    Raises:
        ValueError: the cluster can't be reached, or does not let us in.
    """
    try:
        _connect(address)
        return [node["Resources"] for node in ray.nodes() if node["Alive"]]
    except (ConnectionError, RuntimeError, ray.exceptions.AuthenticationError) as error:
        raise ValueError(f"no Ray cluster at {address!r}: {str(error).splitlines()[0]}") from None
    finally:
        ray.shutdown()


def _start(num_cpus: int, num_gpus: int | None, folder: Path) -> None:
    resolve = services.resolve_ip_for_localhost
    services.resolve_ip_for_localhost = lambda host: host  # else every part of Ray listens on every network
    try:
        ray.init(
            num_cpus=num_cpus,
            num_gpus=num_gpus,
            include_dashboard=False,
            object_store_memory=2**27,
            _node_ip_address="127.0.0.1",
            _temp_dir=str(folder),
            **_QUIET,
        )
    finally:
        services.resolve_ip_for_localhost = resolve


def _connect(address: str) -> None:
    """Join a cluster. Its workers get this code, unless this is a Ray job, whose code they have anyway."""
    in_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
    code = {} if in_job else {"py_modules": [str(Path(fsm_icl.__file__).parent)]}
    ray.init(address=address, runtime_env=code, **_QUIET)


def _clear_scratch(folder: Path) -> None:
    """Remove what drivers that were killed have left behind."""
    for path in folder.glob("fsm-*-*"):
        pid = path.name.split("-")[1]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            shutil.rmtree(path, ignore_errors=True)
