"""The one door to wandb: whether a server can be reached, with which settings, and what went wrong, in one line.

wandb reads dozens of environment variables, a settings file in the home folder and one in the working folder, and
each can overrule what a call asks for. Here it gets what says how a server is reached, and nothing else. Asks nobody
anything, prints nothing.
"""

from __future__ import annotations

import configparser
import contextlib
import netrc
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsm_icl.tracking.encoding import PROJECT

ANSWERS_WITHIN = 3.0
GIVEN_UP_AFTER = 10.0
"""Seconds for one answer of a server that is slow, where it was asked for: with none in this time it is gone."""
SLOW = 60.0
"""Seconds for a server that is slow, where somebody waits for it anyway."""
QUIET = {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}
"""No crash reports to third parties, no lines between ours."""
CONNECTION = frozenset(
    f"WANDB_{name}"
    for name in (
        *("BASE_URL", "APP_URL", "HTTP_PROXY", "HTTPS_PROXY", "INSECURE_DISABLE_SSL", "HTTP_TIMEOUT"),
        *("IDENTITY_TOKEN_FILE", "CREDENTIALS_FILE", "_EXTRA_HTTP_HEADERS", "_PROXIES"),
    )
)
"""Variables that say how a server is reached; read only where one is to be reached."""
_KEPT = CONNECTION | {f"WANDB_{name}" for name in ("API_KEY", "CONFIG_DIR", "CACHE_DIR", "DATA_DIR", "ARTIFACT_DIR")}
_FROM_FILE = ("base_url", "api_key")
"""What `wandb login` leaves in the settings file of the home folder."""


class WandbError(ValueError):
    """W&B can't do what it is asked: one line that a person can act on."""


@dataclass(frozen=True)
class Destination:
    """Where in W&B runs go."""

    entity: str | None = None
    """User or team; None is the account's own."""
    project: str = PROJECT


def destination(entity: str | None = None, project: str | None = None) -> Destination:
    """What the options say, else WANDB_ENTITY and WANDB_PROJECT, else the account's own entity and `fsm_icl`.

    Raises:
        WandbError: W&B has no such names; the message says which option or variable it is.
    """
    found = {}
    for name, option, given in (("entity", "--wandb-entity", entity), ("project", "--wandb-project", project)):
        variable = f"WANDB_{name.upper()}"
        value, where = (given, option) if given is not None else (os.environ.get(variable) or None, variable)
        if value is not None and not re.fullmatch(r"[^/\\#?%:\s][^/\\#?%:\r\n]{0,127}", value):
            raise WandbError(
                f"{where}={value!r}: the name of a W&B {name} has 1 to 128 characters, none of / \\ # ? % :, "
                f"such as {PROJECT if name == 'project' else 'my-team'}"
            )
        found[name] = value
    return Destination(found["entity"], found["project"] or PROJECT)


def client(connected: bool) -> Any:
    """The wandb module; its settings are ours, and with `connected` what says how a server is reached.

    Raises:
        WandbError: the environment says something about the server that can't be.
    """
    os.environ.update(QUIET)
    import wandb  # here, because it takes half a second
    from wandb.sdk import wandb_setup

    setup = wandb_setup.singleton()
    if not getattr(setup, "_of_fsm_icl", False):
        leave_service()
        settings = wandb.Settings(silent=True, sagemaker_disable=True, program=PROJECT, host="-")
        settings.update_from_system_environment()
        setup._settings, setup._settings_environ, setup._of_fsm_icl = settings, os.environ.copy(), True
        wandb.termsetup(settings, None)
    if connected:
        _connect(setup.settings)
    return wandb


def leave_service() -> None:
    """Use no wandb service that someone else started: it writes where and as that one was told.

    In the main thread, before others copy the environment.
    """
    os.environ.pop("WANDB_SERVICE", None)


def _connect(settings: Any) -> None:
    for name, value in _signed_in().items():
        _set(settings.update_from_dict, {name: value}, f"{name} in {_settings_file()}")
    for name in sorted(CONNECTION & os.environ.keys()):
        if name == "WANDB_BASE_URL" and not re.match("https?://[^/]", os.environ[name]):
            raise WandbError(
                f"{name}={os.environ[name]!r}: expected an address that begins with https:// or http://, "
                "such as https://api.wandb.ai"
            )
        _set(settings.update_from_env_vars, {name: os.environ[name]}, name)


