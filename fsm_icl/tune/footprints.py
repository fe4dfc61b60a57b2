"""How much of a GPU one trial of each cell takes: its first steps are run on a whole one, and looked at."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Sequence

import ray
import torch

from fsm_icl.sweep.planner import Planner
from fsm_icl.training import host
from fsm_icl.training.config import RunEnv, TrialConfig
from fsm_icl.training.run import run_trial
from fsm_icl.tune.packing import Footprint

STEPS = 3
"""All batches of a trial have one shape; AdamW's moments are there after the first step."""
MADE_UP_BYTES = 4 * 10**9


def measure(planner: Planner, num_gpus: int) -> dict[str, Footprint]:
    """Cell key -> footprint, for every cell with something to run; cells whose first steps fail are left out.

    All of the cluster's GPUs, or as many as it will have, are asked for at once: one that grows begins to.
    """
    firsts = [(plan.cell.key, trial) for plan in planner.plans if (trial := next(plan.missing(), None))]
    look = ray.remote(num_cpus=1, num_gpus=1)(_footprints)
    shares = [firsts[start::num_gpus] for start in range(min(num_gpus, len(firsts)))]
    asked = [look.remote([trial.config.model_dump_json() for _, trial in share]) for share in shares]
    found: dict[str, Footprint] = {}
    for share, answer in zip(shares, asked, strict=True):
        with contextlib.suppress(ray.exceptions.RayError):  # their own trials will tell what is wrong
            seen = zip(share, ray.get(answer), strict=True)
            found |= {cell: footprint for (cell, _), footprint in seen if footprint is not None}
    return found


def _footprints(trials: Sequence[str]) -> list[Footprint | None]:
    """One after the other in one process, since starting one takes seconds; None where a trial's first steps fail."""
    return [footprint(trial) for trial in trials]


def footprint(trial: str) -> Footprint | None:
    """Run the first steps of a trial (its TrialConfig as JSON) on this process's GPU, and see what they take.

    Where torch sees no GPU though Ray has given one away, as on a cluster made for tests, one is made up: of
    MADE_UP_BYTES, and a trial takes of it what its process takes of the machine's memory.

    Returns:
        None where the steps fail; the trial itself will tell why.
    """
    config = TrialConfig.model_validate_json(trial)
    budget = config.budget.model_copy(update={"steps": STEPS, "report_every": STEPS})
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.cuda.empty_cache()  # of the trial before; does nothing without a GPU
    try:
        *_, last = run_trial(config.model_copy(update={"budget": budget}), RunEnv(device=device))
    except (MemoryError, OSError, RuntimeError):
        return None
    if last.end is None or last.end.outcome == "failed":
        return None
    if device == "cpu":
        assert last.end.peak_memory_bytes is not None, "a trial of ours knows its memory"
        made_up = f"made up: torch sees no GPU on {platform.node()}"
        return Footprint(last.end.peak_memory_bytes, MADE_UP_BYTES, made_up)
    free, total = torch.cuda.mem_get_info()
    beside_tensors = total - free - torch.cuda.memory_reserved()
    return Footprint(torch.cuda.max_memory_reserved() + beside_tensors, total, host.device_name(device))
