"""A W&B report of a sweep: what was asked, what came out and how sure it is, with live panels over its runs."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from analysis.escaping import code
from analysis.figures.series import kind_of
from analysis.load import Sweep
from analysis.page import markdown
from analysis.wandb_source import api, asking
from fsm_icl.runs import SWEEP_JOB, group_of

CELL = "cell"
LEARNING_RATE = "optimizer.learning_rate"


@dataclass(frozen=True)
class Saved:
    """Where the report is."""

    url: str
    updated: bool
    """It was there before."""
    share_link: str | None
    """Whoever has it can look without an account. None where that was not asked for."""


def report_of(sweep: Sweep, entity: str, project: str) -> Any:
    """The report (wandb_workspaces.reports.v2.Report), checked as far as can be without sending anything."""
    import wandb_workspaces.expr as expr
    import wandb_workspaces.reports.v2 as wr

    manifest = sweep.manifest
    group = group_of(manifest.sweep, manifest.id)

    def runs(name: str, job: str) -> Any:
        chosen = expr.And(expr.Metric("Group") == group, expr.Metric("JobType") == job)
        return wr.Runset(entity=entity, project=project, name=name, filters=chosen)

    def compared(panel: Any, **what: Any) -> Any:
        bands = {"groupby_aggfunc": "mean", "groupby_rangefunc": "stddev"}
        return panel(groupby=wr.Config(CELL), **bands, **what)

    curves = [
        compared(wr.LinePlot, title=f"{name} by cell, mean and spread over seeds", x="step", y=[name])
        for name in ("val/accuracy", "val/loss")
    ]
    bars = [compared(wr.BarPlot, title="test/accuracy by cell", metrics=["test/accuracy"])]
    rates = wr.ScatterPlot(
        title="Search: final validation accuracy by learning rate",
        x=wr.Config(LEARNING_RATE),
        y=wr.SummaryMetric("val/accuracy"),
        log_x=True,
    )
    figure = wr.MediaBrowser(title="Figure", media_keys=[f"figures/{kind_of(sweep)}"])
    trials = wr.WeavePanelSummaryTable(table_name="tables/trials")
    _, *rest = markdown(sweep, _command(sweep)).split("\n", 1)
    blocks = [
        wr.MarkdownBlock(text="".join(rest).strip()),
        wr.H2(text="Measured: fresh seeds of each cell's winner"),
        wr.PanelGrid(runsets=[runs("measure trials", "measure")], panels=[*bars, *curves]),
        wr.H2(text="Searched: proposals inside each cell"),
        wr.PanelGrid(runsets=[runs("search trials", "search")], panels=[rates]),
        wr.H2(text="Figure and tables"),
        wr.PanelGrid(runsets=[runs("the sweep", SWEEP_JOB)], panels=[figure, trials]),
        wr.H2(text="Run it again"),
        wr.MarkdownBlock(text=f"```bash\n{_command(sweep)}\n```\nThe artifact {code(group)} holds the sweep file."),
    ]
    title = " ".join(manifest.question.split())[:128]
    return wr.Report(
        entity=entity, project=project, title=title, description=_mark(group), blocks=blocks, width="fluid"
    )


def save(sweep: Sweep, entity: str, project: str, share: bool) -> Saved:
    """Save the report, over the one of the same sweep if there is one.

    Raises:
        ValueError: see `report_of`; no account, or W&B has no runs of the sweep.
    """
    report = report_of(sweep, entity, project)
    client = api()
    with asking():
        return _save(client, report, sweep, share)


def _save(client: Any, report: Any, sweep: Sweep, share: bool) -> Saved:
    group = group_of(sweep.manifest.sweep, sweep.manifest.id)
    path = f"{report.entity}/{report.project}"
    if not _runs(client, path, group):
        raise ValueError(f"W&B has no runs of {group} in {path}: upload them with fsm-icl sync {sweep.folder}")
    known = [view.id for view in client.reports(path) if view.description == report.description]
    if known:
        report.id = known[0]
    report.save()
    return Saved(report.url, bool(known), report.enable_share_link() if share else None)


def _runs(client: Any, path: str, group: str) -> bool:
    try:
        return bool(len(client.runs(path, filters={"group": group}, per_page=1)))
    except ValueError:  # no such project
        return False


def _mark(group: str) -> str:
    """How the sweep's report is found again, whatever it is called and from wherever it was made."""
    return f"fsm_icl sweep {group}"


def _command(sweep: Sweep) -> str:
    manifest = sweep.manifest
    typed = ["python", "-m", "fsm_icl.tune", manifest.sweep, "--scale", manifest.scale, "--seed", str(manifest.seed)]
    return shlex.join(typed)
