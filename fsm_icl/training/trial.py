"""run_trial: what Ray's trainable, a notebook or a GPU box calls. One trial, its reports and how it ended."""

from __future__ import annotations

import contextlib
import math
import platform
import re
import time
import traceback
from collections.abc import Iterator

import torch

from fsm_icl.models.registry import plugin_of
from fsm_icl.results.files import append
from fsm_icl.results.layout import TrialFolder
from fsm_icl.results.records import Outcome, Report, TestScore, TrialEnd
from fsm_icl.task.registry import family_plugin
from fsm_icl.training import host, weights
from fsm_icl.training.config import RunEnv, TrialConfig
from fsm_icl.training.loop import DivergedError, train
from fsm_icl.training.scoring import score_test
from fsm_icl.training.state import TrainingState

"""In the trial's folder: trace-backs of its failures."""

_INFRASTRUCTURE = (MemoryError, OSError, torch.OutOfMemoryError, torch.AcceleratorError)
_INFRASTRUCTURE_MESSAGE = re.compile(r"CUDA|CUBLAS|CUDNN|cuDNN|can't allocate memory")
"""Much of torch raises plain RuntimeErrors. Lower-case "cuda:0" is no sign: our own bugs mention it too."""


class Pruned(Exception):
    """The validation accuracy is below the cut-off."""


def run_trial(config: TrialConfig, env: RunEnv) -> Iterator[Report]:
    """Every report of train(), then one that carries the TrialEnd. Goes on from `env.folder`'s checkpoint.

    What the trial does wrong becomes its outcome: `pruned` below a cut-off, `diverged` on a loss that is not
    finite, `failed` on any other exception (trace-back in the folder's log.txt). A `finished` measure trial
    is scored on the test set, no other trial sees it; its weights are kept in the folder.

    The process's torch threads are set to `env.threads` and stay so.

    Raises:
        MemoryError, OSError, RuntimeError: the machine failed (memory, disk, CUDA), not the trial: no result.
    """
    trial = _Trial(config, env)
    try:
        yield from trial.reports()
        end = trial.finished()
    except Pruned as error:
        end = trial.end("pruned", str(error))
    except DivergedError as error:
        trial.step = error.step
        end = trial.end("diverged", error.reason)
    except Exception as error:
        if _is_infrastructure(error):
            trial.log(error)
            raise
        end = trial.failed(error)
    yield Report(step=end.steps, end=end)


class _Trial:
    """A trial and how far it came, readable after an exception."""

    def __init__(self, config: TrialConfig, env: RunEnv) -> None:
        self.config = config
        self.env = env
        self.state: TrainingState | None = None
        self.step = 0
        self.began = time.time()

    def reports(self) -> Iterator[Report]:
        torch.set_num_threads(self.env.threads)
        host.start_peak_memory(self.env.device)
        self.state = TrainingState.begin(self.config, self.env)
        for report in train(self.config, self.env, self.state):
            accuracy = report.metric("val/accuracy")
            if not math.isfinite(accuracy):
                raise DivergedError(report.step, f"validation accuracy is {accuracy} at step {report.step}")
            self.step = report.step
            yield report
            cutoff = self.env.cutoffs.get(report.step)
            if cutoff is not None and accuracy < cutoff:
                raise Pruned(f"validation accuracy {accuracy:.6f} at step {report.step} is below {cutoff:.6f}")

    def finished(self) -> TrialEnd:
        if self.config.phase != "measure":
            return self.end("finished")
        assert self.state is not None
        with self.state.total:
            test_set = self.config.task.evaluation_set("test", self.config.evaluation_seed)
            test = score_test(self.state.model, test_set, self.config)
            if self.env.folder:
                weights.save_weights(self.env.folder, self.state.fingerprint, self.state.model.state_dict())
        return self.end("finished", test=test)

    def log(self, error: Exception) -> None:
        """Append the trace-back to the folder's log, if that can still be written."""
        if self.env.folder:
            with contextlib.suppress(OSError):
                append(TrialFolder(self.env.folder).log, "".join(traceback.format_exception(error)) + "\n")

    def failed(self, error: Exception) -> TrialEnd:
        self.log(error)
        if self.state:
            self.step = self.state.step
        message = " ".join(str(error).split())
        return self.end("failed", f"{type(error).__name__}: {message}")

    def end(self, outcome: Outcome, reason: str | None = None, test: TestScore | None = None) -> TrialEnd:
        config, device, state = self.config, self.env.device, self.state
        training = state.training.seconds if state else 0.0
        return TrialEnd(
            outcome=outcome,
            reason=reason,
            test=test,
            num_params=config.model.num_params(config.task.num_tokens, config.task.num_classes),
            state_size=config.model.state_size(),
            flops_per_token=config.model.flops_per_token(config.task.num_classes),
            spectral_radius=state.spectral_radius if state else None,
            steps=self.step,
            seconds=state.total.seconds if state else time.time() - self.began,
            steps_per_second=state.step / training if state and training else 0.0,
            tokens_per_second=state.num_tokens / training if state and training else 0.0,
            peak_memory_bytes=host.peak_memory_bytes(device),
            started_at=state.started_at if state else self.began,
            ended_at=time.time(),
            node=platform.node(),
            device=host.device_name(device),
            cpu_model=host.cpu_model(),
            threads=self.env.threads,
            versions=_versions(config),
        )


def _versions(config: TrialConfig) -> dict[str, str]:
    """Of what computes the results, the packages that architecture and task family come from included."""
    found = (plugin_of(config.model), family_plugin(config.task))
    return host.versions() | {plugin.distribution: plugin.version for plugin in found if plugin is not None}


def _is_infrastructure(error: Exception) -> bool:
    if isinstance(error, _INFRASTRUCTURE):
        return True
    return isinstance(error, RuntimeError) and bool(_INFRASTRUCTURE_MESSAGE.search(str(error)))
