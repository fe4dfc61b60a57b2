"""The tune command: `python -m fsm_icl.tune SWEEP` and `fsm-icl tune SWEEP`."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from fsm_icl.output import end_without_reader
from fsm_icl.tune.interruptions import interruptions, say_why
from fsm_icl.tune.request import MAX_TRIALS, RunOptions, TuneRequest, duration

if TYPE_CHECKING:
    from rich.console import Console

    from fsm_icl.sweep.protocol.planner import Planner
    from fsm_icl.sweep.store.store import Store
    from fsm_icl.tracking.account import Destination
    from fsm_icl.tune.preview import Preview
    from fsm_icl.tune.resources.packing import Capacity, Packing


def _duration(text: str) -> float:
    try:
        return duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def tune(
    sweep: Annotated[str, typer.Argument(help="A shipped sweep (spectrum, capacity, depth) or a path to a YAML file.")],
    scale: Annotated[
        str | None, typer.Option(help="A scale of the file; default: paper with a GPU, laptop without.")
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, checked like the file; may be repeated.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The sweep's seed; the test set stays the same.")] = None,
    results: Annotated[str, typer.Option(help="Folder or URI (s3://...) that holds the sweeps' folders.")] = "results",
    wandb: Annotated[
        Literal["offline", "online", "auto", "disabled"],
        typer.Option(help="Where W&B runs go; auto: online with a key and a server that answers, else offline."),
    ] = "offline",
    wandb_entity: Annotated[
        str | None, typer.Option(help="W&B user or team; default: WANDB_ENTITY, else the account's own.")
    ] = None,
    wandb_project: Annotated[
        str | None, typer.Option(help="W&B project; default: WANDB_PROJECT, else fsm_icl.")
    ] = None,
    max_concurrent: Annotated[
        int | None, typer.Option(min=1, help="Largest number of trials at a time; default: what fits.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="A Ray cluster that runs already: auto, or HOST:PORT; default: this machine.")
    ] = None,
    capacity: Annotated[
        str | None,
        typer.Option(
            metavar="CPUS,GPUS[xHOSTS]",
            help="What a cluster may grow to: 32,8 in all, or by kind of host 4,1x8+64,0x2; default: as its head says.",
        ),
    ] = None,
    cpus: Annotated[int | None, typer.Option(min=1, help="CPUs of this machine to use; default: those seen.")] = None,
    gpus: Annotated[
        int | None, typer.Option(min=0, help="GPUs of this machine to use; default: those NVIDIA's driver lists.")
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(parser=_duration, metavar="DURATION", help="End after 90s, 45m, 2h, ...; run it again to go on."),
    ] = None,
    stall_limit: Annotated[
        float,
        typer.Option(
            parser=_duration, metavar="DURATION", help="Treat a worker as hung after this long without a report."
        ),
    ] = "30m",  # type: ignore[assignment]  # typer parses defaults too
    max_failures: Annotated[
        int,
        typer.Option(min=0, help="How many times a trial is restarted after its worker dies."),
    ] = RunOptions.max_failures,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Forget trials whose code failed, and run them again.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew in a new folder; nothing is deleted.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would run, and how long; train nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help=f"Run even a sweep of more than {MAX_TRIALS:,} trials.")] = False,
) -> None:
    """Search each cell's hyperparameters, then measure each winner on fresh seeds. Run it again to go on."""
    from fsm_icl.results.lookup import default_scale  # imported late: --help answers at once
    from fsm_icl.sweep.file.yaml import SpecError

    if not plan:
        end_without_reader()
    if sys.__stdout__ is None:
        _refuse("standard output is closed; send it to a file, as in `> log.txt`")
    # A process that a script starts with `&` inherits SIGINT ignored, and Ctrl-C would do nothing.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    settings = [*(sets or []), *([f"seed={seed}"] if seed is not None else [])]
    try:
        with interruptions(time_limit):
            there = _capacity(address, capacity, cpus, gpus)
            options = RunOptions(
                address=address,
                max_failures=max_failures,
                stall_limit=stall_limit,
                wandb_to=_destination(wandb, wandb_entity, wandb_project),
            )
            default = default_scale(there.gpus)
            asked = TuneRequest(sweep, scale, settings, results, plan, yes, retry_failed, fresh, wandb, default)
            code = _run(asked, options, there, max_concurrent)
    except SpecError as error:
        _refuse("\n".join(error.problems))
    except KeyboardInterrupt as error:
        code = say_why(error)
    except BrokenPipeError:
        _refuse("whoever read standard output has closed it; what has ended is kept, the same command goes on")
    raise typer.Exit(code)


