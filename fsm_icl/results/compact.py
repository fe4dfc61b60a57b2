"""Records as a driver keeps thousands of them: what the protocol reads, in a tenth of the memory."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, cast, overload

from fsm_icl.results.records import Report, TrialRecord

_KEPT = ("val/accuracy", "val/loss")


class Curve(Sequence[Report]):
    """Reports of a trial with their validation metrics alone, 24 bytes each; made anew when they are asked for."""

    __slots__ = ("_columns", "_steps")

    def __init__(self, reports: Sequence[Report]) -> None:
        """Keep what the protocol reads of `reports`."""
        names = [name for name in _KEPT if all(name in report.metrics for report in reports)]
        self._steps = array("q", [report.step for report in reports])
        self._columns = {name: array("d", [report.metrics[name] for report in reports]) for name in names}

    def __len__(self) -> int:
        """Number of reports."""
        return len(self._steps)

    @overload
    def __getitem__(self, index: int) -> Report: ...
    @overload
    def __getitem__(self, index: slice) -> list[Report]: ...
    def __getitem__(self, index: int | slice) -> Report | list[Report]:
        """A report, or several."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        metrics = {name: column[index] for name, column in self._columns.items()}
        return Report.model_construct(step=self._steps[index], metrics=metrics)

    def __iter__(self) -> Iterator[Report]:
        """The reports in their order."""
        return (self[i] for i in range(len(self)))


class Compactor:
    """Makes records small. Parts that many of them share, such as the task, are kept once."""

    def __init__(self) -> None:
        self._shared: dict[str, Any] = {}

    def __call__(self, record: TrialRecord) -> TrialRecord:
        """The record with its curve and its end, without test score and other metrics."""
        config = {name: self._once(value) for name, value in record.config.items()}
        end = record.end
        names = ("node", "device", "cpu_model", "versions")
        shared = {name: self._once(getattr(end, name)) for name in names}
        small = end.model_copy(update={**shared, "test": None})
        commit = self._once(record.commit)
        curve = cast("list[Report]", Curve(record.reports))
        return record.model_copy(update={"config": config, "reports": curve, "end": small, "commit": commit})

    def _once(self, value: Any) -> Any:
        if isinstance(value, int | float):
            return value
        return self._shared.setdefault(json.dumps(value, sort_keys=True), value)
