"""What travels from the driver to a worker, and comes back. Tune sees one string each way, and leaves it be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fsm_icl.results.records import FrozenModel, Report
from fsm_icl.training.config import TrialConfig

_KEY = "job"


class WorkerContext(FrozenModel):
    """What a worker has to know of the sweep's folder and its driver."""

    sweep_id: str
    driver_host: str
    stall_limit: float
    """Seconds without a report after which the worker takes itself for hung and ends."""


class Job(FrozenModel):
    """One trial for a worker, and apart from it the environment that it runs in."""

    trial: TrialConfig
    folder: str
    """The trial's folder: an absolute path or a URI."""
    cutoffs: dict[int, float]
    """step -> validation accuracy below which the trial is pruned there."""
    context: WorkerContext
    cpu: int
    """CPUs that the trial is given."""
    gpu: float
    """Share of a GPU that it is given."""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Job:
        """The job in the config that Tune hands to a worker."""
        return cls.model_validate_json(config[_KEY])

    def for_tune(self) -> dict[str, str]:
        """The config that Tune hands to a worker."""
        return {_KEY: self.model_dump_json()}


def requested(config: Mapping[str, Any]) -> dict[str, float]:
    """CPUs and share of a GPU that a job asks for, as Tune wants them."""
    job = Job.of(config)
    return {"cpu": job.cpu, "gpu": job.gpu}


def read_report(result: Mapping[str, Any]) -> Report:
    """The report in a Tune result. Raises KeyError or ValidationError where there is none."""
    return Report.model_validate_json(result["report"])
