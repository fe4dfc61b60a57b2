"""Where W&B runs go: decided once, before anything starts, and never with a prompt."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from typing import Literal

from fsm_icl.runs import PROJECT

Mode = Literal["offline", "online", "disabled"]
Choice = Literal["offline", "online", "auto", "disabled"]
ANSWERS_WITHIN = 3.0
QUIET = {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}
"""No crash reports to third parties, no lines between ours."""


def child_environment() -> dict[str, str]:
    """For a process that runs wandb by itself: not through this one's service, which has another working folder."""
    kept = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    return kept | QUIET | {"WANDB_PROGRAM": PROJECT}  # else the program's path is uploaded


class TrackingError(Exception):
    """W&B can't be used as asked: what is missing, and what works without it."""


def decide(choice: Choice) -> tuple[Mode, str | None]:
    """The mode, and for `auto` the reason in one line.

    Raises:
        TrackingError: online is asked for and there is no key, or the host does not answer.
    """
    if choice in ("offline", "disabled"):
        return choice, None
    problem = obstacle()
    if choice == "online":
        if problem is not None:
            raise TrackingError(f"--wandb online: {problem}, or use --wandb offline")
        return "online", None
    if problem is not None:
        return "offline", f"W&B: offline, because {problem}"
    return "online", f"W&B: online, because there is a key for {host()} and it answers"


def obstacle(timeout: float = ANSWERS_WITHIN) -> str | None:
    """Why nothing can be sent to W&B, and what would help; None when it can."""
    import wandb

    os.environ.update(QUIET)
    try:
        known = wandb.login(prompt=False, verify=False)
    except wandb.errors.Error as error:
        return f"{error}; run `wandb login`"
    if not known:
        return f"no API key for {host()}; run `wandb login`"
    try:
        urllib.request.urlopen(f"{host()}/healthz", timeout=timeout)
    except urllib.error.HTTPError as error:
        return f"{host()} is in trouble ({error}); try again later" if error.code >= 500 else None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return f"{host()} does not answer in {timeout:g} s ({reason}); see to the network"
    return None


def host() -> str:
    """The W&B server's base URL; W&B's default has changed before, so it is asked and not known."""
    import wandb

    os.environ.update(QUIET)
    return str(wandb.setup().settings.base_url)
