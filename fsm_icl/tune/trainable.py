"""A class Trainable around `run_trial`: one report per step, and the same process for trial after trial.

Reusing the process saves some six seconds per trial (a new one has to import torch).
"""

from __future__ import annotations

import faulthandler
import platform
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import torch
from ray import tune

from fsm_icl.results.files import append, as_folder, is_local, os_error_text
from fsm_icl.results.layout import TrialFolder
from fsm_icl.results.records import Report
from fsm_icl.sweep.store.probe import problem_here
from fsm_icl.training.checkpoint import CheckpointNotWrittenError
from fsm_icl.training.config import RunEnv
from fsm_icl.training.trial import run_trial
from fsm_icl.tune.job import Job
from fsm_icl.tune.resources.packing import SAFE

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder


class TrialTrainable(tune.Trainable):  # type: ignore[misc]  # ray is untyped
    """Runs one trial; reset_config puts in the next."""

    def setup(self, config: dict[str, Any]) -> None:
        """Begin the trial of the `Job` in `config`."""
        job = Job.of(config)
        context, folder = job.context, as_folder(job.folder)
        self._stack: TextIO | None = None
        self._reports: Iterator[Report] = iter(())
        self._problem = problem_here(TrialFolder(folder).sweep.path, context.sweep_id, context.driver_host)
        if self._problem is not None:
            return  # before anything is written to what may be a folder of this machine alone
        where = RunEnv(device=_device(job.gpu), threads=job.cpu, folder=folder, cutoffs=job.cutoffs)
        self._stall_limit = context.stall_limit
        try:
            self._stack = _stack_file(folder)
        except OSError as error:
            self._problem = f"{platform.node()}: {os_error_text(error)}"
            return
        self._reports = run_trial(job.trial, where)

    def step(self) -> dict[str, Any]:
        """The trial's next report; the closing one ends it. Or what the machine lacks: that ends it without an outcome.

        A watchdog ends this process when none comes for `stall_limit` seconds: Tune then sees a dead worker.
        """
        if self._problem is not None:
            return {"storage": self._problem, "done": True}
        assert self._stack is not None
        faulthandler.dump_traceback_later(self._stall_limit, exit=True, file=self._stack)
        try:
            report = next(self._reports)
        except RuntimeError as error:
            if not is_out_of_memory(error):  # unlike other errors of CUDA this one leaves the process in order
                raise
            return {"out_of_memory": f"{platform.node()}: {error}", "done": True}
        except CheckpointNotWrittenError as error:  # no other trial will fare better
            return {"storage": f"{platform.node()}: {error}", "done": True}
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
        torch.cuda.empty_cache()  # what this process keeps, its neighbours lack
        if self._stack is None:
            return
        self._stack.close()
        stack = Path(self._stack.name)
        if stack.is_file() and stack.stat().st_size == 0:
            stack.unlink()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a trial keeps its own checkpoint in its own folder, Tune only asks whether this exists."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: the trial itself goes on from its checkpoint."""


_OUT_OF_MEMORY = re.compile(
    r"CU(BLAS|DNN|SOLVER|SPARSE|FFT)_(STATUS_)?ALLOC_FAILED|CUBLAS_STATUS_NOT_INITIALIZED.*cublasCreate"
    r"|CUDNN_STATUS_INTERNAL_ERROR_(DEVICE|HOST)_ALLOCATION_FAILED|CUDA(?: error)?:? out of memory"
)
"""What CUDA's libraries say when they find no room for what they need themselves: plain RuntimeErrors in torch."""


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error says that the GPU has no room left, also where torch has no type of its own for that."""
    return isinstance(error, torch.OutOfMemoryError) or bool(_OUT_OF_MEMORY.search(str(error)))


def _device(share: float) -> str:
    """Where a trial with this share of a GPU runs; it can't take much more of the memory than that."""
    if not share or not torch.cuda.is_available():
        return "cpu"
    torch.cuda.set_per_process_memory_fraction(SAFE * share if share < 1 else 1.0)
    return "cuda"


def _stack_file(folder: Folder) -> TextIO:
    """Where the watchdog leaves the stack of a hung worker: it needs a file of this machine, opened beforehand.

    For a trial at a URI that is a temporary one; what a worker left there goes to the trial when it is begun again.
    """
    stack = TrialFolder(folder).stack
    if is_local(stack):
        stack.parent.mkdir(parents=True, exist_ok=True)
        return stack.open("a")
    here = Path(tempfile.gettempdir()) / f"fsm-{folder.name}-{stack.name}"
    if here.is_file() and here.stat().st_size:
        append(stack, here.read_text(errors="replace"))
    return here.open("w")
