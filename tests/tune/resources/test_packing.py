"""What trials ask for, how many fit, and what is said about it."""

from __future__ import annotations

from typing import Any

import pytest

from fsm_icl.sweep.file.spec import ResourcesSpec
from fsm_icl.sweep.protocol.planner import Planner
from fsm_icl.tune.resources.packing import Capacity, Footprint, Hosts, Packing, at_once, footprint_line
from tests.sweep import simulate

GB = 10**9
SWEEP = simulate.loaded()
CELLS = [cell.key for cell in simulate.cells(SWEEP)]


def packing(cpus: int = 16, gpus: int = 2, most: int | None = None, **resources: Any) -> Packing:
    return Packing(ResourcesSpec(**resources), Capacity(cpus, gpus), most)


def seen(*used: float, total: float = 24, cpus: int = 64) -> Packing:
    """One footprint (GB) a cell."""
    found = packing(cpus=cpus)
    found.footprints = {c: Footprint(int(u * GB), int(total * GB), "L4") for c, u in zip(CELLS, used, strict=False)}
    return found


def planner(records: int = 0) -> Planner:
    found = simulate.run(SWEEP, stop_after=records) if records else {}
    return Planner(SWEEP.spec, simulate.cells(SWEEP), found)


@pytest.mark.parametrize(
    ("used", "share"),
    [
        (24, 1),
        (12, 1),  # two would need every byte
        (10.8, 0.5),
        (7.2, 0.3333),  # three of these are less than one GPU to Ray
        (0.7, 0.0333),  # 30 of them; memory would hold 30.8
        (0.1, 0.0312),  # 32: the machine has no more CPUs a GPU
        (30, 1),
    ],
)
def test_auto_is_the_largest_safe_number_on_a_gpu(used: float, share: float) -> None:
    assert seen(used).share(CELLS[0]) == share


def test_a_cell_that_could_not_be_measured_gets_whole_gpus() -> None:
    assert seen(1.0).share(CELLS[1]) == 1


def test_each_cell_has_its_own_share_and_the_smallest_says_how_many_fit() -> None:
    found = seen(2.0, 6.0)
    assert [found.share(cell) for cell in CELLS[:2]] == [0.1, 0.3333]
    assert found.fit(CELLS[:2]) == 2 * 10
    assert found.fit(CELLS[1:2]) == 2 * 3


def mixed(*kinds: Hosts) -> Packing:
    """On such hosts, a trial of the first cell takes 2 GB of a GPU and 3 of its host."""
    sums = [sum(kind.count * getattr(kind, what) for kind in kinds) for what in ("cpus", "gpus")]
    found = Packing(ResourcesSpec(), Capacity(*sums, kinds))
    found.footprints = {CELLS[0]: Footprint(2 * GB, 24 * GB, "L4", 3 * GB)}
    return found


@pytest.mark.parametrize(
    ("kinds", "share", "fit"),
    [
        ([Hosts(8, 1), Hosts(64, 0)], 0.125, 8),  # CPUs of a host without a GPU are no use
        ([Hosts(8, 1), Hosts(64, 1)], 0.1, 18),  # the first has no CPUs for more, the second no memory
        ([Hosts(8, 1, count=3)], 0.125, 24),
        ([Hosts(64, 2, memory=30 * GB)], 0.2, 10),
        ([Hosts(64, 1, memory=12 * GB), Hosts(64, 1)], 0.25, 8),
        ([Hosts(64, 1, memory=GB)], 1, 1),
        ([Hosts(64, 0, memory=30 * GB)], 0, 10),
    ],
)
def test_each_host_holds_what_its_gpus_cpus_and_memory_hold(kinds: list[Hosts], share: float, fit: int) -> None:
    found = mixed(*kinds)
    assert found.share(CELLS[0]) == share
    assert found.fit(CELLS[:1]) == fit


def test_the_smallest_gpu_seen_says_how_many_share_one() -> None:
    found = seen(2.0)
    found.footprints = {**found.footprints, CELLS[1]: Footprint(2 * GB, 80 * GB, "H100")}
    assert [found.per_gpu(cell) for cell in CELLS[:2]] == [10, 10]
    found.smallest = 16 * GB
    assert [found.per_gpu(cell) for cell in CELLS[:2]] == [7, 7]
    assert "of 16.0 GB (H100, L4): 7 trials share a GPU" in footprint_line(found)


