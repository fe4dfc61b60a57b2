"""Where W&B runs go: decided once, before anything starts, and never with a prompt."""

from __future__ import annotations

import os
from typing import Literal

Mode = Literal["offline", "online", "disabled"]
Choice = Literal["offline", "online", "auto", "disabled"]


class TrackingError(Exception):
    """W&B can't be used as asked: what is missing, and what works without it."""


def decide(choice: Choice) -> tuple[Mode, str | None]:
    """The mode, and what a person should know about the choice: the reason for `auto`, WANDB_MODE where it differs.

    Raises:
        TrackingError: online is asked for and there is no key, or the host does not answer.
    """
    mode, why = _decided(choice)
    asked = os.environ.get("WANDB_MODE")
    if asked in (None, "", mode):
        return mode, why
    note = f"W&B: {mode} as --wandb {choice} says; WANDB_MODE={asked!r} is not read"
    return mode, note if why is None else f"{why}; WANDB_MODE={asked!r} is not read"


def _decided(choice: Choice) -> tuple[Mode, str | None]:
    if choice in ("offline", "disabled"):
        return choice, None
    from fsm_icl.tracking.account import GIVEN_UP_AFTER, host, obstacle  # here, not above: most runs never ask

    problem = obstacle(patience=GIVEN_UP_AFTER if choice == "online" else 0.0)
    if choice == "online":
        if problem is not None:
            raise TrackingError(f"--wandb online: {problem}, or use --wandb offline")
        return "online", None
    if problem is not None:
        return "offline", f"W&B: offline, because {problem}"
    return "online", f"W&B: online, because there is a key for {host()} and it answers"
