"""One Tuner from a sweep and its store: Tune is the executor, what is known lies in our records."""

from __future__ import annotations

import contextlib
import functools
import time
from pathlib import Path

from fsm_icl.tune.session import session  # first: it sets what Ray reads when it is imported

# isort: split
from ray import tune
from ray.tune.schedulers import FIFOScheduler
from rich.console import Console

from analysis.report.terminal import say
from fsm_icl.results.files import os_error_text
from fsm_icl.results.records import Manifest, TaskEntry
from fsm_icl.sweep.file.cells import Cell, cells_of
from fsm_icl.sweep.file.hypotheses import declared
from fsm_icl.sweep.file.load import LoadedSweep
from fsm_icl.sweep.protocol.claim_checks import bounds_of, doubts
from fsm_icl.sweep.protocol.declarations import brought_up_to_date
from fsm_icl.sweep.protocol.manifest import manifest_of, task_key
from fsm_icl.sweep.protocol.planner import Planner
from fsm_icl.sweep.store.store import Store
from fsm_icl.tracking.tracker import Tracker
from fsm_icl.tracking.trial_runs import TrialRuns
from fsm_icl.tune.driver import Driver
from fsm_icl.tune.job import requested
from fsm_icl.tune.live_table import Progress
from fsm_icl.tune.outcome import SweepOutcome, ended_trials, upload_sweep
from fsm_icl.tune.preview import print_doubts
from fsm_icl.tune.request import RunOptions
from fsm_icl.tune.resources.footprints import measure
from fsm_icl.tune.resources.packing import Packing, at_once, footprint_line
from fsm_icl.tune.searcher import ProtocolSearcher, StopWhenBroken
from fsm_icl.tune.trainable import TrialTrainable
from fsm_icl.tune.watch import Watch


class ManifestMaker:
    """Makes the manifest as it stands. The ladders of its tasks are computed once, at the start."""

    def __init__(self, loaded: LoadedSweep, cells: list[Cell], store: Store) -> None:
        """Score the fixed strategies on every distinct task's test set."""
        self.loaded, self.store = loaded, store
        self.hypotheses = declared(loaded, cells)
        self.tasks: dict[str, TaskEntry] = {}
        for cell in cells:
            key = task_key(cell)
            if key not in self.tasks:
                self.tasks[key] = _task_entry(cell, loaded.spec.evaluation_seed)

    def __call__(self, planner: Planner) -> Manifest:
        """The manifest as it stands."""
        log = self.store.declarations
        assert log is not None, "claims are declared before the manifest is made"
        return manifest_of(self.loaded, planner, self.store.id, self.hypotheses, self.tasks, log.declarations)


def _task_entry(cell: Cell, evaluation_seed: int) -> TaskEntry:
    task = cell.template.task
    found = task.baselines(task.evaluation_set("test", evaluation_seed))
    return TaskEntry(
        spec=task.model_dump(mode="json"),
        dimensions=task.dimensions,
        slices=task.slices,
        ladder=found.ladder,
        ceiling=found.ceiling,
        ceiling_exact=found.ceiling_exact,
    )


def run_sweep(
    loaded: LoadedSweep, store: Store, options: RunOptions, packing: Packing, console: Console
) -> SweepOutcome:
    """Run all that is missing of a sweep.

    Where shares of GPUs are to be measured, `packing` is given the footprints.

    Raises:
        KeyboardInterrupt: Ctrl-C, SIGTERM or the time limit; workers are gone, records are kept.
    """
    cells = cells_of(loaded)
    planner = Planner(loaded.spec, cells, store.records)
    maker = ManifestMaker(loaded, cells, store)
    if not planner.complete:
        print_doubts(doubts(loaded, cells, bounds_of(cells, maker.tasks)), console)
    to = options.wandb_to
    tracker = Tracker(TrialRuns(store.local, loaded.name, store.id, loaded.scale, options.wandb, store.folder, to))
    driver = Driver(planner, store, tracker, lambda: maker(planner), packing, options.stall_limit)
    started = time.monotonic()
    try:
        # First: sweep.yaml still says what was asked for before.
        store.declare(brought_up_to_date(store.declarations, store.folder, loaded, planner))
        store.write_sweep_file(loaded.spec.model_dump(mode="json", exclude_none=True))
        store.write_manifest(maker(planner))
        tracker.catch_up(((planned.tracked, record) for planned, record in ended_trials(planner)), store.read)
        try:
            if not planner.complete:
                _tune(driver, options, console)
        finally:  # after Ctrl-C too
            if driver.broken is None:
                store.write_manifest(maker(planner))
    except OSError as error:
        driver.broken = driver.broken or os_error_text(error)
    seconds = time.monotonic() - started
    tracker.catch_up(((planned.tracked, record) for planned, record in ended_trials(planner)), store.read)
    tracker.close()
    shared = upload_sweep(store, tracker.mode, to) if driver.broken is None else None
    problem = tracker.problem or shared
    lost = list(driver.lost.values())
    return SweepOutcome(
        planner, seconds, driver.worked_seconds, _slots(driver), driver.broken, lost, problem, driver.on_cpu
    )


def _slots(driver: Driver) -> int:
    return driver.packing.slots(plan.cell.key for plan in driver.planner.plans)


def _tune(driver: Driver, options: RunOptions, console: Console) -> None:
    """Let Ray run what the driver hands out."""
    packing = driver.packing
    # --max-concurrent may ask for more than there are.
    cpus = max(packing.capacity.cpus, _slots(driver) * packing.resources.cpus_per_trial)
    with (
        Watch(driver.silence, options.stall_limit, driver.last_words) as watch,
        session(options.address, cpus, packing.capacity.gpus) as folder,
        watch.looking(),
    ):
        if packing.measures:
            _measure(driver, console)
        with contextlib.closing(Progress(driver, console, _slots(driver))) as progress:
            _tuner(driver, options, progress, folder).fit()


def _measure(driver: Driver, console: Console) -> None:
    """See how many trials can share a GPU."""
    measure(driver.planner, driver.packing, driver.store.folder, functools.partial(say, console))
    say(console, footprint_line(driver.packing))
    say(console, at_once(driver.planner, driver.packing))


def _tuner(driver: Driver, options: RunOptions, progress: Progress, folder: Path) -> tune.Tuner:
    return tune.Tuner(
        tune.with_resources(TrialTrainable, requested),
        tune_config=tune.TuneConfig(
            search_alg=ProtocolSearcher(driver),
            scheduler=FIFOScheduler(),
            num_samples=-1,
            # Always set: without it Tune asks for one machine at a time.
            max_concurrent_trials=_slots(driver),
            reuse_actors=True,
            trial_name_creator=lambda trial: str(trial.trial_id),
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(folder),
            stop=StopWhenBroken(driver),
            failure_config=tune.FailureConfig(max_failures=options.max_failures),
            # Trials keep their own. Tune's would be written below storage_path, which other machines do not see: there
            # a trial that had ended counted as lost.
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            callbacks=[progress],
            verbose=0,
        ),
    )
