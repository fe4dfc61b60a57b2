"""What Ray reads from the environment. Imported before ray, which looks at some of it when it is imported."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

ALWAYS = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_worker_prestart": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
TOKEN = "token"
_NO_PROXY = ("no_proxy", "NO_PROXY", "no_grpc_proxy")
_LOOPBACK = "127.0.0.1,localhost"

os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # of a cluster that asks for no token; one that does has it set
os.environ.update(ALWAYS)


@contextlib.contextmanager
def local_environment(scratch: Path) -> Iterator[None]:
    """Inside, Ray starts on this machine whatever the shell's variables say, and lets in who has the run's token.

    The token is random, and lies in a file of `scratch` that only this user can read. Without one, every user of the
    machine could replace the code that Ray's workers load. Variables such as RAY_ADDRESS or RAY_NAMESPACE, which point
    to other clusters, are taken away; Ray's own settings (RAY_memory_usage_threshold, ...) stay.
    """
    token = scratch / TOKEN
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    wanted: dict[str, str | None] = dict.fromkeys(_misleading())
    wanted |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    wanted |= {name: ",".join(filter(None, (_LOOPBACK, os.environ.get(name)))) for name in _NO_PROXY}
    before = {name: os.environ.get(name) for name in wanted}
    try:
        _set(wanted)
        yield
    finally:
        _set(before)


def _misleading() -> list[str]:
    return [name for name in os.environ if re.match("(RAY|TUNE)_[A-Z]", name) and name not in ALWAYS]


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    _read_again()


def _read_again() -> None:
    """Ray keeps what it has read of the environment, the token included."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]  # compiled

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
