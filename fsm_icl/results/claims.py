"""When each claim of a sweep was declared: before any trial had ended, later, or nobody knows. Plain data.

A claim that is changed becomes a new version, and the old one is withdrawn; versions share the hypothesis' name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from fsm_icl.results.records import Count, Declaration, DeclaredHypothesis, FrozenModel, Manifest

Timing = Literal["before", "seeds changed", "later", "unknown", "unlike"]
"""Before the first trial ended; so, yet with another number of seeds since; later; at an unknown time; or not as
declared: the manifest or the declaration was edited by hand."""

IN_TIME = "declared before the first trial ended"
UNDATED = "declared at an unknown time"


class Claim(FrozenModel):
    """A hypothesis with all that decides its verdict: what is hashed and dated."""

    hypothesis: DeclaredHypothesis
    num_seeds: Count
    """Measure trials a cell."""
    success_margin: float
    seed: Count
    """The sweep's: with another one every trial is another."""
    search: dict[str, Any]
    """How the hyperparameters of its cells are searched, defaults left out."""
    contents: dict[str, str]
    """Role -> SHA-256 of what its cell is: task, model, optimiser and budget, searched values left out."""

    @property
    def name(self) -> str:
        """The hypothesis' name."""
        return self.hypothesis.name


@dataclass(frozen=True)
class History:
    """A claim of the sweep, and when it was declared."""

    hypothesis: DeclaredHypothesis
    declaration: Declaration | None
    """The version that stands; None where none says the same."""
    timing: Timing
    text: str
    """The timing in words."""

    @property
    def sound(self) -> bool:
        """Declared before the first trial ended, and not changed since."""
        return self.timing == "before"


def claim_of(declaration: Declaration) -> Claim:
    """What a declaration says. Raises ValueError where that is no claim."""
    content, said = declaration.content, declaration.content.get("hypothesis")
    named = content | {"hypothesis": said | {"cells": declaration.cells}} if isinstance(said, dict) else content
    try:
        return Claim.model_validate(named)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise ValueError(f"declaration {declaration.hash[:12]}: content.{field}: {first['msg']}") from None


def histories(hypotheses: Iterable[DeclaredHypothesis], declarations: Sequence[Declaration]) -> list[History]:
    """When each hypothesis was declared. Raises ValueError where a declaration can't be read."""
    claims = [claim_of(declaration) for declaration in declarations]
    standing = {claim.name: i for i, claim in enumerate(claims) if declarations[i].withdrawn is None}
    return [_history(hypothesis, standing.get(hypothesis.name), declarations, claims) for hypothesis in hypotheses]


def other_versions(manifest: Manifest, family: str) -> set[str]:
    """Hashes of the versions ever declared in a family that are no hypothesis of the sweep now.

    Each was a test that could have been reported, so each counts in the correction for their number.
    """
    standing = {h.declaration.hash for h in histories(manifest.hypotheses, manifest.declarations) if h.declaration}
    ever = {d.hash for d in manifest.declarations if claim_of(d).hypothesis.family == family}
    return ever - standing


def changes(before: Claim, after: Claim) -> list[str]:
    """What differs between two versions, e.g. "threshold 0.1 -> 0.05"."""
    old, new = (claim.hypothesis.model_dump(exclude={"cells"}) for claim in (before, after))
    said = [_change(name, old[name], new[name]) for name in new if old[name] != new[name]]
    said += _changed_cells(before, after)
    for name, word in (("num_seeds", "seeds"), ("success_margin", "success_margin"), ("seed", "the sweep's seed")):
        was, now = getattr(before, name), getattr(after, name)
        said += [f"{word} {was} -> {now}"] if was != now else []
    return said + (["how hyperparameters are searched"] if before.search != after.search else [])


def _change(name: str, was: Any, now: Any) -> str:
    return "its wording" if name == "claim" else f"{name} {was} -> {now}"


def _changed_cells(before: Claim, after: Claim) -> list[str]:
    """Cells that are others now, by name where that tells."""
    old, new = before.hypothesis.cells, after.hypothesis.cells
    roles = [role for role in new if before.contents.get(role) != after.contents.get(role)]
    if any(old.get(role) == new[role] for role in roles):
        return ["task, model, optimizer or budget"]
    return [f"{role} {old.get(role)} -> {new[role]}" for role in roles]


def _history(
    hypothesis: DeclaredHypothesis, place: int | None, declarations: Sequence[Declaration], claims: Sequence[Claim]
) -> History:
    """`place`: of the version that stands under the hypothesis' name."""
    if not declarations:
        return History(hypothesis, None, "unknown", UNDATED)
    if place is None or claims[place].hypothesis != hypothesis:
        return History(hypothesis, None, "unlike", "not what was declared")
    if not declarations[place].fits:
        return History(hypothesis, declarations[place], "unlike", "not what was declared: its hash does not fit it")
    return History(hypothesis, declarations[place], *_timing(place, declarations, claims))


def _timing(place: int, declarations: Sequence[Declaration], claims: Sequence[Claim]) -> tuple[Timing, str]:
    """Of the version at `place`, and of those that it continues."""
    version = declarations[place]
    if version.declared is None:
        return "unknown", UNDATED
    if not version.declared.ended:
        return "before", IN_TIME
    same = [i for i in range(place) if claims[i].name == claims[place].name]
    if not same:
        return "later", f"added {version.declared.progress}"
    old, new = claims[same[-1]], claims[place]
    if declarations[same[-1]].withdrawn == version.declared and _only_seeds_differ(old, new):
        timing, text = _timing(same[-1], declarations, claims)
        if not version.measured:
            return timing, text
        verb = "raised" if new.num_seeds > old.num_seeds else "lowered"
        seeds = f"seeds were {verb} from {old.num_seeds} to {new.num_seeds} {version.declared.progress}"
        return ("seeds changed", seeds) if timing == "before" else (timing, f"{text}; {seeds}")
    if any(declarations[i].hash == version.hash for i in same):
        return "later", f"withdrawn, and added again {version.declared.progress}"
    return "later", f"added {version.declared.progress} (changed: {', '.join(changes(old, new))})"


def _only_seeds_differ(old: Claim, new: Claim) -> bool:
    return old.num_seeds != new.num_seeds and not changes(old.model_copy(update={"num_seeds": new.num_seeds}), new)