def test_what_fits_is_said_by_cell_where_cells_differ() -> None:
    found = seen(2.0, 6.0, 2.0, 2.0, 2.0)
    assert [found.fit_of(cell) for cell in CELLS[:2]] == [20, 6]
    assert "; 6 to 20 fit, by cell (2 GPUs, 64 CPUs)" in at_once(planner(), found)
    assert "search.window=3 would fill it" in at_once(planner(), found)  # 3 of each: 12 of 20 and 3 of 6


def test_without_a_gpu_auto_is_the_cpu() -> None:
    found = packing(gpus=0, cpus=7, cpus_per_trial=2)
    assert found.request(planner().next(())) == {"cpu": 2, "gpu": 0}  # type: ignore[arg-type]
    assert found.fit(CELLS) == 3
    assert not found.measures


def test_a_share_that_is_given_is_not_seen() -> None:
    assert packing(gpus_per_trial=0.5).fit(CELLS) == 4
    assert packing(gpus_per_trial=0).fit(CELLS) == 16
    assert not packing(gpus_per_trial=0.5).measures


def test_out_of_memory_once_is_twice_the_share_and_never_more_than_a_gpu() -> None:
    trial = planner().next(())
    assert trial is not None
    found = packing(gpus_per_trial=0.3)
    assert found.enlarge(trial)
    assert found.request(trial)["gpu"] == 0.6
    assert not found.enlarge(trial)
    assert not packing(gpus_per_trial=1).enlarge(trial)
    assert not packing(gpus=0).enlarge(trial)
    wide = packing(gpus_per_trial=0.7)
    assert wide.enlarge(trial)
    assert wide.request(trial)["gpu"] == 1


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            packing(gpus=0, cpus=2),
            "at once: up to 10 search trials (5 cells x search.window 2), later 30 measure trials; "
            "2 fit (2 CPUs, 1 a trial)",
        ),
        (packing(gpus=0, cpus=8), "8 fit (8 CPUs, 1 a trial)"),  # no more, no fewer: no advice
        (packing(gpus=0, cpus=18), "\nsearch.window=4 would fill it; that is another search: its proposals know fewer"),
        (packing(gpus=0, cpus=99), "\nsearch.window=8 would use 40; that is another search"),
        (packing(gpus=2), "2 or more fit (2 GPUs; how many share one is measured when the sweep starts)"),
        (packing(gpus=2, gpus_per_trial=0.25), "8 fit (2 GPUs, 16 CPUs)"),
        (packing(gpus=0, most=3), "--max-concurrent allows 3"),
        (packing(gpus=0, cpus=2, cpus_per_trial=4), "none fits (resources.cpus_per_trial: a trial asks for 4 CPUs"),
        (packing(gpus=0, gpus_per_trial=0.5), "a trial asks for 0.5 of a GPU, but there is none; write auto or 0"),
        (seen(2.0, 2.0, 2.0, 2.0, 2.0), "20 fit (2 GPUs, 64 CPUs)\nsearch.window=4 would fill it"),
    ],
)
def test_it_says_what_runs_at_once_and_which_window_would_fill_it(found: Packing, said: str) -> None:
    assert said in at_once(planner(), found)
    if "window=" not in said:
        assert "\n" not in at_once(planner(), found)


def test_after_the_searches_there_are_measure_trials_alone() -> None:
    searched = Planner(SWEEP.spec, simulate.cells(SWEEP), simulate.run(SWEEP))
    for trial in [m for plan in searched.plans for m in plan.measures[:2]]:
        del searched.records[trial.hash]  # type: ignore[attr-defined]
    again = Planner(SWEEP.spec, simulate.cells(SWEEP), searched.records)
    assert at_once(again, packing(gpus=0, cpus=8)) == "at once: up to 10 measure trials; 8 fit (8 CPUs, 1 a trial)"


def test_what_was_measured_is_one_line() -> None:
    assert footprint_line(seen(2.0, 6.0)) == "one trial takes 2.0 to 6.0 GB of 24.0 GB (L4): 3 to 10 trials share a GPU"
    assert footprint_line(seen(2.0)) == "one trial takes 2.0 GB of 24.0 GB (L4): 10 trials share a GPU"
    assert "could be measured" in footprint_line(packing())
