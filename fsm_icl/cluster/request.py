"""What `submit` is asked to run, checked here before anything is sent: a typo is told now, not by a head in minutes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

_OURS = {
    "results": "metadata.results of the cluster file says where results go",
    "address": "a job runs on the cluster's head",
    "cpus": "for a cluster give --capacity CPUS,GPUS",
    "gpus": "for a cluster give --capacity CPUS,GPUS",
}
"""Option that has no place in a job -> why."""


def check(sweep: str, options: Sequence[str]) -> None:
    """Raises ValueError where `fsm-icl tune` would refuse the sweep or one of its options."""
    given = _parsed(sweep, options)
    for name, why in _OURS.items():
        if name in given:
            raise ValueError(f"--{name} can't be given: {why}")
    if "capacity" in given:
        from fsm_icl.tune.resources.capacity import stated

        stated(given["capacity"])
    seed = [f"seed={given['seed']}"] if "seed" in given else []
    _check_sweep(sweep, given.get("scale"), [*given.get("sets", ()), *seed])


def _parsed(sweep: str, options: Sequence[str]) -> dict[str, Any]:
    """Options that were given, by name. Raises ValueError."""
    from fsm_icl.tune.command import tune

    app = typer.Typer(add_completion=False)
    app.command()(tune)
    try:
        context = typer.main.get_command(app).make_context("fsm-icl tune", [sweep, *options])
    except Exception as error:
        if not hasattr(error, "format_message"):  # no complaint about what was typed
            raise
        raise ValueError(error.format_message()) from None
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name: context.params[name] for name, source in sources.items() if source and source.name == "COMMANDLINE"}


def _check_sweep(sweep: str, scale: str | None, sets: list[str]) -> None:
    from fsm_icl.sweep.file.cells import cells_of
    from fsm_icl.sweep.file.hypotheses import check_other_scales, declared
    from fsm_icl.sweep.file.load import load_sweep_file
    from fsm_icl.sweep.file.yaml import SpecError
    from fsm_icl.sweep.protocol.claim_checks import refuse_thresholds

    try:
        loaded = load_sweep_file(sweep, scale, sets)
        refuse_thresholds(loaded)
        declared(loaded, cells_of(loaded))
        check_other_scales(loaded)
    except SpecError as error:
        raise ValueError("\n".join(error.problems)) from None
