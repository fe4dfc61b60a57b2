"""What the trials of one cell have in common."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from fsm_icl.sweep.file.spec import PARAMETERS
from fsm_icl.training.config import TrialConfig


def content_of(config: Mapping[str, Any], searched: Iterable[str]) -> str:
    """A trial's config without what differs inside a cell, with the fields that have come since it was written."""
    with contextlib.suppress(ValidationError):  # written by a version with other fields: no cell of ours
        config = TrialConfig.model_validate(config).model_dump(mode="json")
    places = {PARAMETERS[name] for name in searched}
    kept = {
        section: {k: v for k, v in value.items() if (section, k) not in places} if isinstance(value, dict) else value
        for section, value in config.items()
        if section not in ("phase", "seed")
    }
    return json.dumps(kept, sort_keys=True)
