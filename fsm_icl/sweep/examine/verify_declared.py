"""Were a sweep's claims declared before its first trial ended, and are they still what was declared? Runs no trial.

A folder can't prove more than that its files agree: whoever rewrites all of them, dates and hashes included, is not
found out. What W&B has received meanwhile is out of their reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fsm_icl.results.claims import Claim, changes, claim_of, histories
from fsm_icl.results.layout import SweepFolder
from fsm_icl.results.reading import read_manifest, read_records
from fsm_icl.results.records import Declaration, Manifest, Occasion
from fsm_icl.sweep.file.cells import cells_of
from fsm_icl.sweep.file.yaml import SpecError
from fsm_icl.sweep.protocol.declarations import claims_of
from fsm_icl.sweep.protocol.tally import sweep_before
from fsm_icl.sweep.store.declarations import DeclarationLog, hash_of

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder

CLOCKS = 60.0
"""Seconds by which the clocks of a driver and of its workers may differ."""


@dataclass(frozen=True)
class ClaimCheck:
    """A claim, or a version of one that was withdrawn."""

    name: str
    said: str
    """When it was declared or withdrawn."""
    problems: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        """What is printed."""
        return f"{self.name}: {'; '.join([*self.problems, self.said] if self.said else self.problems)}"


def check_declared(folder: Folder) -> list[ClaimCheck]:
    """Every claim of the sweep in `folder`, standing ones first.

    Raises:
        ValueError: a file can't be read, or the results are imported.
    """
    manifest, log = read_manifest(folder), DeclarationLog.read(folder)
    if manifest.imported:
        raise ValueError(f"{folder}: imported results have no declared claims, there is nothing to verify")
    if log is None:
        why = "no declarations.json: an earlier version ran it, so nobody knows when its claims were declared"
        return [ClaimCheck(str(folder), "", [why])]
    ended = [end.ended_at for r in read_records(folder).values() if (end := r.end).ended_at is not None]
    asked = _claims_in_sweep_file(folder)
    forged: dict[str, list[str]] = {d.hash: [] for d in log.declarations}
    for place, declaration in enumerate(log.declarations):
        forged[declaration.hash] += _forgeries(place, log, manifest, ended)
    found = list(_standing(manifest, log, asked, forged))
    found += [_withdrawn(d, forged[d.hash]) for d in log.declarations if d.withdrawn]
    if len(manifest.declarations) > len(log.declarations):
        found.append(
            ClaimCheck(
                "declarations.json", "", [f"has fewer versions than {SweepFolder(folder).manifest}: some were removed"]
            )
        )
    return found


def _claims_in_sweep_file(folder: Folder) -> Mapping[str, Claim] | None:
    """Name -> claim of sweep.yaml; None where it can't be read."""
    loaded = sweep_before(folder)
    try:
        return None if loaded is None else {claim.name: claim for claim in claims_of(loaded, cells_of(loaded))}
    except SpecError:
        return None


def _standing(
    manifest: Manifest, log: DeclarationLog, asked: Mapping[str, Claim] | None, forged: Mapping[str, Sequence[str]]
) -> Iterator[ClaimCheck]:
    found = set()
    for history in histories(manifest.hypotheses, log.declarations):
        name, version = history.hypothesis.name, history.declaration
        forgery = version is not None and not version.fits  # told below
        problems = [] if history.sound or forgery else [history.text]
        said = ""
        if version is not None:
            found.add(version.hash)
            said = _dated("declared", version, version.declared)
            problems += [*forged[version.hash], *_otherwise(claim_of(version), asked)]
        yield ClaimCheck(name, said, problems)
    for declaration in (d for d in log.declarations if d.withdrawn is None and d.hash not in found):
        said = _dated("declared", declaration, declaration.declared)
        problems = [*forged[declaration.hash], "manifest.json does not have it"]
        yield ClaimCheck(claim_of(declaration).name, said, problems)
    for name in (asked or {}).keys() - {claim_of(d).name for d in log.declarations if d.withdrawn is None}:
        yield ClaimCheck(name, "", ["only sweep.yaml has it: it was never declared"])


def _otherwise(claim: Claim, asked: Mapping[str, Claim] | None) -> Iterator[str]:
    """Where sweep.yaml says something else."""
    if asked is None:
        yield "sweep.yaml can't be read, so it can't be compared"
    elif claim.name not in asked:
        yield "sweep.yaml does not have it"
    elif hash_of(asked[claim.name]) != hash_of(claim):
        yield f"sweep.yaml says otherwise ({', '.join(changes(claim, asked[claim.name]))})"
    elif asked[claim.name].hypothesis.cells != claim.hypothesis.cells:
        yield f"sweep.yaml compares {', '.join(asked[claim.name].hypothesis.cells.values())}"


def _withdrawn(declaration: Declaration, forged: Sequence[str]) -> ClaimCheck:
    assert declaration.withdrawn is not None
    claim = claim_of(declaration).hypothesis
    after = [f"withdrawn {declaration.withdrawn.progress}"] if declaration.withdrawn.ended else []
    said = f"“{claim.claim}” (threshold {claim.threshold:g}), {_dated('declared', declaration, declaration.declared)}"
    return ClaimCheck(claim.name, f"{said}, withdrawn {_day(declaration.withdrawn)}", [*after, *forged])


def _forgeries(place: int, log: DeclarationLog, manifest: Manifest, ended: Sequence[float]) -> Iterator[str]:
    """Where a version does not agree with its hash, the manifest or the records."""
    version = log.declarations[place]
    if not version.fits:
        yield "declarations.json was edited: the hash is not that of the content"
    if place < len(manifest.declarations):
        copy = manifest.declarations[place]
        if copy.withdrawn is None:  # a driver that has just begun has dated its withdrawal, and not yet told
            copy = copy.model_copy(update={"withdrawn": version.withdrawn})
        if copy != version:
            yield "manifest.json and declarations.json disagree about it: one of them was edited"
    for event, occasion in (("declared", version.declared), ("withdrawn", version.withdrawn)):
        older = 0 if occasion is None else sum(at < occasion.at.timestamp() - CLOCKS for at in ended)
        if occasion is not None and older > occasion.ended:
            yield f"{event} {occasion.progress}, it says, yet {older:,} records are older"


def _dated(event: str, declaration: Declaration, occasion: Occasion | None) -> str:
    when = "at an unknown time" if occasion is None else f"{_day(occasion)} {occasion.progress}"
    return f"{event} {when}, hash {declaration.hash[:12]}"


def _day(occasion: Occasion) -> str:
    return f"{occasion.at:%Y-%m-%d %H:%M:%S} UTC"
