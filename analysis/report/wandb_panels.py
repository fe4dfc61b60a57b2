"""The live panels that a sweep's W&B report and its workspace view share, and the runs that they show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analysis.findings.axis import Kind
from analysis.sources.sweep import Sweep
from fsm_icl.results.records import Phase
from fsm_icl.tracking.encoding import group_of

CELL = "cell"
LEARNING_RATE = "optimizer.learning_rate"
TRIALS: tuple[Phase, Phase] = ("measure", "search")


def runs_of(sweep: Sweep, *jobs: str) -> Any:
    """The filter for a sweep's runs of these job types."""
    import wandb_workspaces.expr as expr

    group = expr.Metric("Group") == group_of(sweep.manifest.sweep, sweep.manifest.id)
    job = expr.Metric("JobType")
    return expr.And(group, job == jobs[0] if len(jobs) == 1 else job.isin(list(jobs)))


def measured(sweep: Sweep) -> list[Any]:
    """Panels over measure trials: each cell once, none left out."""
    import wandb_workspaces.reports.v2 as wr

    # W&B shows the first 10 of a plot unless it is told otherwise, runs or groups.
    most = max(1, sum(max(1, cell.num_seeds) for cell in sweep.manifest.cells))
    grouped: dict[str, Any] = {"groupby": wr.Config(CELL), "groupby_aggfunc": "mean", "groupby_rangefunc": "stddev"}
    bars = wr.BarPlot(
        title="test/accuracy by cell",
        metrics=["test/accuracy"],
        max_runs_to_show=most,
        max_bars_to_show=max(1, len(sweep.manifest.cells)),
        **grouped,
    )
    curves = [
        wr.LinePlot(
            title=f"{name} by cell, mean and spread over seeds", x="step", y=[name], max_runs_to_show=most, **grouped
        )
        for name in ("val/accuracy", "val/loss")
    ]
    return [bars, *curves]


def searched(sweep: Sweep) -> list[Any]:
    """Panels over search trials; parallel coordinates where several parameters are searched."""
    import wandb_workspaces.reports.v2 as wr

    rates = wr.ScatterPlot(
        title="Search: final validation accuracy by learning rate",
        x=wr.Config(LEARNING_RATE),
        y=wr.SummaryMetric("val/accuracy"),
        log_x=True,
    )
    names = list(searched_parameters(sweep))
    if len(names) < 2:
        return [rates]
    columns = [wr.ParallelCoordinatesPlotColumn(metric=wr.Config(name), log=name == LEARNING_RATE) for name in names]
    columns = [wr.ParallelCoordinatesPlotColumn(metric=wr.Config(CELL)), *columns]
    columns.append(wr.ParallelCoordinatesPlotColumn(metric=wr.SummaryMetric("val/accuracy")))
    return [rates, wr.ParallelCoordinatesPlot(title="Search: all searched parameters", columns=columns)]


def whole(kind: Kind) -> list[Any]:
    """Panels over the sweep's own run: its figure and its table of trials."""
    import wandb_workspaces.reports.v2 as wr

    figure = wr.MediaBrowser(title="Figure", media_keys=[f"figures/{kind}"])
    return [figure, wr.WeavePanelSummaryTable(table_name="tables/trials")]


def searched_parameters(sweep: Sweep) -> Iterator[str]:
    """Where the searched parameters stand in a run's config, e.g. optimizer.learning_rate."""
    names = {name for cell in sweep.manifest.cells for winner in cell.winners for name in winner.params}
    config: Mapping[str, Any] = next((record.config for record in sweep.records.values()), {})
    for section, values in config.items():
        if isinstance(values, Mapping):
            yield from (f"{section}.{name}" for name in values if name in names)
