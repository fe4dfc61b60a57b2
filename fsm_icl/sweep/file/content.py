"""What the trials of one cell have in common, and so which cell a record is of."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from fsm_icl.results.records import TrialRecord
from fsm_icl.sweep.file.cells import Cell
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


class CellIndex:
    """Finds the cell of a record among a sweep's."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._cells = cells
        self._by_key = {cell.key: cell for cell in cells}

    @functools.cached_property
    def _by_content(self) -> dict[str, Cell]:
        return {content_of(cell.template.model_dump(mode="json"), cell.ranges): cell for cell in self._cells}

    @functools.cached_property
    def _searched(self) -> set[tuple[str, ...]]:
        return {tuple(cell.ranges) for cell in self._cells}

    def find(self, record: TrialRecord) -> Cell | None:
        """The cell that the record's place names, else the one whose content its config has, else None.

        A record has no place in format 1, and names another cell where a fixed hyperparameter is searched now.
        """
        if record.place is not None and record.place.cell in self._by_key:
            return self._by_key[record.place.cell]
        contents = (content_of(record.config, names) for names in self._searched)
        return next((self._by_content[content] for content in contents if content in self._by_content), None)
