"""How much of a GPU one trial of each cell takes: its first steps are run on a whole one, and looked at."""

from __future__ import annotations

import contextlib
import math
import platform
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import ray
import torch
from pydantic import Field, ValidationError

from fsm_icl.results.files import read_bytes, write_atomically
from fsm_icl.results.records import FrozenModel
from fsm_icl.sweep.file.planned import PlannedTrial
from fsm_icl.sweep.protocol.planner import Planner
from fsm_icl.training import host
from fsm_icl.training.config import RunEnv, TrialConfig
from fsm_icl.training.trial import run_trial
from fsm_icl.tune.resources.packing import Footprint, Packing
from fsm_icl.tune.waiting import Patience

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder

NAME = "footprints.json"
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_FOR_TOTALS = 120.0

STEPS = 3
"""All batches of a trial have one shape; AdamW's moments are there after the first step."""
MADE_UP = "made up: "
"""How the name of a GPU begins that torch does not see."""
MADE_UP_BYTES = 4 * 10**9


class FootprintFile(FrozenModel):
    """What earlier runs of a sweep have seen, in its folder."""

    torch: str
    types: frozenset[str] = frozenset()
    """Of the GPUs that there were, as Ray names them."""
    smallest: int | None = None
    """Bytes of the smallest of them."""
    cells: dict[str, Footprint] = Field(default_factory=dict)
    """Cell key -> what one of its trials takes."""


def measure(planner: Planner, packing: Packing, folder: Folder, say: Callable[[str], None]) -> None:
    """Give `packing` a footprint for each cell with something to run; cells whose first steps fail get none.

    What an earlier run has seen on GPUs of the same types is not looked at again. Otherwise all of the cluster's GPUs,
    or as many as it will have, are asked for at once: one that grows begins to.
    """
    kept = _read(folder)
    if kept.torch != torch.__version__ or not _types() <= kept.types:
        kept = FootprintFile(torch=torch.__version__)
    firsts = [(plan.cell.key, t) for plan in planner.plans if (t := next(plan.missing(), None))]
    new = [(cell, trial) for cell, trial in firsts if cell not in kept.cells]
    if new:
        say("looking at how much of a GPU one trial of each cell takes")
        cells = kept.cells | _measured(new, packing.capacity.gpus, say)
        types = _types()  # some may have come for this
        totals = [kept.smallest, *_totals(types), *(found.total_bytes for found in cells.values())]
        smallest = min((total for total in totals if total is not None), default=None)
        kept = kept.model_copy(update={"cells": cells, "smallest": smallest, "types": kept.types | types})
        if not any(found.device.startswith(MADE_UP) for found in cells.values()):  # torch may see it the next time
            with contextlib.suppress(OSError):  # then the next run looks again
                write_atomically(folder / NAME, kept.model_dump_json(indent=1))
    packing.footprints = {cell: kept.cells[cell] for cell, _ in firsts if cell in kept.cells}
    packing.smallest = math.inf if kept.smallest is None else kept.smallest


def _read(folder: Folder) -> FootprintFile:
    """What is kept; nothing where that can't be read."""
    with contextlib.suppress(OSError, ValidationError):
        return FootprintFile.model_validate_json(read_bytes(folder / NAME))
    return FootprintFile(torch="")


def _types() -> frozenset[str]:
    """Types of the GPUs that are there now."""
    resources = (node["Resources"] for node in ray.nodes() if node["Alive"])
    return frozenset(name for there in resources for name in there if name.startswith("accelerator_type:"))


def _totals(types: frozenset[str]) -> list[int]:
    """Bytes of one GPU of each type, where there are several: a cell is measured on one, and may run on any."""
    if len(types) < 2:
        return []
    look = ray.remote(_total)
    asked = [look.options(num_cpus=0, num_gpus=1, resources={name: 0.001}).remote() for name in sorted(types)]
    ready, busy = ray.wait(asked, num_returns=len(asked), timeout=SECONDS_FOR_TOTALS)
    for task in busy:  # its type is given away to others, or went meanwhile
        ray.cancel(task)
    return [total for total in ray.get(ready) if total is not None]


def _total() -> int | None:
    """Bytes of this process's GPU."""
    return int(torch.cuda.mem_get_info()[1]) if torch.cuda.is_available() else None


def _measured(
    firsts: Sequence[tuple[str, PlannedTrial]], num_gpus: int, say: Callable[[str], None]
) -> dict[str, Footprint]:
    """Footprints of cells, from a trial of each."""
    look = ray.remote(num_cpus=1, num_gpus=1)(_footprints)
    shares = [firsts[start::num_gpus] for start in range(min(num_gpus, len(firsts)))]
    asked = [look.remote([trial.config.model_dump_json() for _, trial in share]) for share in shares]
    left, patience = asked, Patience(say)
    while left:
        _, left = ray.wait(left, num_returns=len(left), timeout=SECONDS_BETWEEN_LOOKS)
        patience.look(len(left), 1, {"GPU": len(asked)})  # how many have begun Ray does not say
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
        made_up = f"{MADE_UP}torch sees no GPU on {platform.node()}"
        return Footprint(last.end.peak_memory_bytes, MADE_UP_BYTES, made_up, last.end.peak_memory_bytes)
    free, total = torch.cuda.mem_get_info()
    beside_tensors = total - free - torch.cuda.memory_reserved()
    taken = torch.cuda.max_memory_reserved() + beside_tensors
    return Footprint(taken, total, host.device_name(device), host.peak_memory_bytes("cpu"))
