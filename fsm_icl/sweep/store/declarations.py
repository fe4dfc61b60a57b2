"""declarations.json: every version of every claim of a sweep, dated by the driver before any trial starts.

Versions are added, and marked as withdrawn where the sweep file does not say them any more; none is ever removed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import model_validator

from fsm_icl.results.claims import Claim, claim_of
from fsm_icl.results.files import read_bytes
from fsm_icl.results.layout import SweepFolder
from fsm_icl.results.reading import parse_json
from fsm_icl.results.records import Declaration, FrozenModel, Occasion, sha256_of
from fsm_icl.training.config import identity

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder


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
            path = SweepFolder(folder).declarations
            return parse_json(path, read_bytes(path), cls)
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
