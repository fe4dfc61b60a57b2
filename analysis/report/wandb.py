"""A W&B report of a sweep: what was asked, what came out and how sure it is, with live panels over its runs.

Beside it stands a saved workspace view: the same runs and panels, for looking on.
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from typing import Any

from analysis.figures.registry import pictures
from analysis.findings.findings import Findings
from analysis.report.escaping import code
from analysis.report.page import markdown
from analysis.report.wandb_panels import CELL, TRIALS, measured, runs_of, searched, whole
from analysis.sources.sweep import Sweep
from analysis.sources.wandb_runs import api, asking
from fsm_icl.tracking.account import first_line
from fsm_icl.tracking.encoding import SWEEP_JOB, artifact_of, group_of


@dataclass(frozen=True)
class SavedReport:
    """Where the report is."""

    url: str
    updated: bool
    """It was there before."""
    share_link: str | None
    """Whoever has it can look without an account. None where that was not asked for."""
    workspace: str
    """Where the saved view is."""


def report_of(findings: Findings, entity: str, project: str) -> Any:
    """The report (wandb_workspaces.reports.v2.Report), checked as far as can be without sending anything."""
    import wandb_workspaces.reports.v2 as wr

    sweep = findings.sweep
    group = _group(sweep)

    def runs(name: str, job: str) -> Any:
        by = [] if job == SWEEP_JOB else [f"config.{CELL}"]
        return wr.Runset(entity=entity, project=project, name=name, filters=runs_of(sweep, job), groupby=by)

    _, *rest = markdown(findings, pictures(findings), _command(sweep)).split("\n", 1)
    kept = artifact_of(sweep.manifest.sweep, sweep.manifest.id)
    blocks = [
        wr.MarkdownBlock(text="".join(rest).strip()),
        wr.H2(text="Measured: fresh seeds of each cell's winner"),
        wr.PanelGrid(runsets=[runs("measure trials", "measure")], panels=measured(sweep)),
        wr.H2(text="Searched: proposals inside each cell"),
        wr.PanelGrid(runsets=[runs("search trials", "search")], panels=searched(sweep)),
        wr.H2(text="Figure and tables"),
        wr.PanelGrid(runsets=[runs("the sweep", SWEEP_JOB)], panels=whole(findings.kind)),
        wr.H2(text="Run it again"),
        wr.MarkdownBlock(text=f"```bash\n{_command(sweep)}\n```\nThe artifact {code(kept)} holds the sweep file."),
    ]
    title = " ".join(sweep.manifest.question.split())[:128]
    return wr.Report(
        entity=entity, project=project, title=title, description=_mark(group), blocks=blocks, width="fluid"
    )


def workspace_of(sweep: Sweep, entity: str, project: str) -> Any:
    """The saved view (wandb_workspaces.workspaces.Workspace) of a sweep's trials, by phase and cell."""
    import wandb_workspaces.workspaces as ws

    most = max(10, len(sweep.manifest.cells) * len(TRIALS))
    view = ws.Workspace(
        entity=entity,
        project=project,
        name=_group(sweep)[:128],
        sections=[
            ws.Section(name="Measured", panels=measured(sweep), is_open=True),
            ws.Section(name="Searched", panels=searched(sweep), is_open=True),
        ],
        settings=ws.WorkspaceSettings(x_axis="step", max_runs=most),
        runset_settings=ws.RunsetSettings(
            filters=runs_of(sweep, *TRIALS), groupby=[ws.Metric("JobType"), ws.Config(CELL)]
        ),
    )
    view._internal_name = _view_name(sweep)
    return view


def save(findings: Findings, entity: str, project: str, share: bool) -> SavedReport:
    """Save the report and the view, over those of the same sweep if there are any.

    Raises:
        ValueError: see `report_of`; no account, W&B has no runs of the sweep, or it refuses.
    """
    sweep = findings.sweep
    report, view = report_of(findings, entity, project), workspace_of(sweep, entity, project)
    client = api()
    with asking():
        return _save(client, report, view, sweep, share)


def _save(client: Any, report: Any, view: Any, sweep: Sweep, share: bool) -> SavedReport:
    group = _group(sweep)
    path = f"{report.entity}/{report.project}"
    if not _runs(client, path, group):
        raise ValueError(f"W&B has no runs of {group} in {path}: upload them with fsm-icl sync {sweep.folder}")
    known = [view.id for view in client.reports(path) if view.description == report.description]
    if known:
        report.id = known[0]
    report.save()
    view._internal_id = _view_id(view)
    view.save()
    return SavedReport(report.url, bool(known), report.enable_share_link() if share else None, view.url)


def _view_id(view: Any) -> str:
    """The id of the view of this name that is there already; "" where there is none."""
    import wandb_workspaces.workspaces.internal as internal

    name = internal._internal_name_to_url_query_str(view._internal_name)
    try:
        return str(internal.get_view_dict(view.entity, view.project, name)["id"])
    except ValueError:  # no such view
        return ""


def _runs(client: Any, path: str, group: str) -> bool:
    try:
        return bool(len(client.runs(path, filters={"group": group}, per_page=1)))
    except ValueError as error:
        if "Could not find project" not in first_line(error):
            raise
        return False


def _group(sweep: Sweep) -> str:
    return group_of(sweep.manifest.sweep, sweep.manifest.id)


def _mark(group: str) -> str:
    """How the sweep's report is found again, whatever it is called and from wherever it was made."""
    return f"fsm_icl sweep {group}"


def _view_name(sweep: Sweep) -> str:
    """How W&B finds the sweep's view again: names of views are nw-ID-v."""
    return f"nw-{hashlib.sha256(_mark(_group(sweep)).encode()).hexdigest()[:11]}-v"


def _command(sweep: Sweep) -> str:
    manifest = sweep.manifest
    typed = ["python", "-m", "fsm_icl.tune", manifest.sweep, "--scale", manifest.scale, "--seed", str(manifest.seed)]
    return shlex.join(typed)
