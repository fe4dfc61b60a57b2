"""Sizes that no machine can hold, refused before anything starts."""

from __future__ import annotations

from collections.abc import Sequence

from fsm_icl.sweep.file.load import LoadedSweep
from fsm_icl.sweep.file.yaml import KeyPath
from fsm_icl.training.config import TrialConfig

MAX_SET_NUMBERS = 2**25
"""Tokens or table entries of one set of episodes: about a gigabyte while it is made."""

MAX_BATCH_FLOATS = 2**32
"""Batch x longest episode x d_model x num_layers: 16 GB of activations."""

MAX_PARAMS = 10**9
"""Parameters of a model: 16 GB with gradients and AdamW's moments."""

MAX_STEPS, MAX_REPORTS = 10**9, 1000
"""Of a trial. Each report becomes a row of its record and of W&B."""


def check_memory(loaded: LoadedSweep, entry: int, config: TrialConfig) -> None:
    """Refuse what no machine could hold."""
    task, budget, model = config.task, config.budget, config.model
    length = task.sequence_length
    reports = -(-budget.steps // budget.report_every)
    params = model.num_params(task.num_tokens, task.num_classes)
    floats = budget.batch_size * length * model.d_model * model.num_layers
    for what, amount, most, keys in (
        *((s.what, s.amount, MAX_SET_NUMBERS, [f"task.{name}" for name in s.fields]) for s in task.sizes()),
        ("tokens in a batch", budget.batch_size * length, MAX_SET_NUMBERS, ("budget.batch_size",)),
        ("parameters", params, MAX_PARAMS, ("d_model", "num_layers")),
        (
            "floats of activations a batch (batch x length x d_model x num_layers)",
            floats,
            MAX_BATCH_FLOATS,
            ("d_model", "budget.batch_size"),
        ),
        ("steps", budget.steps, MAX_STEPS, ("budget.steps",)),
        (
            "reports a trial (budget.steps / budget.report_every)",
            reports,
            MAX_REPORTS,
            ("budget.report_every", "budget.steps"),
        ),
    ):
        if amount > most:
            message = f"too large: {count(amount)} {what}; at most {count(most)}"
            raise loaded.error(_place_of(keys, entry, loaded), message)


def _place_of(keys: Sequence[str], entry: int, loaded: LoadedSweep) -> KeyPath:
    """Where the first of `keys` that is written down stands: in the grid, else in its section."""
    for key in keys:
        for spelling in (key, key.removeprefix("budget.")):
            if spelling in loaded.spec.grid[entry]:
                return "grid", entry, spelling
        path: KeyPath = tuple(key.split(".")) if "." in key else ("model", key)
        if path in loaded.located.origin:
            return path
    return tuple(keys[0].split(".")) if "." in keys[0] else ("model", keys[0])


def count(number: int) -> str:
    """A number as people write it, if they can."""
    return f"{number:,}" if number < 10**12 else "more than 10^12"
