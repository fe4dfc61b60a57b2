"""Records as analysis keeps thousands of them: nothing is lost, in a tenth of the memory."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any, cast

from fsm_icl.results.compact import Compactor, Curve, Rows
from fsm_icl.results.records import Slice, TestScore, TrialRecord

_COUNTS = ("machine_correct", "machine_total", "machine_class")
_WIDTHS = {"B": 2**8, "H": 2**16, "I": 2**32, "q": 2**63}
"""Typecodes of arrays, and what is too large for each; numpy takes all of them for whole numbers."""


class Slices(Rows[Slice]):
    """Slices of a test score."""

    __slots__ = ("_correct", "_labels", "_total")

    def __init__(self, labels: tuple[str, ...], correct: array[int], total: array[int]) -> None:
        self._labels, self._correct, self._total = labels, correct, total

    def __len__(self) -> int:
        return len(self._labels)

    def row(self, index: int) -> Slice:
        """The slice at `index`."""
        return Slice.model_construct(label=self._labels[index], correct=self._correct[index], total=self._total[index])


class Packer:
    """Makes records small. What many of them share, such as the machines of a test set, is kept once."""

    def __init__(self) -> None:
        self._compact = Compactor()
        self._shared: dict[Any, Any] = {}

    def __call__(self, record: TrialRecord) -> TrialRecord:
        """The record with columns in place of lists of reports, slices and counts; `unpacked` gives it back."""
        test = record.end.test
        small = self._compact(record)
        end = small.end.model_copy(update={"test": None if test is None else self._score(test)})
        whole: Any = record.reports
        if all(report.end is None for report in whole):
            whole = Curve(whole, tuple(dict.fromkeys(name for report in whole for name in report.metrics)))
        return small.model_copy(update={"reports": whole, "end": end})

    def _score(self, test: TestScore) -> TestScore:
        counts = {name: self._column(found) for name in _COUNTS if (found := getattr(test, name)) is not None}
        slices = {name: self._slices(found) for name, found in test.slices.items()}
        return test.model_copy(update={**counts, "slices": slices})

    def _slices(self, found: Sequence[Slice]) -> Slices:
        labels = tuple(each.label for each in found)
        totals = self._column([each.total for each in found])
        return Slices(self._once(labels, labels), self._column([each.correct for each in found]), totals)

    def _column(self, counts: Sequence[int]) -> array[int]:
        largest = max(counts, default=0)
        code = next(code for code, limit in _WIDTHS.items() if largest < limit)
        column = array(cast("Any", code), counts)
        return cast("array[int]", self._once((code, column.tobytes()), column))

    def _once(self, key: Any, value: Any) -> Any:
        return self._shared.setdefault(key, value)


def unpacked(record: TrialRecord) -> TrialRecord:
    """The record with plain lists, as it was read; for what writes records."""
    test = record.end.test
    if test is not None:
        lists = {name: list(found) for name in _COUNTS if (found := getattr(test, name)) is not None}
        slices = {name: list(found) for name, found in test.slices.items()}
        test = test.model_copy(update={**lists, "slices": slices})
    end = record.end.model_copy(update={"test": test})
    return record.model_copy(update={"reports": list(record.reports), "end": end})