def _run(asked: TuneRequest, options: RunOptions, capacity: Capacity, max_concurrent: int | None) -> int:
    from fsm_icl.sweep.protocol.claim_checks import bounds_of, doubts
    from fsm_icl.sweep.store.store import StoreError
    from fsm_icl.tracking.mode import TrackingError, decide
    from fsm_icl.tune.console import sweep_console
    from fsm_icl.tune.preview import look, print_doubts, print_plan
    from fsm_icl.tune.resources.packing import Packing

    console = sweep_console()
    try:
        view = look(asked)
        packing = Packing(view.loaded.spec.resources, capacity, max_concurrent)
        _introduce(view, packing, asked.scale, options.address, console)
        if asked.plan:
            print_plan(view.planner, view.tally, packing, console)
            cells = [plan.cell for plan in view.planner.plans]
            print_doubts(doubts(view.loaded, cells, bounds_of(cells)), console)
            return 0
        if packing.problem is not None:
            _refuse(packing.problem)
        _check_size(view.planner, asked.yes)
        mode, why = decide(asked.wandb)
        if why is not None:
            console.print(why, highlight=False, markup=False)
        options = replace(options, wandb=mode)
        if not view.planner.complete:
            _check_machine(options.address)
        store = _open(view, asked, packing)
    except (StoreError, TrackingError) as error:
        _refuse(str(error))
    from fsm_icl.tune.outcome import print_end
    from fsm_icl.tune.run import run_sweep
    from fsm_icl.tune.session import SessionError

    with store:
        try:
            ended = run_sweep(view.loaded, store, options, packing, console)
        except SessionError as error:
            _refuse(str(error))
    print_end(ended, view.folder, console)
    return 0 if ended.sound else 1


def _introduce(view: Preview, packing: Packing, scale: str | None, address: str | None, console: Console) -> None:
    """The first lines."""
    from fsm_icl.tune.preview import headline, print_doubts
    from fsm_icl.tune.resources.capacity import cpu_doubt
    from fsm_icl.tune.resources.packing import at_once

    console.print(headline(view, scale), highlight=False, markup=False)
    if not view.planner.complete:
        console.print(at_once(view.planner, packing), highlight=False, markup=False)
        if (doubt := cpu_doubt(packing, address)) is not None:
            print_doubts([doubt], console)
    print_doubts(view.announcements, console)


def _open(view: Preview, asked: TuneRequest, packing: Packing) -> Store:
    from fsm_icl.sweep.protocol.estimate import bytes_needed
    from fsm_icl.sweep.store.store import Store

    store = Store(view.folder)
    if asked.retry_failed:
        store.forget_failed()
    # Of what is running: how many share a GPU is not known yet, but each has CPUs of its own.
    most = packing.max_concurrent or packing.capacity.cpus // packing.resources.cpus_per_trial
    store.check_space(bytes_needed(view.planner, most))
    return store


def _destination(mode: str, entity: str | None, project: str | None) -> Destination:
    from fsm_icl.tracking.account import Destination, WandbError, destination

    try:
        return Destination() if mode == "disabled" else destination(entity, project)
    except WandbError as error:
        _refuse(str(error))


def _capacity(address: str | None, capacity: str | None, cpus: int | None, gpus: int | None) -> Capacity:
    from fsm_icl.tune.resources.capacity import capacity_here, of_cluster, stated

    try:
        said = None if capacity is None else stated(capacity)
    except ValueError as error:
        _refuse(f"--capacity: {error}")
    if address is None and said is not None:
        _refuse("--capacity is for a cluster, which --address names; for this machine give --cpus and --gpus")
    if address is not None and (cpus is not None or gpus is not None):
        _refuse("--cpus and --gpus are for this machine; for the cluster at --address give --capacity CPUS,GPUS")
    try:
        return capacity_here(cpus, gpus) if address is None else of_cluster(address, said)
    except ValueError as error:
        _refuse(str(error))


def _check_machine(address: str | None) -> None:
    from fsm_icl.tune.session import SessionError, check_this_machine

    try:
        check_this_machine(address)
    except SessionError as error:
        _refuse(str(error))


def _check_size(planner: Planner, yes: bool) -> None:
    trials = sum(cell.total() for cell in planner.plans)
    if trials > MAX_TRIALS and not yes:
        _refuse(
            f"{trials:,} trials, more than {MAX_TRIALS:,}: look at the grid, search.num_trials, search.repeats and "
            "measure.num_seeds with --plan; --yes runs them all"
        )


def _refuse(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(2)
