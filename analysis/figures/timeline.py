"""Sweep timeline: which trial ran where and when. Made of clock times, so no result depends on it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from analysis.figures.panels import sheet
from analysis.figures.picture import NotDrawn, Picture
from analysis.figures.style import arch_styles
from analysis.findings.findings import Findings
from analysis.sources.sweep import Sweep
from fsm_icl.results.records import Outcome, Phase


@dataclass(frozen=True)
class Bar:
    """One trial."""

    node: str
    lane: int
    """Place among the trials that ran on the node at the same time, from 0."""
    start: float
    end: float
    """Hours since the first trial started; an interruption in between is not told apart."""
    cell: str
    arch: str
    phase: Phase
    outcome: Outcome
    hash: str


def picture(findings: Findings) -> Picture | NotDrawn:
    """The figure of when and where a sweep's trials ran."""
    bars = lanes(findings.sweep)
    if not bars:
        known = "the imported results have no times" if findings.sweep.records else "no trial has ended"
        return NotDrawn("timeline", known)
    table = pd.DataFrame([bar.__dict__ for bar in bars])
    nodes = len({bar.node for bar in bars})
    busy = sum(bar.end - bar.start for bar in bars)
    span = max(bar.end for bar in bars)
    places = len({(bar.node, bar.lane) for bar in bars})
    share = f"{busy / (places * span):.0%}" if span else "-"
    text = (
        f"{len(bars)} trials on {nodes} node{'s' if nodes > 1 else ''}, at most {places} at once, which were busy "
        f"{share} of the time from the first start to the last end. Pale: search; solid: measure; dark edge: diverged "
        "or failed. Gaps include times at which no driver ran."
    )
    return Picture("timeline", "Sweep timeline", text, table, lambda: draw(bars))


def lanes(sweep: Sweep) -> list[Bar]:
    """The bar of every ended trial whose times are known; those of one node that overlap lie in different lanes."""
    named = [
        (end.started_at, end.ended_at, end.node, cell, wanted)
        for cell in sweep.manifest.cells
        for wanted in cell.wanted
        if wanted.hash in sweep.records
        and (end := sweep.records[wanted.hash].end).started_at is not None
        and end.ended_at is not None
        and end.node is not None
    ]
    first = min((started for started, *_ in named), default=0.0)
    free: dict[str, list[float]] = {}
    bars = []
    for started, ended, node, cell, wanted in sorted(named, key=lambda row: (row[0], row[4].hash)):
        until = free.setdefault(node, [])
        lane = next((i for i, time in enumerate(until) if time <= started), len(until))
        until[lane : lane + 1] = [ended]
        bars.append(
            Bar(
                node=node,
                lane=lane,
                start=(started - first) / 3600,
                end=(ended - first) / 3600,
                cell=cell.label,
                arch=str(cell.fields["arch"]),
                phase=wanted.phase,
                outcome=sweep.records[wanted.hash].end.outcome,
                hash=wanted.hash,
            )
        )
    return bars


def draw(bars: list[Bar]) -> Figure:
    """One row a lane, nodes below one another."""
    rows = sorted({(bar.node, bar.lane) for bar in bars})
    place = {row: number for number, row in enumerate(rows)}
    span = max(bar.end for bar in bars)
    scale, unit = (60.0, "minutes") if span < 2 else (1.0, "hours")
    figure, (ax,) = sheet(1, 1, min(6.0, 2.0 + 0.16 * len(rows)))
    styles = arch_styles(bar.arch for bar in bars)
    for arch, style in styles.items():
        for phase, alpha in (("search", 0.4), ("measure", 1.0)):
            mine = [bar for bar in bars if (bar.arch, bar.phase) == (arch, phase)]
            boxes = [
                Rectangle((scale * bar.start, place[bar.node, bar.lane] - 0.4), scale * (bar.end - bar.start), 0.8)
                for bar in mine
            ]
            broken = ["black" if bar.outcome in ("diverged", "failed") else "white" for bar in mine]
            ax.add_collection(PatchCollection(boxes, facecolor=style.colour, alpha=alpha, edgecolor=broken, lw=0.5))
    middles: dict[str, list[int]] = {}
    for node, lane in rows:
        middles.setdefault(node, []).append(place[node, lane])
    if len(middles) <= 20:
        ax.set_yticks([sum(m) / len(m) for m in middles.values()], [node[:16] for node in middles], size=7)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlim(0, scale * span or 1)
    ax.set_xlabel(f"{unit} since the first trial started")
    handles: list[Artist] = [Patch(color=style.colour, label=style.label) for style in styles.values()]
    handles += [Patch(color="grey", alpha=0.4, label="search"), Patch(color="grey", label="measure")]
    handles += [Line2D([], [], marker="s", mfc="none", mec="black", ls="", label="diverged or failed")]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 7))
    return figure
