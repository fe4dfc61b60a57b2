"""How much of a machine each trial asks for, and how many trials fit: needs neither torch nor Ray."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fsm_icl.sweep.planner import Planner
from fsm_icl.sweep.search import Planned
from fsm_icl.sweep.space import ResourcesSpec

SAFE = 0.9
"""Share of a GPU's memory that is given away: fragmentation, and whoever else looks in, need some."""
_PARTS = 10_000
"""Ray counts GPUs in ten-thousandths."""


@dataclass(frozen=True)
class Capacity:
    """What there is to run trials on, or will be once a cluster has grown."""

    cpus: int
    gpus: int


@dataclass(frozen=True)
class Footprint:
    """What one trial of a cell was seen to take of a GPU."""

    used_bytes: int
    """At its peak, CUDA's own share included."""
    total_bytes: int
    device: str
    """The GPU's name; where torch sees none, that it is made up."""


@dataclass
class Packing:
    """What every trial asks Ray for."""

    resources: ResourcesSpec
    capacity: Capacity
    max_concurrent: int | None = None
    """At most so many trials at a time, whatever fits."""
    footprints: Mapping[str, Footprint] = field(default_factory=dict)
    """Cell key -> what one of its trials takes; a cell that is not in it gets whole GPUs."""
    enlarged: dict[str, float] = field(default_factory=dict)
    """Hash of a trial that ran out of memory -> its share now."""

    @property
    def measures(self) -> bool:
        """Shares of GPUs are to be measured."""
        return self.resources.gpus_per_trial == "auto" and self.capacity.gpus > 0

    def share(self, cell: str) -> float:
        """GPUs that a trial of a cell (by key) asks for; 0 is the CPU."""
        if self.resources.gpus_per_trial != "auto":
            return self.resources.gpus_per_trial
        if not self.capacity.gpus:
            return 0.0
        return _PARTS // self.per_gpu(cell) / _PARTS

    def per_gpu(self, cell: str) -> int:
        """The largest safe number of trials on one GPU: its memory holds them, and its machine has CPUs for them."""
        found = self.footprints.get(cell)
        by_memory = int(SAFE * found.total_bytes // found.used_bytes) if found else 1
        by_cpu = self.capacity.cpus // (self.capacity.gpus * self.resources.cpus_per_trial)
        return max(1, min(by_memory, by_cpu))

    def request(self, planned: Planned) -> dict[str, float]:
        """What a trial asks Ray for."""
        gpus = self.enlarged.get(planned.hash, self.share(planned.cell.key))
        return {"cpu": self.resources.cpus_per_trial, "gpu": gpus}

    def enlarge(self, planned: Planned) -> bool:
        """Give a trial that ran out of memory twice its share; False when it has had that, or a whole GPU."""
        share = self.request(planned)["gpu"]
        if planned.hash in self.enlarged or not 0 < share < 1:
            return False
        self.enlarged[planned.hash] = min(1.0, 2 * share)
        return True

    def fit(self, cells: Iterable[str]) -> int:
        """So many trials of these cells (by key) fit at a time, of the smallest where they differ."""
        by_cpu = self.capacity.cpus // self.resources.cpus_per_trial
        shares = [share for cell in cells if (share := self.share(cell))]
        return min(by_cpu, int(1 / min(shares) + 1 / _PARTS) * self.capacity.gpus) if shares else by_cpu

    def slots(self, cells: Iterable[str]) -> int:
        """Trials at a time."""
        return self.max_concurrent or self.fit(cells)

    @property
    def problem(self) -> str | None:
        """Why no trial can run at all, None if some can."""
        cpus, gpus = self.resources.cpus_per_trial, self.resources.gpus_per_trial
        if cpus > self.capacity.cpus and not self.max_concurrent:
            return f"resources.cpus_per_trial: a trial asks for {cpus} CPUs, but there are {self.capacity.cpus}"
        if gpus != "auto" and gpus and not self.capacity.gpus:
            return f"resources.gpus_per_trial: a trial asks for {gpus:g} of a GPU, but there is none; write auto or 0"
        return None


def at_once(planner: Planner, packing: Packing) -> str:
    """How many trials can run at once, how many fit, and which search.window would fill what there is."""
    plans = [plan for plan in planner.plans if not plan.complete]
    searches = [search for plan in plans for search in plan.searches if not search.complete]
    seeds = sum(plan.spec.measure.num_seeds - plan.num_measured for plan in plans)
    slots = packing.slots(plan.cell.key for plan in plans)
    there = _fits(packing, slots)
    if not searches:
        return f"at once: up to {seeds:,} measure trials; {there}"
    spec = searches[0].spec.search
    proposed = len(searches) * min(spec.window, spec.num_trials)
    what = f"{len(searches):,} {'cells' if spec.repeats == 1 else 'searches'} x search.window {spec.window}"
    return (
        f"at once: up to {proposed:,} search trials ({what}), later {seeds:,} measure trials; {there}"
        f"{_advice(slots, len(searches), spec.window, spec.num_trials)}"
    )


def _fits(packing: Packing, slots: int) -> str:
    """How many trials fit, and on what."""
    capacity, asked = packing.capacity, packing.resources
    if packing.problem:
        return f"none fits ({packing.problem})"
    if packing.max_concurrent:
        return f"--max-concurrent allows {slots:,}"
    if not capacity.gpus or asked.gpus_per_trial == 0:
        return f"{slots:,} fit ({capacity.cpus:,} CPUs, {asked.cpus_per_trial} a trial)"
    if packing.measures and not packing.footprints:
        return f"{slots:,} or more fit ({capacity.gpus:,} GPUs; how many share one is measured when the sweep starts)"
    return f"{slots:,} fit ({capacity.gpus:,} GPUs, {capacity.cpus:,} CPUs)"


def _advice(slots: int, searches: int, window: int, proposals: int) -> str:
    """The search.window that would fill what there is, where today's does not."""
    wanted = -(-slots // searches)
    if searches * min(window, proposals) >= slots or window >= proposals:
        return ""
    best = min(wanted, proposals)
    fills = "fill it" if best == wanted else f"use {searches * best:,}"
    return f"\nsearch.window={best} would {fills}; that is another search: its proposals know fewer results"


def measured(packing: Packing) -> str:
    """What was measured, in one line."""
    found = packing.footprints.values()
    if not found:
        return "no cell's memory could be measured: each trial gets a whole GPU"
    low, high = (bound(f.used_bytes for f in found) / 1e9 for bound in (min, max))
    total = min(f.total_bytes for f in found) / 1e9
    numbers = sorted({packing.per_gpu(cell) for cell in packing.footprints})
    name = next(iter(found)).device
    takes = f"{low:.1f} GB" if f"{low:.1f}" == f"{high:.1f}" else f"{low:.1f} to {high:.1f} GB"
    several = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    return f"one trial takes {takes} of {total:.1f} GB ({name}): {several} trials share a GPU"
