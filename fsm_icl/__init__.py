"""Which recurrent architecture learns finite-state machines in context, and how sure are we?

A sweep file names a grid of cells (architecture x d_model x num_layers). Inside each cell a search proposes and prunes
hyperparameters; each cell's winner is then measured on fresh seeds and on machines never seen in training; analysis
turns the records into figures with intervals and a verdict. Five wings stand one above the other, and a file imports
only its own wing and those below:

    cli.py        `fsm-icl`: thin commands
    cluster/      what a cluster needs, what makes it unsafe, sweeps sent there and results brought home
    tune/         RAY: runs what a sweep asks for, the only wing in which trials meet ray
    sweep/        MANY TRIALS: sweep files, cells, the search-then-measure protocol, records, W&B
    training/     ONE TRIAL: a config, the training loop, scoring, checkpoints, how it ended
    task/         WHAT IS LEARNT: machines, episodes, baselines        models/  WHAT LEARNS: one file an architecture
    source/       the source project's result files, read into a results folder
    records.py    what a trial leaves behind: the contract with analysis/      folders.py  where that lies
    claims.py     when each claim was declared             account.py  the one door to wandb: settings, account, errors
    runs.py       a trial as a W&B run, and back           wandb_limits.py  what W&B takes     wandb_logs.py  reads logs
    seeding.py    one seed -> named independent generators
    hardware.py   cores, memory and GPUs of this machine    aws_errors.py  what to do about what AWS refuses
    record_checks.py  what can't be true of a record     compact.py  records in little memory
    files.py      disks and object stores alike             output.py  printing stops nothing
    plugins.py    what installed packages add              testing.py  tests that their authors inherit

The way of the data: YAML -> SweepSpec -> TrialConfig -> train() -> Report -> TrialRecord -> table -> figure.

`fsm_icl.load(results, cell, seed)` gives a trained model back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fsm_icl.sweep.examine.weights import load as load

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """`load`, imported when it is first asked for: it needs torch, most of the package does not."""
    if name == "load":
        from fsm_icl.sweep.examine.weights import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
