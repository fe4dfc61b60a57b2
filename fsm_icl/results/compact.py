"""Records as a driver keeps thousands of them: what the protocol reads, in a tenth of the memory."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, cast, overload

from fsm_icl.results.records import Report, TrialRecord

_KEPT = ("val/accuracy", "val/loss")


Row = TypeVar("Row")


class Rows(Sequence[Row]):
    """Rows that lie in columns; each is made anew when it is asked for."""

    __slots__ = ()

    @abstractmethod
    def row(self, index: int) -> Row:
        """The row at `index`."""

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        return [self.row(i) for i in range(*index.indices(len(self)))] if isinstance(index, slice) else self.row(index)

    def __iter__(self) -> Iterator[Row]:
        return map(self.row, range(len(self)))

    def __eq__(self, other: object) -> bool:
        """Whether `other` has the same rows."""
        return isinstance(other, Rows | list) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


class Curve(Rows[Report]):
    """Reports of a trial, 24 bytes each with two metrics."""

    __slots__ = ("_columns", "_steps")

    def __init__(self, reports: Sequence[Report], names: Sequence[str]) -> None:
        """Keep the metrics `names` of `reports`; NaN, which no metric is, stands where a report lacks one."""
        self._steps = array("q", [report.step for report in reports])
        self._columns = {name: array("d", [r.metrics.get(name, math.nan) for r in reports]) for name in names}

    def __len__(self) -> int:
        return len(self._steps)

    def row(self, index: int) -> Report:
        """The report at `index`."""
        found = {name: column[index] for name, column in self._columns.items()}
        metrics = {name: value for name, value in found.items() if not math.isnan(value)}
        return Report.model_construct(step=self._steps[index], metrics=metrics)


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
        curve = cast("list[Report]", Curve(record.reports, _KEPT))
        return record.model_copy(update={"config": config, "reports": curve, "end": small, "commit": commit})

    def _once(self, value: Any) -> Any:
        if isinstance(value, int | float):
            return value
        return self._shared.setdefault(json.dumps(value, sort_keys=True), value)
