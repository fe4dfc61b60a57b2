"""Synthetic results folders: what a sweep would have left behind, from the accuracies we want it to show."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from fsm_icl.results.claims import Claim
from fsm_icl.results.records import (
    Declaration,
    DeclaredHypothesis,
    Manifest,
    ManifestCell,
    Occasion,
    Report,
    Slice,
    TaskEntry,
    TestScore,
    TrialEnd,
    TrialRecord,
    WantedTrial,
    Winner,
    sha256_of,
)

CEILING = 0.991
LADDER = {
    "chance": 0.333,
    "unigram": 0.485,
    "per-state": 0.599,
    "per-action": 0.642,
    "naive Bayes": 0.842,
    "look-up": 0.9893,
}
NUM_CLASSES, MACHINES, QUERY = 100, 400, 12
CLASSES = [i % NUM_CLASSES for i in range(MACHINES)]
STEPS = 600
TASK = {"family": "transitions", "num_states": 3, "num_actions": 3, "query_length": QUERY}
STARTED = 1.7e9
PARAMS = {"rnn": 1, "gru": 3, "lstm": 4}


@dataclass(frozen=True)
class Plan:
    """One cell: per measure seed an accuracy, an outcome without a score, or None for "not run yet"."""

    arch: str
    scores: Sequence[float | str | None] = (0.9,) * 6
    d_model: int = 64
    num_layers: int = 1
    search: Sequence[str | None] = ("finished", "pruned", "pruned", "finished")
    failed: bool = False
    task: str = "task"
    at_edge: Sequence[str] = ()
    still_rising: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    jump: float = 0.2
    """Share of the budget at which a shallow cell's first seed leaves the plateau."""
    repeats: int = 1
    """Searches; measure seed j belongs to search j mod repeats."""
    rates: Sequence[float] = (0.01,)
    """Learning rate of each winner, by repeat."""

    @property
    def label(self) -> str:
        more = "".join(f"-{name}={value}" for name, value in self.more.items())
        return f"{self.arch}-d{self.d_model}-L{self.num_layers}{more}"

    @property
    def steps(self) -> int:
        return int(self.more.get("steps", STEPS))

    @property
    def num_params(self) -> int:
        gates = PARAMS.get(self.arch, 2)
        return gates * 2 * self.d_model * (self.d_model + 1) * self.num_layers + 12 * self.d_model + 3


def around(mean: float, spread: float, num_seeds: int = 6) -> list[float]:
    """Accuracies evenly spaced over mean +- spread."""
    return [float(x) for x in np.linspace(mean - spread, mean + spread, num_seeds)]


def spectrum(num_seeds: int = 6) -> list[Plan]:
    """The four cells of the laptop-scale spectrum, with the accuracies measured for it."""
    return [
        Plan("rnn", around(0.574, 0.012, num_seeds)),
        Plan("gru", around(0.989, 0.001, num_seeds)),
        Plan("lstm", around(0.990, 0.001, num_seeds)),
        Plan("lstm", around(0.880, 0.020, num_seeds), d_model=32),
    ]


def searched(plans: Sequence[Plan], repeats: int) -> list[Plan]:
    """The plans, each cell searched `repeats` times."""
    return [replace(plan, repeats=repeats) for plan in plans]


def hypothesis(
    a: str = "gru-d64-L1",
    b: str = "rnn-d64-L1",
    threshold: float = 0.1,
    direction: str = "greater",
    **fields: str,
) -> DeclaredHypothesis:
    return DeclaredHypothesis.model_validate(
        {"name": "gates", "claim": "Gates help", "metric": "test/accuracy", "family": "main"}
        | {"threshold": threshold, "direction": direction, "cells": {"a": a, "b": b}}
        | fields
    )


def share_hypothesis(
    low: str = "rnn-d64-L1",
    mid: str = "gru-d64-L1",
    high: str = "lstm-d64-L1",
    threshold: float = 0.8,
    direction: str = "greater",
) -> DeclaredHypothesis:
    return DeclaredHypothesis.model_validate(
        {"name": "share", "claim": "GRU closes most of the gap", "metric": "test/accuracy", "family": "main"}
        | {"threshold": threshold, "direction": direction, "cells": {"low": low, "mid": mid, "high": high}}
    )


