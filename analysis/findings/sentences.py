"""A sweep's tables in words, the same in print, Markdown and HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.findings.tables import Gain
from analysis.findings.verdicts import Verdict
from analysis.findings.wording import p_text, points, short, span
from analysis.sources.sweep import Sweep

CELL_HEADS = (
    *("cell", "params", "state", "seeds", "IQM [95 %]", "mean", "min", "max"),
    *("success [Wilson]", "ceil.", "best lr", "pruned/ div/fail"),
)
VERDICT_HEADS = ("claim", "tested", "compared", "estimate", "95 % interval", "p", "p (Holm)", "P(better)", "verdict")


def gain_text(gain: Gain) -> str:
    """The gain in words, e.g. "+41.5 points [39.7, 43.4]"."""
    if gain.estimate is None:
        return "not yet measured"
    why = "mixed seeds" if gain.mixed else "fewer than 5 seeds"
    ends = f" {span(gain.estimate)}" if gain.estimate.interval else f" ({why}: no interval)"
    sign = "+" if gain.estimate.value >= 0 else ""
    text = f"{sign}{points(gain.estimate.value)} points{ends}"
    if gain.improvement and gain.estimate.num_units > 1:
        text += f"; P(better) {short(gain.improvement.value, 2)}"
    if gain.mixed and gain.success_before and gain.success_after:
        rates = [f"{rate.successes} of {rate.total}" for rate in (gain.success_before, gain.success_after)]
        text += f"; seeds that succeed: {rates[0]} -> {rates[1]}"
    return text


def protocol(sweep: Sweep, over: str) -> str:
    """How the numbers came about: scale, budget, trials there and missing, what intervals are drawn `over`."""
    manifest, counts = sweep.manifest, sweep.counts
    if manifest.imported:
        return _imported_protocol(sweep)
    assert manifest.success_margin is not None, "a sweep of ours has one"
    steps = sorted({cell.steps for cell in manifest.cells})
    seeds = sorted({cell.num_seeds for cell in manifest.cells})
    there = f"{counts.ended} of {counts.asked} trials"
    kinds = ", ".join(f"{counts.outcomes[name]} {name}" for name in sorted(counts.outcomes))
    if counts.ended < counts.asked:
        there = f"partial: {there}"
    aside = f"; {counts.no_longer_wanted} records no longer wanted" if counts.no_longer_wanted else ""
    drawn = "seeds"
    if manifest.repeats > 1:
        over, drawn = f"{over}, {manifest.repeats} searches per cell", "searches"
    return (
        f"Scale {manifest.scale}, seed {manifest.seed}, {_range(steps)} steps, {_range(seeds)} measure seeds per cell; "
        f"{there}{f' ({kinds})' if kinds else ''}{aside}. Success: test accuracy within "
        f"{points(manifest.success_margin)} points of the ceiling. 95 % intervals, bootstrap over {over}; none below 5 "
        f"{drawn}, and none where seeds fall into two groups. A seed that diverged or failed counts as accuracy 0."
    )


def _imported_protocol(sweep: Sweep) -> str:
    """How imported numbers came about, and what their files do not say."""
    sources = [record.imported for record in sweep.records.values() if record.imported is not None]
    files = sorted({source.file for source in sources})
    epochs = sorted({record.end.steps for record in sweep.records.values()}) or [0]
    return (
        f"Imported from {len(files)} file{'' if len(files) == 1 else 's'} ({', '.join(files)}): "
        f"{sweep.counts.ended} runs, one a cell, {_range(epochs)} epochs. The files have no seed, no size of the "
        "machines, no counts by test machine, no test loss and no times. So there are points only: no interval, "
        "no ceiling, no success rate. One run a cell can't tell a difference between cells from one between seeds."
    )


def imported_notes(sweep: Sweep) -> list[str]:
    """What the import found odd in the files that stand behind the cells."""
    ended = {label: sweep.ended(label, "measure") for label in sweep.cells}
    return [
        f"{label}: {note}."
        for label, records in ended.items()
        for record in records
        for note in (record.imported.notes if record.imported is not None else ())
    ]


def cell_notes(rows: pd.DataFrame) -> list[str]:
    """One line for every cell with something to beware of."""
    found = []
    for row in rows.to_dict("records"):
        notes = []
        if row["no_winner"]:
            notes.append(f"fails within {row['steps']:,} steps: no proposal finished, there is no winner to measure")
        if row["groups"]:
            notes.append(f"mixed within {row['steps']:,} steps: {row['groups']}, so its IQM has no interval")
        if row["at_edge"]:
            notes.append(f"the winner lies at the edge of its range ({row['at_edge']})")
        if row["still_rising"]:
            notes.append(f"still rising at the end of its {row['steps']:,} steps")
        if notes:
            found.append(f"{row['cell']}: {'; '.join(notes)}.")
    return found


def cell_texts(row: Any) -> list[str]:
    """A row of the table of cells under CELL_HEADS; "-" stands where a number does not exist."""
    interval = "" if pd.isna(row["iqm_low"]) else f" [{short(row['iqm_low'])}, {short(row['iqm_high'])}]"
    success = "-"
    if row["seeds"] and not pd.isna(row["successes"]):
        ends = f"[{short(row['success_low'], 2)}, {short(row['success_high'], 2)}]"
        success = f"{row['successes']:.0f}/{row['seeds']} {ends}"
    outcomes = "/".join(str(row[name]) for name in ("pruned", "diverged", "failed"))
    return [
        row["cell"],
        _whole(row["num_params"]),
        _whole(row["state_size"]),
        f"{row['seeds']} of {row['seeds_asked']}",
        f"{short(row['iqm'])}{interval}",
        *(short(row[name]) for name in ("mean", "minimum", "maximum")),
        success,
        short(row["ceiling"]),
        _learning_rates(row["best_learning_rate"]),
        outcomes,
    ]


def _whole(number: float | None) -> str:
    return "-" if number is None or pd.isna(number) else f"{number:,.0f}"


def verdict_texts(verdict: Verdict) -> list[str]:
    """A verdict under VERDICT_HEADS."""
    estimate = verdict.estimate
    better = short(verdict.improvement.value, 2) if verdict.improvement else "-"
    tail = [p_text(verdict.p_value), p_text(verdict.adjusted_p), better, verdict.outcome]
    if estimate is None:
        return [verdict.claim, verdict.tested_at, verdict.quantity, "-", "-", *tail]
    ends = estimate.interval
    low, high = (ends.low, ends.high) if ends else (None, None)
    if verdict.quantity == "share of the gap":
        given, low_text, high_text = f"{estimate.value:.0%}", f"{low:.0%}", f"{high:.0%}"
    elif verdict.quantity == "steps to threshold":
        given, low_text, high_text = f"x {estimate.value:.2f}", f"{low:.2f}", f"{high:.2f}"
    else:
        given = f"{points(estimate.value)} points"
        low_text, high_text = (points(low), points(high)) if low is not None and high is not None else ("", "")
    interval = f"{low_text} to {high_text}" if ends else "-"
    return [verdict.claim, verdict.tested_at, verdict.quantity, given, interval, *tail]


def _learning_rates(text: str) -> str:
    """The winner's learning rate, or the lowest and highest of several winners'."""
    rates = sorted(text.split(), key=float)
    return "-" if not rates else rates[0] if rates[0] == rates[-1] else f"{rates[0]}-{rates[-1]}"


def _range(values: Sequence[int]) -> str:
    return f"{values[0]:,}" if values[0] == values[-1] else f"{values[0]:,} to {values[-1]:,}"
