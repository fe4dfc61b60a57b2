"""The prefix rule: what a cell's search proposes, whom it prunes and who wins, as pure functions of records.

Asynchronous tuners give another answer each time, since what a proposal sees depends on which worker was faster.
Here proposal i sees the records of proposals 0 .. i-w (w = search.window) and nothing else, so that one worker or
sixty-four, undisturbed or killed, end with the same table.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import TPESampler
from optuna.trial import TrialState, create_trial
from scipy.stats import qmc

from fsm_icl.results.records import METRICS, Outcome, TrialRecord
from fsm_icl.seeding import derive, numpy_generator
from fsm_icl.sweep.file.spec import Range

METRIC = METRICS["val/accuracy"]
Params = Mapping[str, float]
FloatArray = npt.NDArray[np.float64]

_HALTON_BLOCK = 8
"""Points drawn at once: a sequence takes longer to build than to draw from."""


@dataclass(frozen=True)
class ObservedTrial:
    """A proposal's record under the sweep file's pruning rule."""

    params: Params
    outcome: Outcome
    rungs: Mapping[int, float]
    """step -> validation accuracy at each rung that was reached."""
    accuracy: float
    """Last validation accuracy; the metric's worst value after `diverged` and `failed`."""
    loss: float
    """Last validation loss; the metric's worst value after `diverged` and `failed`."""
    steps: int
    """Steps that the pruning rule lets the trial train."""


def cutoffs(seen: Sequence[ObservedTrial], steps: Sequence[int], eta: int) -> dict[int, float]:
    """step -> accuracy below which a trial is not among the best 1/eta of `seen` there.

    As in ASHA (Li et al. 2020, "A system for massively parallel hyperparameter tuning"), with Ray's percentile.
    A rung nobody has reached has no cut-off. Trials that diverged or failed stand at every later rung with the
    metric's worst value; pruned ones don't stand beyond the rung that stopped them.
    """
    found = {}
    for step in steps:
        values = [value for trial in seen if (value := _at_rung(trial, step)) is not None]
        if values:
            found[step] = float(np.percentile(values, (1 - 1 / eta) * 100))
    return found


def _at_rung(trial: ObservedTrial, step: int) -> float | None:
    lost = trial.outcome in ("diverged", "failed")
    return trial.rungs.get(step, METRIC.worst if lost else None)


def read(
    record: TrialRecord, params: Params, steps: Sequence[int], limits: Mapping[int, float]
) -> ObservedTrial | None:
    """Interpret a record under the sweep file's pruning rule; None if the rule asks for more steps than it has.

    What lies after the rung where `limits` stop the trial does not exist for it.
    """
    at = {report.step: report for report in record.reports}
    rungs: dict[int, float] = {}
    for step in steps:
        if step not in at:
            break
        rungs[step] = at[step].metric("val/accuracy")
        if step in limits and rungs[step] < limits[step]:
            return ObservedTrial(params, "pruned", rungs, rungs[step], at[step].metric("val/loss"), step)
    outcome = record.end.outcome
    if outcome == "pruned":
        return None
    if outcome in ("diverged", "failed"):
        return ObservedTrial(params, outcome, rungs, METRIC.worst, METRICS["val/loss"].worst, record.end.steps)
    last = record.reports[-1]
    return ObservedTrial(params, outcome, rungs, last.metric("val/accuracy"), last.metric("val/loss"), last.step)


def winner(seen: Sequence[ObservedTrial]) -> int | None:
    """Index of the finished proposal with the highest accuracy, then the lowest loss, then the lowest index."""
    finished = [i for i, trial in enumerate(seen) if trial.outcome == "finished"]
    return min(finished, key=lambda i: (-seen[i].accuracy, seen[i].loss, i), default=None)


def propose(
    ranges: Mapping[str, Range],
    num_startup: int,
    seed: int,
    index: int,
    seen: Sequence[ObservedTrial],
    pending: Sequence[Params],
) -> dict[str, float]:
    """Hyperparameters of proposal `index`.

    Args:
        ranges: what is searched, by name.
        num_startup: the first proposals, up to this number, are Halton points.
        seed: of this search; derived from the sweep's seed, the cell's content and the repeat.
        index: from 0.
        seen: proposals 0 .. index-w.
        pending: hyperparameters of proposals index-w+1 .. index-1, whether they have ended or not.

    Returns:
        name -> value, rounded to 4 significant digits.
    """
    if index < num_startup:
        return _halton_point(ranges, seed, index)
    return _tpe_point(ranges, derive(seed, "tpe", index) % 2**32, seen, pending)


def _halton_point(ranges: Mapping[str, Range], seed: int, index: int) -> dict[str, float]:
    """Point `index` of a scrambled Halton sequence (Owen 2017): better spread than random, known at once."""
    block, place = divmod(index, _HALTON_BLOCK)
    point = _halton_block(len(ranges), seed, block)[place]
    return {name: r.at(float(share)) for (name, r), share in zip(ranges.items(), point, strict=True)}


@functools.lru_cache(maxsize=1024)
def _halton_block(num_dimensions: int, seed: int, block: int) -> FloatArray:
    sequence = qmc.Halton(num_dimensions, scramble=True, rng=numpy_generator(seed, "halton"))
    sequence.fast_forward(block * _HALTON_BLOCK)
    return sequence.random(_HALTON_BLOCK)


def _tpe_point(
    ranges: Mapping[str, Range], seed: int, seen: Sequence[ObservedTrial], pending: Sequence[Params]
) -> dict[str, float]:
    """The next point of Optuna's TPE on a study rebuilt from records."""
    space: dict[str, BaseDistribution] = {
        name: FloatDistribution(*r.bounds, log=r.log is not None) for name, r in ranges.items()
    }
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=_tpe(seed))
    for trial in seen:
        study.add_trial(_told(trial, space))
    for params in pending:
        study.enqueue_trial(dict(params))
        study.ask(space)
    asked = study.ask(space).params
    return {name: r.at(r.share(asked[name])) for name, r in ranges.items()}


def _told(trial: ObservedTrial, space: Mapping[str, BaseDistribution]) -> optuna.trial.FrozenTrial:
    """A finished trial is COMPLETE, a pruned one PRUNED with its rungs, a lost one COMPLETE with the worst value."""
    pruned = trial.outcome == "pruned"
    return create_trial(
        params=dict(trial.params),
        distributions=dict(space),
        state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
        value=None if pruned else trial.accuracy,
        intermediate_values=dict(trial.rungs),
    )


def _tpe(seed: int) -> TPESampler:
    """What Optuna 5 doesn't deprecate is all given: its defaults have changed before, our results must not."""
    return TPESampler(
        n_startup_trials=0,
        n_ei_candidates=24,
        seed=seed,
        multivariate=True,
        group=False,
        constant_liar=True,
    )