def declaration(
    said: DeclaredHypothesis, ended: int | None = 0, withdrawn: int | None = None, num_seeds: int = 6, measured: int = 1
) -> Declaration:
    """A version of a claim, declared (and withdrawn) after so many of 40 trials had ended; None: nobody knows when."""
    claim = Claim(
        hypothesis=said, num_seeds=num_seeds, success_margin=0.02, seed=0, search={}, contents=dict(said.cells)
    )
    content = claim.model_dump(mode="json")
    cells = content["hypothesis"].pop("cells")
    return Declaration(
        content=content,
        cells=cells,
        hash=sha256_of(content),
        declared=None if ended is None else _occasion(ended),
        measured=measured,
        withdrawn=None if withdrawn is None else _occasion(withdrawn),
    )


def _occasion(ended: int) -> Occasion:
    return Occasion(at=datetime(2026, 7, 1, 12, ended, tzinfo=UTC), ended=ended, asked=40)


def write_sweep(
    folder: Path,
    plans: Sequence[Plan],
    hypotheses: Sequence[DeclaredHypothesis] = (),
    sweep: str = "spectrum",
    **manifest: Any,
) -> Path:
    """Write manifest.json and records/ for `plans`; further arguments replace fields of the manifest."""
    (folder / "records").mkdir(parents=True)
    records = [record for plan in plans for record in _records(plan)]
    for record in records:
        (folder / "records" / f"{record.hash}.json").write_text(record.model_dump_json())
    whole = Manifest(
        **{
            "sweep": sweep,
            "scale": "laptop",
            "id": "0123abcd",
            "question": "Is simple gating enough?",
            "seed": 0,
            "evaluation_seed": 0,
            "success_margin": 0.02,
            "repeats": 1,
            "spec": {"search": {"num_trials": 4, "learning_rate": {"log": [1e-3, 6e-2]}}},
            "hypotheses": list(hypotheses),
            "tasks": {
                name: TaskEntry(spec=TASK, ladder=LADDER, ceiling=CEILING, ceiling_exact=True)
                for name in sorted({plan.task for plan in plans})
            },
            "cells": [_cell(plan) for plan in plans],
        }
        | manifest
    )
    (folder / "manifest.json").write_text(whole.model_dump_json())
    return folder


def hash_of(label: str, phase: str, index: int) -> str:
    return hashlib.sha256(f"{label} {phase} {index}".encode()).hexdigest()


def test_score(accuracy: float, seed: int) -> TestScore:
    """Counts by machine whose accuracy is `accuracy` to the nearest step; classes differ in difficulty."""
    generator = np.random.default_rng(seed)
    hardness = np.random.default_rng(99).permutation(NUM_CLASSES)[CLASSES] / (NUM_CLASSES - 1) - 0.5
    wish = QUERY * (accuracy + 0.4 * hardness * min(accuracy, 1 - accuracy))
    correct = np.floor(wish + generator.random(MACHINES)).astype(int).clip(0, QUERY)
    _nudge(correct, round(accuracy * MACHINES * QUERY), generator)
    total = MACHINES * QUERY
    return TestScore(
        accuracy=int(correct.sum()) / total,
        loss=0.1,
        slices={
            "times_shown": _slices(["0", "1", "2", "3+"], [1, 4, 9, 46], int(correct.sum()), total),
            "query_step": _slices([str(i) for i in range(QUERY)], [1] * QUERY, int(correct.sum()), total),
        },
        machine_correct=[int(x) for x in correct],
        machine_total=[QUERY] * MACHINES,
        machine_class=CLASSES,
    )


