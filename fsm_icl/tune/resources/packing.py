"""How much of a machine each trial asks for, and how many trials fit: needs neither torch nor Ray."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fsm_icl.sweep.file.planned import PlannedTrial
from fsm_icl.sweep.file.spec import ResourcesSpec
from fsm_icl.sweep.protocol.planner import Planner
from fsm_icl.sweep.protocol.search import Search

SAFE = 0.9
"""Share of a GPU's memory that is given away: fragmentation, and whoever else looks in, need some."""
_PARTS = 10_000
"""Ray counts GPUs in ten-thousandths."""


WORKER_BYTES = 500_000_000
"""Of its host's memory that a trial's process takes where that was not measured: most of it is torch."""


@dataclass(frozen=True)
class Hosts:
    """Hosts of one kind."""

    cpus: int
    gpus: int
    memory: float | None = None
    """Bytes on each that trials may use; None: not known, so no limit."""
    count: int = 1


@dataclass(frozen=True)
class Capacity:
    """What there is to run trials on, or will be once a cluster has grown."""

    cpus: int
    gpus: int
    kinds: tuple[Hosts, ...] = field(default=(), compare=False, repr=False)
    """The hosts behind these sums; none where only the sums are known: then they are reckoned as one host."""
    stated: bool = field(default=False, compare=False, repr=False)
    """The user said how many GPUs there are, or will be."""

    @property
    def hosts(self) -> tuple[Hosts, ...]:
        """What a trial has to fit on."""
        return self.kinds or (Hosts(self.cpus, self.gpus),)

    @property
    def gpu_hosts(self) -> list[Hosts]:
        """Those with a GPU: the CPUs and the memory of others are no use to a trial that needs one."""
        return [kind for kind in self.hosts if kind.gpus]


@dataclass(frozen=True)
class Footprint:
    """What one trial of a cell was seen to take of a GPU."""

    used_bytes: int
    """At its peak, CUDA's own share included."""
    total_bytes: int
    device: str
    """The GPU's name; where torch sees none, that it is made up."""
    host_bytes: int = WORKER_BYTES
    """Of its host's memory, at its peak."""


