"""Which architecture and training an experiment's name means, e.g. vanilla_rnn_curriculum_simple."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ARCHS = {"vanilla_rnn": "rnn", "rnn": "rnn", "gru": "gru", "lstm": "lstm", "s4": "s4"}
"""The source's name -> ours. Others are taken as they are, where the name says which part is the architecture."""
_FORM = re.compile(r"(?P<model>.+?)_(?P<kind>direct|curriculum)(?P<rest>(?:_.*)?)")
_DECORATION = re.compile(r"_?\d{8}_\d{6}|_?metrics\b")
"""What a file's name has beside the experiment's."""
DIRECT = "direct"


@dataclass(frozen=True)
class ExperimentName:
    """What the name of an experiment, or of a file, says."""

    arch: str
    training: str
    """direct, or curriculum with what follows it, e.g. curriculum_simple."""

    @property
    def kind(self) -> str:
        """direct or curriculum."""
        return self.training.partition("_")[0]


def architecture_named(name: str) -> str:
    """The architecture that the source calls `name`, or that stands at its beginning: vanilla_rnn_d512 is an rnn."""
    lower = name.lower()
    found = next((known for known in _ARCHS if lower == known or lower.startswith(f"{known}_")), None)
    return lower if found is None else _ARCHS[found]


def experiment_name(text: str) -> ExperimentName | None:
    """What an experiment's name says; None where it names no architecture."""
    lower = text.lower()
    if (match := _FORM.fullmatch(lower)) is not None:
        kind, rest = match["kind"], match["rest"].rstrip("_")
        return ExperimentName(architecture_named(match["model"]), kind if kind == DIRECT else f"{kind}{rest}")
    arch = architecture_named(lower)
    return ExperimentName(arch, DIRECT) if arch in _ARCHS.values() else None


def file_name(name: str) -> ExperimentName | None:
    """What the name of a file says, time stamp and `_metrics` left out; None where it says nothing."""
    return experiment_name(_DECORATION.sub("", name.removesuffix(".json")))
