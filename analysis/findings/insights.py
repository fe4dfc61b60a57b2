"""What the insight cells of the source's notebook state, computed from imported runs. One run a cell: points only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from analysis.findings.assessment import GAP
from analysis.findings.wording import amount
from analysis.sources.questions import AXES, QUESTIONS, Question, chains, selected
from analysis.sources.sweep import Sweep
from fsm_icl.results.records import ManifestCell

_WORDS = {"d_model": "width", "num_layers": "depth"}
_COUNT = "parameter_count"
"""A setting of the files that differs because the architectures do."""


def insights(sweep: Sweep) -> list[str]:
    """Gains between neighbours, parameters, and shares of the gap to the LSTM, by question; one statement each.

    Empty for a sweep of ours, whose gains have intervals and whose claims have verdicts.
    """
    if not sweep.manifest.imported:
        return []
    name = sweep.manifest.sweep
    asked = [QUESTIONS[name]] if name in QUESTIONS else list(QUESTIONS.values())
    return [f"{question}: {line}" for question in asked for line in _about(sweep, question)]


def _about(sweep: Sweep, question: Question) -> Iterator[str]:
    try:
        cells = selected(sweep.manifest, question).cells
    except ValueError as error:
        yield str(error)
        return
    axis = AXES[question]
    compared = chains(cells, axis) if axis else [cells]
    if axis and not compared:
        yield f"no architecture was trained at two values of {axis}, so nothing can be said of {_WORDS[axis]}"
    for chain in compared:
        for before, after in pairwise(chain):
            yield _gain(sweep, before, after, axis)
        if len(chain) > 2 and axis:
            yield _gain(sweep, chain[0], chain[-1], axis)
    yield from _shares(sweep, cells, compared)


def _gain(sweep: Sweep, before: ManifestCell, after: ManifestCell, axis: str | None) -> str:
    gained = _accuracy(sweep, after) - _accuracy(sweep, before)
    text = (
        f"{before.label} -> {after.label}: {'+' if gained >= 0 else '-'}{amount(abs(gained))}, {_ratio(before, after)}"
    )
    return f"{text}{_confounded(sweep, before, after, axis)}"


def _ratio(before: ManifestCell, after: ManifestCell) -> str:
    if before.num_params is None or after.num_params is None:
        unknown = [cell.label for cell in (before, after) if cell.num_params is None]
        return f"the parameters of {' and '.join(unknown)} are unknown"
    ratio = after.num_params / before.num_params
    return f"{ratio:.3g} times the parameters ({before.num_params:,} -> {after.num_params:,})"


def _confounded(sweep: Sweep, before: ManifestCell, after: ManifestCell, axis: str | None) -> str:
    """What else differs between the two, or that nobody knows."""
    one, other = (_settings(sweep, cell) for cell in (before, after))
    named = [name for name in sorted(one.keys() & other.keys()) if name not in (_COUNT, axis)]
    differing = [f"{name} ({one[name]}, {other[name]})" for name in named if one[name] != other[name]]
    text = f"; they differ in {', '.join(differing)}, too" if differing else ""
    silent = [cell.label for cell in (before, after) if "d_model" not in cell.fields]
    return text + (f"; whether size and settings are equal is unknown ({', '.join(silent)})" if silent else "")


def _settings(sweep: Sweep, cell: ManifestCell) -> dict[str, Any]:
    (record,) = sweep.ended(cell.label, "measure")
    source = record.config.get("source", {})
    sections = [source.get(name, {}) for name in ("model_config", "training_config")]
    return {name: content for section in sections for name, content in section.items()}


def _shares(sweep: Sweep, cells: Sequence[ManifestCell], compared: Sequence[Sequence[ManifestCell]]) -> Iterator[str]:
    """What part of the way to the LSTM the cells of a chain go that begins with a vanilla RNN."""
    tops = [cell for cell in cells if cell.fields["arch"] == "lstm"]
    rising = [chain for chain in compared if chain[0].fields["arch"] == "rnn"]
    lacking = ["LSTM"] if not tops else []
    lacking += [] if any(cell.fields["arch"] == "rnn" for cell in cells) else ["vanilla RNN"]
    if lacking:
        absent = " and no ".join(lacking)
        yield f"no directly trained {absent} was imported, so no share of a gap is given; nothing stands in for it"
        return
    top = max(tops, key=lambda cell: _accuracy(sweep, cell))
    for low, *others in rising:
        gap = _accuracy(sweep, top) - _accuracy(sweep, low)
        between = f"the gap from {low.label} to {top.label} ({amount(gap)}{_confounded(sweep, low, top, None)})"
        if gap <= GAP:
            yield f"{between} is not beyond {amount(GAP)}, so no share of it is given"
            continue
        for cell in (cell for cell in others if cell not in tops):
            share = (_accuracy(sweep, cell) - _accuracy(sweep, low)) / gap
            part = f"closes {share:.0%} of" if share >= 0 else "lies below its lower end, so it closes nothing of"
            yield f"{cell.label} {part} {between}"


def _accuracy(sweep: Sweep, cell: ManifestCell) -> float:
    (record,) = sweep.ended(cell.label, "measure")
    assert record.end.test is not None, "imported runs have a test accuracy"
    return record.end.test.accuracy
