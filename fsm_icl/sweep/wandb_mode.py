"""Where W&B runs go: decided once, before anything starts, and never with a prompt."""

from __future__ import annotations

from typing import Literal

Mode = Literal["offline", "online", "disabled"]
Choice = Literal["offline", "online", "auto", "disabled"]


class TrackingError(Exception):
    """W&B can't be used as asked: what is missing, and what works without it."""


def decide(choice: Choice) -> tuple[Mode, str | None]:
    """The mode, and for `auto` the reason in one line.

    Raises:
        TrackingError: online is asked for and there is no key, or the host does not answer.
    """
    if choice in ("offline", "disabled"):
        return choice, None
    from fsm_icl.account import host, obstacle  # here, not above: most runs never ask

    problem = obstacle()
    if choice == "online":
        if problem is not None:
            raise TrackingError(f"--wandb online: {problem}, or use --wandb offline")
        return "online", None
    if problem is not None:
        return "offline", f"W&B: offline, because {problem}"
    return "online", f"W&B: online, because there is a key for {host()} and it answers"
