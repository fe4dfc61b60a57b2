"""The claims of a sweep file, and what a change of them adds to the log of declared claims."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fsm_icl.results.claims import IN_TIME, UNDATED, Claim, claim_of, histories
from fsm_icl.results.records import Occasion
from fsm_icl.sweep.file.cells import Cell, cells_of
from fsm_icl.sweep.file.hypotheses import declared
from fsm_icl.sweep.file.load import LoadedSweep
from fsm_icl.sweep.file.spec import PARAMETERS
from fsm_icl.sweep.file.yaml import SpecError
from fsm_icl.sweep.protocol.planner import Planner
from fsm_icl.sweep.protocol.tally import planner_before, sweep_before

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder

from fsm_icl.sweep.store.declarations import DeclarationLog


def claims_of(loaded: LoadedSweep, cells: list[Cell]) -> list[Claim]:
    """The sweep's hypotheses, each with all that decides its verdict. Raises SpecError as `declared` does."""
    spec, by_label = loaded.spec, {cell.label: cell for cell in cells}
    rule = spec.search.model_dump(mode="json", exclude_defaults=True, exclude=set(PARAMETERS))
    return [
        Claim(
            hypothesis=hypothesis,
            num_seeds=spec.measure.num_seeds,
            success_margin=spec.success_margin,
            seed=spec.seed,
            search=rule | {"ranges": {role: _ranges(by_label[name]) for role, name in hypothesis.cells.items()}},
            contents={role: by_label[name].key for role, name in hypothesis.cells.items()},
        )
        for hypothesis in declared(loaded, cells)
    ]


def _ranges(cell: Cell) -> dict[str, dict[str, list[float]]]:
    return {name: found.model_dump(mode="json", exclude_none=True) for name, found in cell.ranges.items()}


def brought_up_to_date(
    log: DeclarationLog | None, folder: Folder, loaded: LoadedSweep, planner: Planner
) -> DeclarationLog:
    """The log of the sweep in `folder` as it will be once the driver has begun on `loaded`; writes nothing.

    In a folder of an earlier version, which has records and no log, the claims that it was last run with stand as
    declared at an unknown time.
    """
    claims = claims_of(loaded, [plan.cell for plan in planner.plans])
    if log is None:
        undated = (_claims_before(folder) or claims) if planner.records else []
        log = DeclarationLog().updated(undated, None, {})
    if not log.lacks(claims):
        return log
    measured = {plan.cell.label: plan.num_measured for plan in planner.plans}
    return log.updated(claims, _now(folder, loaded, planner), measured)


def announcements(log: DeclarationLog | None, after: DeclarationLog) -> list[str]:
    """What a change of the sweep file will put beside its claims, because trials have ended: a line a claim."""
    before = log.declarations if log else ()
    added = [claim_of(d).hypothesis for d in after.declarations[len(before) :] if d.declared and d.declared.ended]
    found = histories(added, after.declarations)
    # More seeds for what has not been measured yet change nothing of its history.
    said = [f"{h.hypothesis.name}: {h.text}" for h in found if h.text not in (IN_TIME, UNDATED)]
    standing = {claim_of(d).name for d in after.declarations if d.withdrawn is None}
    for old, new in zip(before, after.declarations, strict=False):
        if new != old and new.withdrawn and new.withdrawn.ended and (name := claim_of(new).name) not in standing:
            said.append(f"{name}: withdrawn {new.withdrawn.progress}")
    return said


def _claims_before(folder: Folder) -> list[Claim] | None:
    """The claims that the sweep in `folder` was last run with, as its sweep.yaml says."""
    before = sweep_before(folder)
    try:
        return None if before is None else claims_of(before, cells_of(before))
    except SpecError:
        return None


def _now(folder: Folder, loaded: LoadedSweep, planner: Planner) -> Occasion:
    """This moment. Asked is what the sweep as it was last run asked for, beside all that has ended in the folder."""
    records = planner.records
    before = (planner_before(folder, loaded.spec, records) if records else None) or planner
    missing = sum(plan.total() - plan.num_searched - plan.num_measured for plan in before.plans)
    at = datetime.now(UTC).replace(microsecond=0)
    return Occasion(at=at, ended=len(records), asked=len(records) + missing)
