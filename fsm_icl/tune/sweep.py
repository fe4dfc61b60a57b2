"""One Tuner from a sweep and its store: Tune is the executor, what is known lies in our records."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

os.environ.update(  # read by Ray when it is imported
    RAY_AIR_NEW_OUTPUT="0",
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",
    RAY_AUTH_MODE="disabled",  # on loopback alone; otherwise a token is written into the home folder
    RAY_CHDIR_TO_TRIAL_DIR="0",
    RAY_ENABLE_UV_RUN_RUNTIME_ENV="0",
    RAY_USAGE_STATS_ENABLED="0",
    RAY_enable_worker_prestart="0",
    TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
    TUNE_DISABLE_SIGINT_HANDLER="1",
    TUNE_GLOBAL_CHECKPOINT_S="3600",
    TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S="0",
)
import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler

from fsm_icl.records import Manifest, TaskEntry
from fsm_icl.sweep.cells import Cell, cells_of, declared
from fsm_icl.sweep.loading import LoadedSweep
from fsm_icl.sweep.manifest import manifest_of, task_key
from fsm_icl.sweep.planner import Planner
from fsm_icl.sweep.store import Store
from fsm_icl.sweep.tracking import Tracker
from fsm_icl.task.baselines import baselines
from fsm_icl.task.episodes import evaluation_set
from fsm_icl.tune.desk import Desk, told
from fsm_icl.tune.ended import Ended, ended_trials, share
from fsm_icl.tune.options import RunOptions, interruptions
from fsm_icl.tune.progress import Progress
from fsm_icl.tune.search import ProtocolSearcher, StopWhenBroken
from fsm_icl.tune.trainable import CPUS_PER_TRIAL, TrialTrainable


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
        """The manifest."""
        return manifest_of(self.loaded, planner, self.store.id, self.hypotheses, self.tasks)


def _task_entry(cell: Cell, evaluation_seed: int) -> TaskEntry:
    task = cell.template.task
    found = baselines(task, evaluation_set(task, "test", evaluation_seed))
    return TaskEntry(
        spec=task.model_dump(mode="json"),
        ladder=found.ladder,
        ceiling=found.ceiling,
        ceiling_exact=found.ceiling_exact,
    )


def run_sweep(loaded: LoadedSweep, store: Store, options: RunOptions, console: Console) -> Ended:
    """Run all that is missing of a sweep.

    Raises:
        KeyboardInterrupt: Ctrl-C, SIGTERM or the time limit; workers are gone, records are kept.
    """
    cells = cells_of(loaded)
    planner = Planner(loaded.spec, cells, store.records)
    maker = ManifestMaker(loaded, cells, store)
    tracker = Tracker(store.folder, loaded.name, store.id, loaded.scale, options.wandb)
    desk = Desk(planner, store, tracker, lambda: maker(planner), options.stall_limit)
    started = time.monotonic()
    try:
        store.write_sweep_file(loaded.spec.model_dump(mode="json", exclude_none=True))
        store.write_manifest(maker(planner))
        tracker.catch_up(ended_trials(planner))
        try:
            if not planner.complete:
                _tune(desk, options, console)
        finally:  # after Ctrl-C too
            if desk.broken is None:
                store.write_manifest(maker(planner))
    except OSError as error:
        desk.broken = desk.broken or told(error, store.folder)
    seconds = time.monotonic() - started
    tracker.catch_up(ended_trials(planner))
    tracker.close()
    shared = share(store.folder, store.folder, tracker.mode) if desk.broken is None else None
    problem = tracker.problem or shared
    return Ended(planner, seconds, desk.worked_seconds, options.max_concurrent, desk.broken, desk.lost, problem)


def _tune(desk: Desk, options: RunOptions, console: Console) -> None:
    """Let Ray run what the desk hands out."""
    progress = Progress(desk, console, options.max_concurrent)
    with (
        _ray(options.max_concurrent) as folder,
        interruptions(options.time_limit),  # after Ray has put its own handler on SIGTERM
        contextlib.closing(progress),
    ):
        _tuner(desk, options, progress, folder).fit()


def _tuner(desk: Desk, options: RunOptions, progress: Progress, folder: Path) -> tune.Tuner:
    gpus = 1 if ray.cluster_resources().get("GPU") else 0
    return tune.Tuner(
        tune.with_resources(TrialTrainable, {"cpu": CPUS_PER_TRIAL, "gpu": gpus}),
        tune_config=tune.TuneConfig(
            search_alg=ProtocolSearcher(desk),
            scheduler=FIFOScheduler(),
            num_samples=-1,
            max_concurrent_trials=options.max_concurrent,
            reuse_actors=True,
            trial_name_creator=lambda trial: str(trial.trial_id),
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(folder),
            stop=StopWhenBroken(desk),
            failure_config=tune.FailureConfig(max_failures=options.max_failures),
            callbacks=[progress],
            verbose=0,
        ),
    )


def _clear_scratch(folder: Path) -> None:
    """Remove what drivers that were killed have left behind."""
    for path in folder.glob("fsm-*-*"):
        pid = path.name.split("-")[1]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _ray(num_cpus: int) -> Iterator[Path]:
    """Ray on this machine alone, in a scratch folder that goes with it."""
    # Ray's unix sockets lie below it, and their paths may have 107 characters.
    short = tempfile.gettempdir() if len(tempfile.gettempdir()) <= 24 else "/tmp"
    _clear_scratch(Path(short))
    scratch = Path(tempfile.mkdtemp(prefix=f"fsm-{os.getpid()}-", dir=short))
    try:
        ray.init(
            num_cpus=num_cpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=2**27,
            _temp_dir=str(scratch / "ray"),
        )
        for name in ("ray.tune", "ray.train"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        yield scratch / "tune"
    finally:
        ray.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)
