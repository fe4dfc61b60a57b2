"""Records as thousands of them are kept in memory: in columns, and what is equal once."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast, overload

from fsm_icl.results.records import Report, TestScore, TrialRecord

PROTOCOL = ("val/accuracy", "val/loss")
"""Metrics that the search-then-measure protocol reads."""


_SAME_EPISODES = ("machine_total", "machine_class")
"""Lists of a test score that are equal for all trials of one task."""


class Curve(Sequence[Report]):
    """Reports of a trial in columns, 8 bytes per number; a report is made anew when it is asked for."""

    __slots__ = ("_columns", "_steps")

    def __init__(self, reports: Sequence[Report], metrics: Iterable[str]) -> None:
        """Keep those of the `metrics` that every one of the `reports` has."""
        names = [name for name in metrics if all(name in report.metrics for report in reports)]
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

    def __eq__(self, other: object) -> bool:
        """Whether `other` has equal reports, as a list or as a curve."""
        return list(self) == list(other) if isinstance(other, list | Curve) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as that of a list

    def __iter__(self) -> Iterator[Report]:
        """The reports in their order."""
        return (self[i] for i in range(len(self)))


class Compactor:
    """Makes records small. Parts that many of them share, such as the task, are kept once."""

    def __init__(self, *, whole: bool = False) -> None:
        """`whole`: nothing is left out; else test scores and what the protocol does not read are."""
        self._whole = whole
        self._shared: dict[str, Any] = {}

    def __call__(self, record: TrialRecord) -> TrialRecord:
        """The record in little memory."""
        config = {name: self._once(value) for name, value in record.config.items()}
        end = record.end
        names = ("node", "device", "cpu_model", "versions")
        shared = {name: self._once(getattr(end, name)) for name in names}
        small = end.model_copy(update={**shared, "test": self._test(end.test)})
        parts = {"config": config, "reports": self._curve(record.reports), "end": small}
        return record.model_copy(update={**parts, "commit": self._once(record.commit)})

    def _test(self, test: TestScore | None) -> TestScore | None:
        if test is None or not self._whole:
            return None
        return test.model_copy(update={name: self._once(getattr(test, name)) for name in _SAME_EPISODES})

    def _curve(self, reports: list[Report]) -> list[Report]:
        metrics = PROTOCOL if not self._whole else tuple(reports[0].metrics) if reports else ()
        if self._whole and any(report.metrics.keys() != set(metrics) for report in reports):
            return reports
        return cast("list[Report]", Curve(reports, metrics))

    def _once(self, value: Any) -> Any:
        if isinstance(value, int | float):
            return value
        return self._shared.setdefault(json.dumps(value, sort_keys=True), value)
