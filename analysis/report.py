"""What a person reads: the printed table, gains and verdicts, and verdict.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.load import Sweep
from analysis.tables import Gain, cell_table, gains
from analysis.verdicts import CONDITIONAL, Verdict, overall, points, span

_HEADS = (
    *("cell", "params", "state", "seeds", "IQM [95 %]", "mean", "min", "max"),
    *("success [Wilson]", "ceil.", "best lr", "pruned/ div/fail"),
)


def print_cell_table(sweep: Sweep, console: Console) -> None:
    """Print the table of cells (fits 110 columns), and below it what a reader must know of single cells."""
    rows = cell_table(sweep)
    table = _rich_table(rows, gap=1)
    unclipped = console.options.update(max_width=1000)
    if console.measure(table, options=unclipped).maximum > console.width:
        table = _rich_table(rows, gap=0)
    console.print(table)
    for line in (*cell_notes(rows), protocol(sweep)):
        say(console, line)


def _rich_table(rows: pd.DataFrame, gap: int) -> Table:
    """The table of cells with `gap` blanks more than one between columns."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, gap, 0, 0), pad_edge=False)
    for head in _HEADS:
        side: Literal["left", "right"] = "left" if head == "cell" else "right"
        table.add_column(head.replace(" [", "\n[").replace("/ ", "/\n"), justify=side, overflow="fold")
    for row in rows.to_dict("records"):
        table.add_row(*(Text(text) for text in _texts(row)))
    return table


def say(console: Console, line: str) -> None:
    """Print a line as it is: brackets are no markup, nothing is coloured."""
    console.print(line, markup=False, highlight=False)


def print_gains(found: Sequence[Gain], console: Console) -> None:
    """Print one line a gain."""
    for gain in found:
        say(console, f"- {gain.before} -> {gain.after}: {gain_text(gain)}")


def gain_text(gain: Gain) -> str:
    """The gain in words, e.g. "+41.5 points [39.7, 43.4]"."""
    if gain.estimate is None:
        return "not yet measured"
    ends = f" {span(gain.estimate)}" if gain.estimate.interval else " (fewer than 5 seeds: no interval)"
    sign = "+" if gain.estimate.value >= 0 else ""
    text = f"{sign}{points(gain.estimate.value)} points{ends}"
    if gain.mixed and gain.success_before and gain.success_after:
        rates = [f"{rate.successes} of {rate.total}" for rate in (gain.success_before, gain.success_after)]
        text += f"; seeds that succeed: {rates[0]} -> {rates[1]}"
    return text


def protocol(sweep: Sweep) -> str:
    """How the numbers came about: scale, budget, trials there and missing, what an interval means."""
    manifest, counts = sweep.manifest, sweep.counts
    steps = sorted({cell.steps for cell in manifest.cells})
    seeds = sorted({cell.num_seeds for cell in manifest.cells})
    there = f"{counts.ended} of {counts.asked} trials"
    kinds = ", ".join(f"{counts.outcomes[name]} {name}" for name in sorted(counts.outcomes))
    if counts.ended < counts.asked:
        there = f"partial: {there}"
    aside = f"; {counts.no_longer_wanted} records no longer wanted" if counts.no_longer_wanted else ""
    condition = CONDITIONAL if manifest.repeats == 1 else f"over {manifest.repeats} searches a cell"
    return (
        f"Scale {manifest.scale}, seed {manifest.seed}, {_range(steps)} steps, {_range(seeds)} measure seeds a cell; "
        f"{there}{f' ({kinds})' if kinds else ''}{aside}. Success: test accuracy within "
        f"{points(manifest.success_margin)} points of the ceiling. 95 % intervals, bootstrap over seeds and test "
        f"classes, {condition}; none below 5 seeds. A seed that diverged or failed counts as accuracy 0."
    )


