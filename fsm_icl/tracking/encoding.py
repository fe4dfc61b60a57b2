"""A trial as a W&B run, and back: the contract between what logs runs and what reads them. Plain data, no wandb.

A trial's run has the whole TrialConfig as its config (and where the trial stands in its sweep), a history row a
report, and a summary with how it ended. The sweep's own run has the manifest in its config. What could tell who ran
it where - host name, paths - stays at home.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from fsm_icl.results.records import METRICS, Manifest, Report, TestScore, TrialEnd, TrialPlace, TrialRecord
from fsm_icl.tracking.limits import CONFIG, NAME, REASON, VALUE, artifact_name, cut, shortened_value

PROJECT = "fsm_icl"
SWEEP_JOB = "sweep"
"""job_type of the sweep's own run; a trial's is its phase."""
_PLACE = ("hash", "sweep", "sweep_id", "scale", "cell", "repeat", "index")
_CELL_KEY = "cell_key"
"""Runs of earlier versions lack it."""
_CODE = ("versions", "commit", "dirty")
_SCORE = "test/score"
"""Summary key of the whole TestScore, packed: about 5 kB for 2,000 test machines."""
_AT_HOME = {"test", "versions", "node"}
_PIECE = "manifest_packed_{:03d}"
"""Config keys of a manifest that is too large for one value."""


@dataclass(frozen=True)
class TrackedTrial:
    """What a trial's run says from its first row on."""

    hash: str
    cell: str
    """The cell's label."""
    fields: Mapping[str, Any]
    """The cell's coordinates, arch among them."""
    place: TrialPlace
    config: BaseModel
    """The TrialConfig; it becomes JSON when the run opens, and not with each report."""


def group_of(sweep: str, sweep_id: str) -> str:
    """The W&B group of a sweep's runs: its name and its folder's id."""
    return f"{cut(sweep, NAME - len(sweep_id) - 1)}-{sweep_id}"


def artifact_of(sweep: str, sweep_id: str) -> str:
    """The name of the artifact with a sweep's files; W&B takes fewer characters there than in a group."""
    return artifact_name(group_of(sweep, sweep_id))


def run_config(config: Mapping[str, Any], place: Mapping[str, Any]) -> dict[str, Any]:
    """A run's config: the TrialConfig as JSON, beside it hash, sweep, sweep_id, scale, cell, repeat and index."""
    assert set(place) - {_CELL_KEY} == set(_PLACE)
    assert not set(place) & set(config)
    return {**config, **place}


def code_of(record: TrialRecord) -> dict[str, Any]:
    """What joins the config when the trial has ended: versions of the libraries, git commit, dirty flag."""
    return {"versions": record.end.versions, "commit": record.commit, "dirty": record.dirty}


def row_of(report: Report) -> dict[str, Any]:
    """A history row. `step` is ours: W&B counts its own `_step` anew after resuming and syncing."""
    return {"step": report.step, **report.metrics}


def summary_of(record: TrialRecord) -> dict[str, Any]:
    """A run's summary: the last metrics, how the trial ended and what it cost, the test score with its slices."""
    last = record.reports[-1].metrics if record.reports else {}
    end = record.end.model_dump(exclude=_AT_HOME)
    # Always there, so that a trial that ran again loses the reason of its first end.
    summary = {**last, **end, "reason": _reason(end["reason"] or "", record.end.node or "")}
    if (test := record.end.test) is not None:
        summary |= {"test/accuracy": test.accuracy, "test/loss": test.loss, _SCORE: _packed(test)}
        for name, slices in test.slices.items():
            summary |= {f"test/accuracy_by_{name}/{s.label}": s.accuracy for s in slices if s.total}
    return summary


def ended(summary: Mapping[str, Any]) -> bool:
    """Whether the run is a trial's that has ended; an interrupted one has no outcome."""
    return summary.get("outcome") is not None


