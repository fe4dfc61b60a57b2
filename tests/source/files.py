"""Small files as the source project writes them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

CURVES = {
    "epochs": [1, 2, 3],
    "train_losses": [1.0, 0.9, 0.8],
    "val_losses": [1.1, 1.0, 0.9],
    "train_accs": [0.5, 0.55, 0.6],
    "val_accs": [0.48, 0.5, 0.53],
    "final_test_accuracy": 0.5366,
}


def metrics(experiment: str = "lstm_direct", accuracy: float = 0.9985, **more: Any) -> dict[str, Any]:
    """A *_metrics.json; `more` replaces or adds keys."""
    return copy.deepcopy(
        {
            "experiment": experiment,
            "timestamp": "20251205_203215",
            "model_config": {"vocab_size": 21, "num_states": 8, "d_model": 256, "num_layers": 2, "dropout": 0.1},
            "training_config": {"batch_size": 8, "learning_rate": 0.001, "num_epochs": 3},
            "training_history": {k: v for k, v in CURVES.items() if k not in ("epochs", "final_test_accuracy")},
            "final_results": {"val_accuracy": 0.53, "test_accuracy": accuracy},
        }
        | more
    )


def sized(experiment: str, accuracy: float, d_model: int, num_layers: int, params: int | None = None) -> dict[str, Any]:
    """A *_metrics.json of one size; its parameter count only where `params` gives one."""
    content = metrics(experiment, accuracy)
    content["model_config"] |= {"d_model": d_model, "num_layers": num_layers}
    content["model_config"] |= {"parameter_count": params} if params else {}
    return content


def curves() -> dict[str, Any]:
    """A training_curves_data.json."""
    lstm = {**CURVES, "val_accs": [0.5, 0.8, 0.99], "final_test_accuracy": 0.9985}
    return copy.deepcopy(
        {
            "LSTM": {"direct": lstm},
            "Vanilla_RNN": {"direct": CURVES, "curriculum_stage1": {**CURVES, "epochs": [1, 2, 4]}},
        }
    )


def write(folder: Path, name: str, content: Any) -> Path:
    """`content` as JSON, or as it is where it is text or bytes."""
    path = folder / name
    raw = content if isinstance(content, bytes) else content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    return path


def notebook(folder: Path) -> list[Path]:
    """Runs as the notebook's three figures need them: widths, depths, and gated networks at one size."""
    runs = [
        ("vanilla_rnn_direct", 0.5366, 256, 2, 270_000),
        ("vanilla_rnn_d512_direct", 0.55, 512, 2, 1_070_000),
        ("vanilla_rnn_d1024_direct", 0.6366, 1024, 2, 4_200_000),
        ("vanilla_rnn_deep_direct", 0.4366, 256, 5, 660_000),
        ("gru_direct", 0.96, 256, 2, 800_000),
        ("lstm_direct", 0.9366, 256, 2, 1_060_000),
        ("s4_direct", 0.62, 256, 4, None),
        ("lstm_curriculum_simple", 0.988, 256, 2, 1_060_000),
    ]
    return [write(folder, f"{run[0]}_metrics.json", sized(*run)) for run in runs]