def _slices(labels: Sequence[str], weights: Sequence[int], correct: int, total: int) -> list[Slice]:
    """`total` and `correct` split by `weights`; the first slice gets the errors that do not divide evenly."""
    totals = [total * weight // sum(weights) for weight in weights]
    hits = [correct * weight // sum(weights) for weight in weights]
    hits[-1] += correct - sum(hits)
    totals[-1] += total - sum(totals)
    return [Slice(label=name, correct=h, total=t) for name, h, t in zip(labels, hits, totals, strict=True)]


test_score.__test__ = False  # type: ignore[attr-defined]  # its name is not a test's


def _nudge(correct: np.ndarray, target: int, generator: np.random.Generator) -> None:
    """Move single machines by one until the counts sum to `target`."""
    while (missing := target - int(correct.sum())) != 0:
        step = 1 if missing > 0 else -1
        free = np.flatnonzero(correct < QUERY if step > 0 else correct > 0)
        correct[generator.choice(free, size=min(abs(missing), len(free)), replace=False)] += step


def _end(plan: Plan, outcome: str, test: TestScore | None, place: int) -> TrialEnd:
    started = STARTED + 10 * (place // 2)
    return TrialEnd.model_validate(
        {"outcome": outcome, "test": test, "num_params": plan.num_params, "state_size": plan.d_model}
        | {"flops_per_token": 2 * plan.num_params, "steps": plan.steps if outcome == "finished" else plan.steps // 3}
        | {"seconds": 9.5, "steps_per_second": 70.0, "tokens_per_second": 1e5, "peak_memory_bytes": 10**8}
        | {
            "started_at": started,
            "ended_at": started + 9.5,
            "node": ["here", "there"][place % 2],
            "device": "cpu",
            "cpu_model": "x",
        }
        | {"threads": 1, "versions": {"torch": "2.13.0"}}
    )


def _reports(final: float, jump: float, until: int, budget: int) -> list[Report]:
    """A plateau, then a jump at the share `jump` of the budget."""
    steps = [s for s in range(budget // 20, budget + 1, budget // 20) if s <= until]
    low = min(0.5, final)
    curve = {s: low + (final - low) / (1 + np.exp(-(s / budget - jump) * 25)) for s in steps}
    return [Report(step=s, metrics={"val/accuracy": float(v), "val/loss": 1.2 - float(v)}) for s, v in curve.items()]


def _record(plan: Plan, phase: str, index: int, outcome: str, accuracy: float | None) -> TrialRecord:
    test = None if accuracy is None or phase == "search" else test_score(accuracy, index)
    until = plan.steps if outcome == "finished" else plan.steps // 3
    named = {name: value for name, value in plan.more.items() if name not in ("steps", "learning_rate")}
    final = 0.55 if accuracy is None else accuracy
    config = {
        "phase": phase,
        "seed": index,
        "optimizer": {"learning_rate": 0.002 * (index + 1) if phase == "search" else 0.01},
        "model": {"arch": plan.arch, "d_model": plan.d_model, "num_layers": plan.num_layers, **named},
    }
    return TrialRecord(
        hash=hash_of(plan.label, phase, index),
        config=config,
        reports=_reports(final, plan.jump + 0.05 * plan.num_layers + 0.02 * index, until, plan.steps),
        end=_end(plan, outcome, test, index + (len(plan.search) if phase == "measure" else 0)),
        commit="0" * 40,
        dirty=False,
    )


def _records(plan: Plan) -> list[TrialRecord]:
    found = []
    for index, outcome in enumerate(plan.search):
        if outcome is not None:
            found.append(_record(plan, "search", index, outcome, 0.5 + 0.05 * index))
    for index, score in enumerate(plan.scores):
        if isinstance(score, str):
            found.append(_record(plan, "measure", index, score, None))
        elif score is not None:
            found.append(_record(plan, "measure", index, "finished", score))
    return found


def _cell(plan: Plan) -> ManifestCell:
    phases = [("search", len(plan.search)), ("measure", 0 if plan.failed else len(plan.scores))]
    wanted = [
        WantedTrial.model_validate(
            {"hash": hash_of(plan.label, p, i), "phase": p, "repeat": i % plan.repeats, "index": i}
        )
        for p, count in phases
        for i in range(count)
    ]
    best = max(len(plan.search) - 1, 0)
    winners = [
        Winner(
            repeat=repeat,
            index=best,
            hash=hash_of(plan.label, "search", best),
            params={"learning_rate": rate},
            at_edge=list(plan.at_edge),
            still_rising=plan.still_rising,
        )
        for repeat, rate in enumerate(plan.rates)
    ]
    return ManifestCell(
        label=plan.label,
        fields={"arch": plan.arch, "d_model": plan.d_model, "num_layers": plan.num_layers, **plan.more},
        task=plan.task,
        num_params=plan.num_params,
        state_size=plan.d_model,
        flops_per_token=2 * plan.num_params,
        steps=plan.steps,
        wanted=wanted,
        winners=[] if plan.failed or not plan.search else winners,
        num_proposals=len(plan.search),
        num_seeds=len(plan.scores),
        failed=plan.failed,
    )
