"""The trained models that a sweep left behind."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from fsm_icl.models.shell import Model, build_model
from fsm_icl.results.layout import SweepFolder
from fsm_icl.results.lookup import sweep_folder
from fsm_icl.results.reading import read_manifest
from fsm_icl.sweep.examine.trial import read_record
from fsm_icl.training import weights
from fsm_icl.training.config import TrialConfig


class TrainedModel(NamedTuple):
    """A trained model and what it was trained on: `model, config = fsm_icl.load(...)`."""

    model: Model
    """On the CPU, in eval mode: tokens, int64 (B, T) -> logits, float (B, T, C)."""
    config: TrialConfig


def load(results: str | Path, cell: str, seed: int = 0, scale: str | None = None) -> TrainedModel:
    """A cell's winner as it was trained in the sweep's measure phase. Writes nothing: results may be read-only.

    Args:
        results: a sweep's folder, or its name; a name means the newest results/<name>-<scale>, as in commands.
        cell: its label, e.g. "gru-d64-L1".
        seed: which of the cell's measure seeds, from 0.
        scale: of a sweep given by name; None takes the machine's default or the only one there is.

    Raises:
        ValueError: no such sweep, cell or seed; it has not finished; its weights are gone or damaged.
    """
    folder = sweep_folder(str(results), scale, Path("results"))
    cells = {c.label: c for c in read_manifest(folder).cells}
    if cell not in cells:
        raise ValueError(f"{folder}: no cell {cell!r}; cells: {', '.join(cells)}")
    hashes = {w.index: w.hash for w in cells[cell].wanted if w.phase == "measure"}
    if seed not in hashes:
        known = f"0 to {max(hashes)}" if hashes else "none yet, the cell's search goes on or found no winner"
        raise ValueError(f"{folder}: {cell} has no measure seed {seed}; there are: {known}")
    trial = hashes[seed]
    record = read_record(folder, trial)
    if record is None or record.end.outcome != "finished":
        state = "has not ended" if record is None else f"{record.end.outcome}: {record.end.reason}"
        raise ValueError(f"{folder}: {cell}, seed {seed} (trial {trial[:12]}) {state}")
    config = TrialConfig.model_validate(record.config)
    trained = weights.load_weights(SweepFolder(folder).trial(trial).path, trial)
    model = build_model(config.model, config.task.num_tokens, config.task.num_classes, config.seed)
    model.load_state_dict(trained)
    return TrainedModel(model.eval(), config)
