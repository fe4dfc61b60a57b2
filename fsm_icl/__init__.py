"""Which recurrent architecture learns finite-state machines in context, and how sure are we?

A sweep file names a grid of cells (architecture x d_model x num_layers). Inside each cell a search proposes and prunes
hyperparameters; each cell's winner is then measured on fresh seeds and on machines never seen in training; `analysis`
turns the records into figures with intervals and a verdict.

Each folder is a room, and its docstring lists its files. The rooms stand in layers, as they are listed here from top
to bottom, and a file imports its own room and those below. The rooms of `analysis` stand between tune/ and sweep/.

    cli.py           `fsm-icl`: all commands, thin
    cluster/         CLUSTERS: what a cluster needs, what makes it unsafe, sweeps sent there and results fetched
    tune/            RAY: runs the trials that a sweep asks for
    sweep/examine/   MANY TRIALS: looks at a sweep without changing it
    sweep/protocol/  which trials are missing next: pure functions of the sweep file and the records
    sweep/store/     the locked results folder that one driver writes
    sweep/file/      the YAML file that a user writes, its cells, and what is wrong with it
    training/        ONE TRIAL: a config, the training loop, scoring, checkpoints, how it ended
    task/            WHAT IS LEARNT: machines, episodes, baselines
    models/          WHAT LEARNS: one file per architecture
    tracking/        W&B: what is logged of a sweep, and how it is sent
    source/          the source project's result files, read into a results folder
    results/         WHAT IS KEPT: records, manifest, claims, and where they lie
    commit.py        which code this is, for records
    hardware.py      cores, memory and GPUs that this process may use
    seeding.py       one seed -> named independent generators
    output.py        printing that no closed pipe stops
    plugins.py       what installed packages add
    testing/         contract tests that authors of plug-ins inherit

The way of the data: YAML -> SweepSpec -> TrialConfig -> train() -> Report -> TrialRecord -> Sweep -> figure.

`load(results, cell, seed)` gives a trained model back; `run_trial(TrialConfig(...))` trains one.
"""

from __future__ import annotations

import pkgutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fsm_icl.sweep.examine.weights import load as load
    from fsm_icl.training.config import RunEnv as RunEnv
    from fsm_icl.training.config import TrialConfig as TrialConfig
    from fsm_icl.training.trial import run_trial as run_trial

__all__ = ["RunEnv", "TrialConfig", "load", "run_trial"]
_HOMES = {
    "RunEnv": "fsm_icl.training.config",
    "TrialConfig": "fsm_icl.training.config",
    "load": "fsm_icl.sweep.examine.weights",
    "run_trial": "fsm_icl.training.trial",
}


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first asked for: these need torch, and most of the package does not."""
    if name in _HOMES:
        return pkgutil.resolve_name(f"{_HOMES[name]}:{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
