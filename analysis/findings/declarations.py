"""When a sweep's claims were declared, as tables and sentences: before the run, later, or at a time nobody knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pandas as pd

from analysis.sources.sweep import Sweep
from fsm_icl.results.claims import History, claim_of, histories
from fsm_icl.results.records import Declaration, Occasion

WITHDRAWN_HEADS = ("withdrawn claim", "said", "hash", "declared", "withdrawn")


def histories_of(sweep: Sweep) -> dict[str, History]:
    """Name of each claim -> when it was declared, in the manifest's order."""
    found = histories(sweep.manifest.hypotheses, sweep.manifest.declarations)
    return {history.hypothesis.name: history for history in found}


def heading(found: Mapping[str, History]) -> str:
    """The heading of the verdicts: how many of the claims were declared before the run."""
    timings = Counter(history.timing for history in found.values())
    before = timings["before"] + timings["seeds changed"]
    if not found:
        return "Verdicts"
    if timings["unknown"] == len(found):
        return "Verdicts on claims declared at an unknown time"
    later = f", seeds of {timings['seeds changed']} changed later" if timings["seeds changed"] else ""
    if before == len(found):
        return f"Verdicts on the claims declared before the run{later}"
    if len(found) == 1:
        return "Verdict on a claim that was not declared before the run"
    return f"Verdicts on {len(found)} claims, {before or 'none'} of them declared before the run{later}"


def remark(history: History) -> str:
    """What stands beside a claim's verdict; "" where it was declared before the first trial ended."""
    return "" if history.sound else f" [{history.text}]"


def caution(histories: Mapping[str, History]) -> str:
    """What the first box says of claims that are not as they were declared before the run; "" where all are."""
    found = histories.values()
    if found and all(history.timing == "unknown" for history in found):
        return "When the claims were declared is not known: an earlier version of the program kept no dates."
    late = [history for history in found if history.timing not in ("before", "seeds changed")]
    reseeded = [history for history in found if history.timing == "seeds changed"]
    parts = (("Not declared before the run", late), ("With other seeds than declared", reseeded))
    return " ".join(f"{intro}: {'; '.join(map(_named, some))}." for intro, some in parts if some)


def _named(history: History) -> str:
    return f"“{history.hypothesis.claim}” ({history.text})"


def withdrawn_rows(sweep: Sweep) -> list[tuple[str, ...]]:
    """Each version that was withdrawn or replaced, under WITHDRAWN_HEADS."""
    gone = [declaration for declaration in sweep.manifest.declarations if declaration.withdrawn]
    return [(claim_of(d).hypothesis.claim, _terms(d), d.hash[:12], _when(d.declared), _when(d.withdrawn)) for d in gone]


def withdrawn_lines(sweep: Sweep) -> list[str]:
    """The same in sentences."""
    return [
        f"“{claim}” ({terms}), hash {hash_}: declared {declared}, withdrawn {withdrawn}"
        for claim, terms, hash_, declared, withdrawn in withdrawn_rows(sweep)
    ]


def declaration_table(sweep: Sweep) -> pd.DataFrame:
    """One row a version of a claim, in the order of their declaration; what does not exist is empty."""
    return pd.DataFrame([_row(declaration) for declaration in sweep.manifest.declarations], columns=_COLUMNS)


_COLUMNS = ["name", "claim", "family", "metric", "direction", "threshold", "num_seeds", "hash", "measured"]
_COLUMNS += [f"{event}_{what}" for event in ("declared", "withdrawn") for what in ("at", "ended", "asked")]


def _row(declaration: Declaration) -> dict[str, object]:
    claim = claim_of(declaration)
    row: dict[str, object] = claim.hypothesis.model_dump(include=set(_COLUMNS[:6]))
    row |= {"num_seeds": claim.num_seeds, "hash": declaration.hash, "measured": declaration.measured}
    for event, occasion in (("declared", declaration.declared), ("withdrawn", declaration.withdrawn)):
        if occasion is not None:
            row |= {f"{event}_{name}": value for name, value in occasion.model_dump(mode="json").items()}
    return row


def _terms(declaration: Declaration) -> str:
    claim = claim_of(declaration)
    said = claim.hypothesis
    compared = ", ".join(f"{role} {label}" for role, label in said.cells.items())
    return f"{said.metric} {said.direction} {said.threshold:g}, {compared}, {claim.num_seeds} seeds"


def _when(occasion: Occasion | None) -> str:
    if occasion is None:
        return "at an unknown time"
    return f"{occasion.at:%Y-%m-%d %H:%M} UTC, {occasion.progress}"