def _set(update: Any, values: Mapping[str, str], where: str) -> None:
    try:
        update(values)
    except Exception as error:  # noqa: BLE001  (each validator of wandb's has its own)
        raise WandbError(f"{where} is wrong: {first_line(error)}") from None


def _settings_file() -> Path:
    folder = os.environ.get("WANDB_CONFIG_DIR") or Path("~", ".config", "wandb")
    return Path(folder).expanduser() / "settings"


def _signed_in() -> dict[str, str]:
    """What `wandb login` has left; a file that can't be read has left nothing."""
    parser = configparser.ConfigParser(interpolation=None)
    with contextlib.suppress(OSError, configparser.Error, UnicodeDecodeError):
        parser.read(_settings_file())
    return {name: parser["default"][name] for name in _FROM_FILE if parser.has_option("default", name)}


def obstacle(timeout: float = ANSWERS_WITHIN, patience: float = 0.0) -> str | None:
    """Why nothing can be sent to W&B, and what would help; None when it can.

    Args:
        timeout: seconds in which the server has to answer.
        patience: seconds for a server that has taken the connection, and is slow.
    """
    try:
        known = client(connected=True).login(prompt=False, verify=False)
    except WandbError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  (whatever it is, it is W&B's: a line, and no trace-back)
        return _unreadable_netrc() or f"{first_line(error)}; run `wandb login`"
    if not known:
        return _unreadable_netrc() or f"no API key for {host()}; run `wandb login`"
    return _silence(timeout, patience)


def _silence(timeout: float, patience: float) -> str | None:
    """Why the server does not answer, if so."""
    try:
        urllib.request.urlopen(f"{host()}/healthz", timeout=timeout)
    except urllib.error.HTTPError as error:
        return f"{host()} is in trouble ({error}); try again later" if error.code >= 500 else None
    except TimeoutError as error:  # connected; a connection that is not made is a URLError
        if patience > timeout:
            return _silence(patience, 0.0)
        return f"{host()} does not answer in {timeout:g} s ({error}); see to the network"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return f"{host()} does not answer in {timeout:g} s ({reason}); see to the network"
    return None


def answer_seconds() -> float:
    """How long the server takes to answer, 0 where it is not there: it may come back at any time.

    Raises:
        WandbError: it is silent.
    """
    began = time.monotonic()
    try:
        urllib.request.urlopen(f"{host()}/healthz", timeout=GIVEN_UP_AFTER).close()
    except urllib.error.HTTPError:
        pass  # an answer, too
    except (OSError, ValueError) as error:
        if not isinstance(getattr(error, "reason", error), TimeoutError):
            return 0.0
        raise WandbError(f"{host()} does not answer in {GIVEN_UP_AFTER:g} s; see to the network") from None
    return time.monotonic() - began


def _unreadable_netrc() -> str | None:
    """Where the key might be but can't be read. The file's content is not shown: it holds keys."""
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    try:
        netrc.netrc(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, netrc.NetrcParseError) as error:
        line = f", line {error.lineno}" if isinstance(error, netrc.NetrcParseError) and error.lineno else ""
        why = error.strerror if isinstance(error, OSError) else "it is no netrc file"
        return f"{path}{line}: the API key cannot be read ({why}); mend it, or set WANDB_API_KEY"
    return None


def host() -> str:
    """The W&B server's base URL; W&B's default has changed before, so it is asked and not known."""
    return str(client(connected=True).setup().settings.base_url)


def core() -> str:
    """The path of wandb's own program, which also reads logs."""
    from wandb.util import get_core_path

    return str(get_core_path())


def child_environment() -> dict[str, str]:
    """For a process that runs wandb by itself: not through this one's service, which has another working folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_") or name in _KEPT}
    return kept | QUIET | {"WANDB_MODE": "online", "WANDB_PROGRAM": PROJECT}  # else the program's path is uploaded


def first_line(error: BaseException) -> str:
    """What an error says, in one line; of a setting that is wrong without its value, which may be a key."""
    if callable(errors := getattr(error, "errors", None)) and (found := errors()):
        return f"{type(error).__name__}: {found[0]['msg']}"
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
