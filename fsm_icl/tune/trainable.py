"""A class Trainable around `run_trial`: one report a step, and the same process for trial after trial.

Reusing the process saves some six seconds a trial (a new one has to import torch).
"""

from __future__ import annotations

import faulthandler
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import torch
from ray import tune

from fsm_icl.files import append, as_folder, is_local
from fsm_icl.records import Report
from fsm_icl.sweep.logs import STACK
from fsm_icl.sweep.search import Planned
from fsm_icl.training.config import RunEnv, TrialConfig
from fsm_icl.training.run import run_trial

if TYPE_CHECKING:
    from fsm_icl.files import Folder

CPUS_PER_TRIAL = 1


def job(planned: Planned, folder: Folder, stall_limit: float) -> dict[str, Any]:
    """What travels to the worker: the trial, and apart from it the environment. Strings, so that Tune leaves it be."""
    env = {"folder": str(folder.absolute()), "cutoffs": dict(planned.cutoffs), "stall_limit": stall_limit}
    return {"trial": planned.config.model_dump_json(), "env": json.dumps(env)}


def read_report(result: Mapping[str, Any]) -> Report:
    """The report in a Tune result."""
    return Report.model_validate_json(result["report"])


class TrialTrainable(tune.Trainable):  # type: ignore[misc]  # ray is untyped
    """Runs one trial; reset_config puts in the next."""

    def setup(self, config: dict[str, Any]) -> None:
        """Begin the trial in `config` (see `job`)."""
        env = json.loads(config["env"])
        cutoffs = {int(step): value for step, value in env["cutoffs"].items()}
        device = "cuda" if torch.cuda.is_available() else "cpu"
        folder = as_folder(env["folder"])
        where = RunEnv(device=device, threads=CPUS_PER_TRIAL, folder=folder, cutoffs=cutoffs)
        self._stall_limit: float = env["stall_limit"]
        self._stack = _stack_file(folder)
        self._reports: Iterator[Report] = run_trial(TrialConfig.model_validate_json(config["trial"]), where)

    def step(self) -> dict[str, Any]:
        """The trial's next report; the closing one ends it.

        A watchdog ends this process when none comes for `stall_limit` seconds: Tune then sees a dead worker.
        """
        faulthandler.dump_traceback_later(self._stall_limit, exit=True, file=self._stack)
        try:
            report = next(self._reports)
        finally:
            faulthandler.cancel_dump_traceback_later()
        return {"report": report.model_dump_json(), "done": report.end is not None}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Leave the trial there was and begin another."""
        self.cleanup()
        self.setup(new_config)
        return True

    def cleanup(self) -> None:
        """Close the trial's generator, so that its `finally` blocks run now, and the watchdog's file."""
        if hasattr(self._reports, "close"):
            self._reports.close()
        self._stack.close()
        stack = Path(self._stack.name)
        if stack.is_file() and stack.stat().st_size == 0:
            stack.unlink()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a trial keeps its own checkpoint in its own folder, Tune only asks whether this exists."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing, likewise."""


def _stack_file(folder: Folder) -> TextIO:
    """Where the watchdog leaves the stack of a hung worker: it needs a file of this machine, opened beforehand.

    For a trial at a URI that is a temporary one; what a worker left there goes to the trial when it is begun again.
    """
    stack = folder / STACK
    if is_local(stack):
        stack.parent.mkdir(parents=True, exist_ok=True)
        return stack.open("a")
    here = Path(tempfile.gettempdir()) / f"fsm-{folder.name}-{STACK}"
    if here.is_file() and here.stat().st_size:
        append(stack, here.read_text(errors="replace"))
    return here.open("w")