def record_of(config: Mapping[str, Any], summary: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> TrialRecord:
    """The record of an ended trial, from its run; `node` is empty, and paths in `reason` are gone.

    Rows may come in any order, and twice: the last one of a step counts.

    Raises:
        ValueError: something that a record needs is missing or of a wrong kind.
    """
    end = end_of(config, summary)
    reports = {int(row["step"]): row for row in rows if "step" in row}
    return TrialRecord(
        format=1 if _CELL_KEY not in config else 2,
        hash=config["hash"],
        config={name: value for name, value in config.items() if name not in (*_PLACE, _CELL_KEY, *_CODE)},
        place=_place(config),
        reports=[_report(step, reports[step]) for step in sorted(reports) if step <= end.steps],
        end=end,
        commit=config["commit"],
        dirty=config["dirty"],
    )


def _place(config: Mapping[str, Any]) -> TrialPlace | None:
    if _CELL_KEY not in config:
        return None
    where = {name: config[name] for name in ("phase", "repeat", "index")}
    return TrialPlace.model_validate({"cell": config[_CELL_KEY], **where})


def end_of(config: Mapping[str, Any], summary: Mapping[str, Any]) -> TrialEnd:
    """How the trial of a run ended, from config and summary alone. Raises ValueError as `record_of` does."""
    if absent := [name for name in (*_PLACE, "commit", "dirty") if name not in config]:
        raise ValueError(f"the run's config has no {', '.join(absent)}: it is none of fsm_icl's, or not complete")
    plain = {name: summary[name] for name in TrialEnd.model_fields if name in summary}
    test = _unpacked(summary[_SCORE]) if _SCORE in summary else None
    rest = {"test": test, "versions": config.get("versions", {}), "node": ""}  # W&B drops an empty tree
    return TrialEnd.model_validate({**plain, "reason": plain.get("reason") or None, **rest})


def sweep_config(manifest: Manifest) -> dict[str, Any]:
    """The config of a sweep's own run. The manifest is text: as a tree, W&B would make a column of each leaf.

    That of a large sweep is packed, and cut in pieces that W&B takes; that of one with hundreds of thousands of trials
    is in the artifact alone.
    """
    shown = manifest.model_dump(include={"sweep", "scale", "question", "seed"}) | {"sweep_id": manifest.id}
    text = manifest.model_dump_json()
    if len(text) <= VALUE:
        return {**shown, "manifest": text}
    packed = _deflated(text)
    if len(packed) > CONFIG:
        return shown
    pieces = [packed[begin : begin + VALUE] for begin in range(0, len(packed), VALUE)]
    return shown | {_PIECE.format(number): piece for number, piece in enumerate(pieces)}


def manifest_in(config: Mapping[str, Any]) -> Manifest:
    """The manifest in the config of a sweep's own run. Raises ValueError when there is none."""
    pieces = [config[name] for name in sorted(config) if re.fullmatch(r"manifest_packed_\d+", name)]
    if "manifest" not in config and not pieces:
        raise ValueError("the sweep's own run has no manifest in its config")
    return Manifest.model_validate_json(config["manifest"] if not pieces else _inflated("".join(pieces)))


def _report(step: int, row: Mapping[str, Any]) -> Report:
    return Report(step=step, metrics={name: row[name] for name in METRICS if row.get(name) is not None})


def _deflated(text: str) -> str:
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def _inflated(text: str) -> bytes:
    try:
        return zlib.decompress(base64.b64decode(text, validate=True))
    except zlib.error as error:
        raise ValueError(str(error)) from error


def _packed(test: TestScore) -> str:
    return _deflated(test.model_dump_json())


def _unpacked(text: str) -> TestScore:
    try:
        return TestScore.model_validate(json.loads(_inflated(text)))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{_SCORE} cannot be read: {error}") from error


def _reason(reason: str, node: str) -> str:
    return shortened_value(_without_places(reason, node), REASON, "(the rest is in the trial's log)")


def _without_places(reason: str, node: str) -> str:
    """An error's message without absolute paths and the machine's name."""
    shown = re.sub(r"(?<![\w.])~?/[^\s'\":,;)]+", "<path>", reason)
    return re.sub(rf"\b{re.escape(node)}\b", "<host>", shown) if node else shown
