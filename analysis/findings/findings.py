"""Everything that is computed from one sweep, once. Terminal, page, files, W&B and figures only read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from analysis.findings.axis import Kind, kind_of
from analysis.findings.conclusion import conclusion, not_tested
from analysis.findings.declarations import caution, heading, histories_of, remark
from analysis.findings.insights import insights
from analysis.findings.searches import CellSearch, searches_of
from analysis.findings.sentences import protocol
from analysis.findings.settings import Roles, roles
from analysis.findings.summary import CellSummary, summarise
from analysis.findings.tables import Gain, cell_table, count_table, gains, search_table
from analysis.findings.verdicts import Verdict, judge
from analysis.findings.wording import rests_on
from analysis.sources.sweep import Sweep
from fsm_icl.results.claims import History


@dataclass(frozen=True, eq=False)
class Findings:
    """What a sweep says, in numbers and in the sentences that every reader of it is given."""

    sweep: Sweep
    cells: Mapping[str, CellSummary]
    """What each cell's measure trials scored, by label in the order of the manifest."""
    searches: tuple[CellSearch, ...]
    """Every cell with an ended proposal."""
    kind: Kind
    """What varies in the sweep."""
    gains: tuple[Gain, ...]
    """From step to step along the sweep's axis."""
    verdicts: tuple[Verdict, ...]
    """On the declared claims, in their order."""
    histories: Mapping[str, History]
    """When each claim was declared, by its name in the same order."""
    roles: Roles
    cell_table: pd.DataFrame
    count_table: pd.DataFrame
    search_table: pd.DataFrame
    interval_over: str
    """What intervals that compare all cells are drawn over, e.g. seeds and test classes."""
    protocol: str
    """How the numbers came about."""
    heading: str
    """Of the verdicts: when the claims were declared."""
    sentences: tuple[str, ...]
    """One a verdict, with what its claim's history adds."""
    conclusion: str
    """What the verdicts add up to."""
    not_tested: tuple[str, ...]
    insights: tuple[str, ...]
    """What imported runs say of the insight texts of the source's notebook; empty for a sweep of ours."""


def findings_of(sweep: Sweep) -> Findings:
    """Compute everything that `sweep` says. Raises ValueError where a declaration can't be read."""
    cells, searches, histories = summarise(sweep), searches_of(sweep), histories_of(sweep)
    kind, verdicts, held = kind_of(sweep, cells), judge(sweep, cells), roles(sweep)
    over = rests_on(cells.values(), sweep.manifest.repeats)
    return Findings(
        sweep=sweep,
        cells=cells,
        searches=searches,
        kind=kind,
        gains=gains(sweep, cells, kind),
        verdicts=verdicts,
        histories=histories,
        roles=held,
        cell_table=cell_table(sweep, cells.values()),
        count_table=count_table(sweep),
        search_table=search_table(searches),
        interval_over=over,
        protocol=protocol(sweep, over),
        heading=heading(histories),
        sentences=tuple(f"{verdict.sentence}{remark(histories[verdict.name])}" for verdict in verdicts),
        conclusion=f"{conclusion(sweep, verdicts)} {caution(histories)}".rstrip(),
        not_tested=tuple(not_tested(sweep, cells.values(), held)),
        insights=tuple(insights(sweep)),
    )
