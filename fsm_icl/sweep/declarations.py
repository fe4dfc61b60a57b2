"""declarations.json: every version of every claim of a sweep, dated by the driver before it starts a trial.

Versions are added, and marked as withdrawn where the sweep file does not say them any more; none is ever removed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import model_validator

from fsm_icl.claims import IN_TIME, UNDATED, Claim, claim_of, histories
from fsm_icl.files import read_bytes
from fsm_icl.folders import parse_json
from fsm_icl.records import Declaration, FrozenModel, Occasion, sha256_of
from fsm_icl.sweep.cells import Cell, cells_of
from fsm_icl.sweep.hypotheses import declared
from fsm_icl.sweep.loading import LoadedSweep
from fsm_icl.sweep.planner import Planner
from fsm_icl.sweep.space import PARAMETERS
from fsm_icl.sweep.standing import planner_before, sweep_before
from fsm_icl.sweep.yaml_file import SpecError
from fsm_icl.training.config import identity

if TYPE_CHECKING:
    from fsm_icl.files import Folder

NAME = "declarations.json"


class DeclarationLog(FrozenModel):
    """What the file holds."""

    format: Literal[1] = 1
    declarations: tuple[Declaration, ...] = ()

    @model_validator(mode="after")
    def _readable(self) -> DeclarationLog:
        for declaration in self.declarations:
            claim_of(declaration)
        return self

    @classmethod
    def read(cls, folder: Folder) -> DeclarationLog | None:
        """The log of a sweep's folder; None where there is none, as in folders of earlier versions.

        Raises:
            ValueError: it can't be read; the message names the file and the field.
            OSError: as `read_bytes`.
        """
        try:
            return parse_json(folder / NAME, read_bytes(folder / NAME), cls)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def lacks(self, claims: Sequence[Claim]) -> bool:
        """Whether the claims that stand are others than `claims`, or their cells are called otherwise."""
        standing = {d.hash: d.cells for d in self.declarations if d.withdrawn is None}
        return standing != {hash_of(claim): claim.hypothesis.cells for claim in claims}

    def updated(self, claims: Sequence[Claim], now: Occasion | None, measured: Mapping[str, int]) -> DeclarationLog:
        """The log once the sweep file says `claims`.

        Args:
            now: None where nobody knows when they were declared.
            measured: label of a cell -> its measure trials that have ended.
        """
        said = {hash_of(claim): claim for claim in claims}
        kept = [d if d.withdrawn else _as_said(d, said.get(d.hash), now) for d in self.declarations]
        standing = {d.hash for d in kept if d.withdrawn is None}
        added = [_declared(claim, now, measured) for hash_, claim in said.items() if hash_ not in standing]
        return DeclarationLog(declarations=(*kept, *added))


def _as_said(standing: Declaration, claim: Claim | None, now: Occasion | None) -> Declaration:
    """A version that stood so far: under the names that its cells have now, or withdrawn."""
    if claim is None:
        return standing.model_copy(update={"withdrawn": now})
    return standing.model_copy(update={"cells": claim.hypothesis.cells})


def _declared(claim: Claim, now: Occasion | None, measured: Mapping[str, int]) -> Declaration:
    cells = claim.hypothesis.cells
    seen = sum(measured.get(label, 0) for label in set(cells.values()))
    content = _content(claim)
    return Declaration(content=content, hash=sha256_of(content), cells=cells, declared=now, measured=seen)


def hash_of(claim: Claim) -> str:
    """SHA-256 of a claim's canonical JSON: what its cells are is part of it, what they are called is not."""
    return sha256_of(_content(claim))


def _content(claim: Claim) -> dict[str, Any]:
    plain = identity(claim)
    del plain["hypothesis"]["cells"]
    return plain


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
