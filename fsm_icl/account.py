"""Whether this process can talk to W&B: a key, and a server that answers. Asks nobody anything, prints nothing."""

from __future__ import annotations

import os
import urllib.error
import urllib.request

from fsm_icl.runs import PROJECT

ANSWERS_WITHIN = 3.0
QUIET = {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}
"""No crash reports to third parties, no lines between ours."""


def obstacle(timeout: float = ANSWERS_WITHIN) -> str | None:
    """Why nothing can be sent to W&B, and what would help; None when it can."""
    os.environ.update(QUIET)
    import wandb  # here, because it takes half a second

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
    os.environ.update(QUIET)
    import wandb

    return str(wandb.setup().settings.base_url)


def child_environment() -> dict[str, str]:
    """For a process that runs wandb by itself: not through this one's service, which has another working folder."""
    kept = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    return kept | QUIET | {"WANDB_PROGRAM": PROJECT}  # else the program's path is uploaded