def cell_notes(rows: pd.DataFrame) -> list[str]:
    """One line for every cell with something to beware of."""
    found = []
    for row in rows.to_dict("records"):
        notes = []
        if row["no_winner"]:
            notes.append(f"fails within {row['steps']:,} steps: no proposal finished, there is no winner to measure")
        if row["at_edge"]:
            notes.append(f"the winner lies at the edge of its range ({row['at_edge']})")
        if row["still_rising"]:
            notes.append("the winner was still rising at the budget's end")
        if notes:
            found.append(f"{row['cell']}: {'; '.join(notes)}.")
    return found


def verdict_markdown(sweep: Sweep, verdicts: Sequence[Verdict]) -> str:
    """verdict.md: question, protocol, verdicts, table, gains, and the conclusion they add up to."""
    rows = cell_table(sweep)
    heads = ("claim", "compared", "estimate", "95 % interval", "verdict")
    judged = [(v.claim, v.quantity, *_numbers(v), f"**{v.outcome}**") for v in verdicts]
    steps = [(gain.before, gain.after, gain_text(gain)) for gain in gains(sweep)]
    parts = [
        f"# {sweep.manifest.question}",
        conclusion(sweep, verdicts),
        f"Sweep `{sweep.manifest.sweep}`. {protocol(sweep)}",
        "## Verdicts on the claims declared before the run",
        _markdown(heads, judged) if verdicts else "None was declared.",
        "\n".join(f"- {verdict.sentence}" for verdict in verdicts),
        "## Cells",
        _markdown(_HEADS, (_texts(row) for row in rows.to_dict("records"))),
        "\n".join(f"- {note}" for note in cell_notes(rows)),
        "## Gains from step to step",
        _markdown(("from", "to", "gain in test accuracy"), steps) if steps else "The grid has no steps.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def conclusion(sweep: Sweep, verdicts: Sequence[Verdict]) -> str:
    """`overall`, and that it may still change while trials are missing."""
    counts = sweep.counts
    early = f" So far: {counts.ended} of {counts.asked} trials." if counts.ended < counts.asked else ""
    return overall(verdicts) + early


def _numbers(verdict: Verdict) -> tuple[str, str]:
    if verdict.estimate is None:
        return "-", "-"
    interval = verdict.estimate.interval
    if verdict.quantity == "share of the gap":
        ends = f"{interval.low:.0%} to {interval.high:.0%}" if interval else "-"
        return f"{verdict.estimate.value:.0%}", ends
    ends = f"{points(interval.low)} to {points(interval.high)}" if interval else "-"
    return f"{points(verdict.estimate.value)} points", ends


def _texts(row: Any) -> list[str]:
    """A row of the table of cells as printed; "-" stands where a number does not exist."""
    interval = "" if pd.isna(row["iqm_low"]) else f" [{_short(row['iqm_low'])}, {_short(row['iqm_high'])}]"
    success = "-"
    if row["seeds"]:
        ends = f"[{_short(row['success_low'], 2)}, {_short(row['success_high'], 2)}]"
        success = f"{row['successes']:.0f}/{row['seeds']} {ends}"
    outcomes = "/".join(str(row[name]) for name in ("pruned", "diverged", "failed"))
    return [
        row["cell"],
        f"{row['num_params']:,}",
        f"{row['state_size']:,}",
        f"{row['seeds']} of {row['seeds_asked']}",
        f"{_short(row['iqm'])}{interval}",
        *(_short(row[name]) for name in ("mean", "minimum", "maximum")),
        success,
        _short(row["ceiling"]),
        _learning_rates(row["best_learning_rate"]),
        outcomes,
    ]


def _short(value: float | None, digits: int = 3) -> str:
    """Decimals without the leading zero, e.g. ".574"; "-" for what does not exist."""
    return "-" if value is None or pd.isna(value) else f"{value:.{digits}f}".removeprefix("0")


def _learning_rates(text: str) -> str:
    """The winner's learning rate, or the lowest and highest of several winners'."""
    rates = sorted(text.split(), key=float)
    return "-" if not rates else rates[0] if rates[0] == rates[-1] else f"{rates[0]}-{rates[-1]}"


def _range(values: Sequence[int]) -> str:
    return f"{values[0]:,}" if values[0] == values[-1] else f"{values[0]:,} to {values[-1]:,}"


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(text.replace('|', '/') for text in line)} |" for line in lines)