@dataclass
class Packing:
    """What every trial asks Ray for."""

    resources: ResourcesSpec
    capacity: Capacity
    max_concurrent: int | None = None
    """Upper bound on the number of trials that run at once, whatever fits; None for no bound."""
    footprints: Mapping[str, Footprint] = field(default_factory=dict)
    """Cell key -> what one of its trials takes; a cell that is not in it gets whole GPUs."""
    smallest: float = math.inf
    """Bytes of the smallest GPU that was looked at, also where no cell was measured on it."""
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
        """The largest safe number of trials on one GPU, whichever it is: GPU, CPUs and memory of its host hold them.

        A trial may land on any GPU, so the smallest one that was seen says what it can hold.
        """
        found, hosts = self.footprints.get(cell), self.capacity.gpu_hosts
        smallest = min(self.smallest, *(f.total_bytes for f in self.footprints.values())) if self.footprints else 0
        by_memory = int(SAFE * smallest // found.used_bytes) if found else 1
        by_cpu = max((kind.cpus // (kind.gpus * self.resources.cpus_per_trial) for kind in hosts), default=1)
        by_host = min((self._by_memory(kind, cell) / kind.gpus for kind in hosts), default=1)
        return max(1, int(min(by_memory, by_cpu, by_host)))

    def _by_memory(self, kind: Hosts, cell: str) -> float:
        """How many trials of a cell the memory of one such host holds."""
        found = self.footprints.get(cell)
        taken = found.host_bytes if found else WORKER_BYTES
        return math.inf if kind.memory is None else max(1, kind.memory // taken)

    def holds(self, kind: Hosts, cell: str) -> int:
        """How many trials of a cell (by key) fit on one such host at a time."""
        share = self.share(cell)
        by_gpu = int(1 / share + 1 / _PARTS) * kind.gpus if share else math.inf
        return int(min(kind.cpus // self.resources.cpus_per_trial, by_gpu, self._by_memory(kind, cell)))

    def request(self, planned: PlannedTrial) -> dict[str, float]:
        """What a trial asks Ray for."""
        gpus = self.enlarged.get(planned.hash, self.share(planned.cell.key))
        return {"cpu": self.resources.cpus_per_trial, "gpu": gpus}

    def enlarge(self, planned: PlannedTrial) -> bool:
        """Give a trial that ran out of memory twice its share; False when it has had that, or a whole GPU."""
        share = self.request(planned)["gpu"]
        if planned.hash in self.enlarged or not 0 < share < 1:
            return False
        self.enlarged[planned.hash] = min(1.0, 2 * share)
        return True

    def fit_of(self, cell: str) -> int:
        """How many trials of one cell (by key) fit at a time."""
        return sum(kind.count * self.holds(kind, cell) for kind in self.capacity.hosts)

    def fit(self, cells: Iterable[str]) -> int:
        """How many trials of these cells (by key) fit at a time at most: of the one of which most do."""
        return max((self.fit_of(cell) for cell in cells), default=0) or self.fit_of("")

    def at_a_time(self, cell: str) -> int:
        """How many trials of one cell (by key) run at a time where nothing else does, 1 at least."""
        return max(1, min(self.fit_of(cell), self.max_concurrent or self.fit_of(cell)))

    def slots(self, cells: Iterable[str]) -> int:
        """Trials at a time."""
        return self.max_concurrent or self.fit(cells)

    @property
    def problem(self) -> str | None:
        """Why no trial can run at all, None if some can."""
        cpus, gpus = self.resources.cpus_per_trial, self.resources.gpus_per_trial
        if gpus != "auto" and gpus and not self.capacity.gpus:
            return (
                f"resources.gpus_per_trial: a trial asks for {gpus:g} of a GPU, but there is none; write auto or 0, or "
                "say what there will be: --gpus on this machine, --capacity on a cluster"
            )
        hosts = self.capacity.gpu_hosts if gpus and self.capacity.gpus else self.capacity.hosts
        most = max(kind.cpus for kind in hosts)
        if cpus > most and not self.max_concurrent:
            where = "" if len(self.capacity.hosts) == 1 == self.capacity.hosts[0].count else " on one host"
            return f"resources.cpus_per_trial: a trial asks for {cpus} CPUs, but there are {most}{where}"
        return None


def at_once(planner: Planner, packing: Packing) -> str:
    """How many trials can run at once, how many fit, and which search.window would fill what there is."""
    plans = [plan for plan in planner.plans if not plan.complete]
    searches = [search for plan in plans for search in plan.searches if not search.complete]
    seeds = sum(plan.spec.measure.num_seeds - plan.num_measured for plan in plans)
    cells = [plan.cell.key for plan in plans]
    slots = packing.slots(cells)
    there = _fits(packing, cells)
    if not searches:
        return f"at once: up to {seeds:,} measure trials; {there}"
    spec = searches[0].spec.search
    proposed = len(searches) * min(spec.window, spec.num_trials)
    what = f"{len(searches):,} {'cells' if spec.repeats == 1 else 'searches'} x search.window {spec.window}"
    return (
        f"at once: up to {proposed:,} search trials ({what}), later {seeds:,} measure trials; {there}"
        f"{_advice(_filling(packing, searches, slots), len(searches), spec.window, spec.num_trials)}"
    )


def _fits(packing: Packing, cells: list[str]) -> str:
    """How many trials fit, and on what."""
    capacity, asked, slots = packing.capacity, packing.resources, packing.slots(cells)
    if packing.problem:
        return f"none fits ({packing.problem})"
    if packing.max_concurrent:
        return f"--max-concurrent allows {slots:,}"
    fewest = min(map(packing.fit_of, cells))
    fit = f"{slots:,} fit" if fewest == slots else f"{fewest:,} to {slots:,} fit, by cell"
    if not capacity.gpus or asked.gpus_per_trial == 0:
        by_cpu = sum(kind.count * (kind.cpus // asked.cpus_per_trial) for kind in capacity.hosts)
        less = "; memory holds no more" if slots < by_cpu else ""
        return f"{fit} ({capacity.cpus:,} CPUs, {asked.cpus_per_trial} a trial{less})"
    if packing.measures and not packing.footprints:
        return f"{slots:,} or more fit ({capacity.gpus:,} GPUs; how many share one is measured when the sweep starts)"
    cpus = sum(kind.count * kind.cpus for kind in capacity.gpu_hosts)
    beside = "" if cpus == capacity.cpus else " beside them"
    return f"{fit} ({capacity.gpus:,} GPUs, {cpus:,} CPUs{beside})"


def _filling(packing: Packing, searches: Sequence[Search], slots: int) -> int:
    """How many trials fill what there is when each search has as many of them: large ones fill it sooner."""
    if packing.max_concurrent:
        return slots
    return round(len(searches) / sum(1 / packing.at_a_time(search.cell.key) for search in searches))


def _advice(slots: int, searches: int, window: int, proposals: int) -> str:
    """The search.window that would use all hosts; None where the sweep file's own window does."""
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
    total = min(packing.smallest, *(f.total_bytes for f in found)) / 1e9
    numbers = sorted({packing.per_gpu(cell) for cell in packing.footprints})
    name = ", ".join(sorted({f.device for f in found}))
    takes = f"{low:.1f} GB" if f"{low:.1f}" == f"{high:.1f}" else f"{low:.1f} to {high:.1f} GB"
    several = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    return f"one trial takes {takes} of {total:.1f} GB ({name}): {several} trials share a GPU"
