"""`fsm-icl`: thin commands, no logic. Heavy imports stay inside them, so that --help answers at once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from fsm_icl.cluster.command import app as cluster
from fsm_icl.cluster.command import doctor, refusing
from fsm_icl.output import steady_output
from fsm_icl.tune.command import tune

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Which recurrent architecture learns finite-state machines in context, and how sure are we?",
)


@app.callback()
def _begin(context: typer.Context) -> None:
    context.with_resource(steady_output())


app.command()(tune)
app.add_typer(cluster, name="cluster")
app.command()(doctor)

Sweep = Annotated[str, typer.Argument(help="A sweep's name, such as spectrum, or its folder.")]
Trial = Annotated[str, typer.Argument(help="The first digits of the trial's hash.")]
Scale = Annotated[str | None, typer.Option(help="Which scale of a sweep given by name; default as in tune.")]
Results = Annotated[str, typer.Option(help="Folder or URI that holds the sweeps' folders.")]


@app.command()
def status(sweep: Sweep, scale: Scale = None, results: Results = "results") -> None:
    """Show how far a sweep is, who works on it, and what failed. Works while it runs, too."""
    from rich.console import Console

    from fsm_icl.sweep.examine.status import print_status, read_status

    with refusing():
        found = read_status(_folder(sweep, scale, results))
    print_status(found, Console(width=None if sys.stdout.isatty() else 110))


@app.command()
def logs(
    sweep: Sweep,
    trial: Annotated[str | None, typer.Argument(help="The first digits of its hash; without it, list all.")] = None,
    scale: Scale = None,
    results: Results = "results",
) -> None:
    """Print how a trial ended, and its log with the trace-back where its code failed; or list all trials."""
    from fsm_icl.sweep.examine.trial import find_trial, trial_lines, trial_report

    with refusing():
        folder = _folder(sweep, scale, results)
        for line in trial_report(folder, find_trial(folder, trial)) if trial else trial_lines(folder):
            print(line)


@app.command()
def run(sweep: Sweep, trial: Trial, scale: Scale = None, results: Results = "results") -> None:
    """Run one trial again in this process, without Ray and without keeping anything: for a debugger."""
    from fsm_icl.sweep.examine.trial import find_trial

    with refusing():
        folder = _folder(sweep, scale, results)
        found = find_trial(folder, trial)
        from fsm_icl.sweep.examine.replay import print_replay, trial_of

        again = trial_of(folder, found)
    end = print_replay(again, print)
    raise typer.Exit(1 if end.outcome in ("failed", "diverged") else 0)


@app.command()
def verify(
    sweep: Sweep,
    sample: Annotated[int, typer.Option(min=1, help="How many finished trials to run again.")] = 3,
    declared: Annotated[
        bool, typer.Option("--declared", help="Run none: check that claims were declared before the first trial ended.")
    ] = False,
    scale: Scale = None,
    results: Results = "results",
) -> None:
    """Run a sample of finished trials again and compare reports and test score, bit for bit where that can be."""
    from rich.console import Console

    if declared:
        _verify_declared(sweep, scale, results)
    from fsm_icl.sweep.examine.verify import draw_sample, verify_all

    with refusing():
        trials = draw_sample(_folder(sweep, scale, results), sample)
    same = verify_all(trials, Console(width=None if sys.stdout.isatty() else 110))
    raise typer.Exit(0 if same else 1)


def _verify_declared(sweep: str, scale: str | None, results: str) -> NoReturn:
    """A line for each claim; exit code 1 where one is not as it was declared before the first trial ended."""
    from fsm_icl.sweep.examine.verify_declared import check_declared

    with refusing():
        found = check_declared(_folder(sweep, scale, results))
    for claim in found:
        print(claim.line)
    if not found:
        print("no claim is or was declared")
    raise typer.Exit(1 if any(claim.problems for claim in found) else 0)


@app.command()
def sync(
    sweep: Sweep,
    scale: Scale = None,
    results: Results = "results",
    wandb_entity: Annotated[
        str | None, typer.Option(help="W&B user or team; default: the sweep's own, else WANDB_ENTITY.")
    ] = None,
    wandb_project: Annotated[
        str | None, typer.Option(help="W&B project; default: the sweep's own, else WANDB_PROJECT.")
    ] = None,
) -> None:
    """Upload to W&B what it has not got of a sweep; go on after a failure by running it again."""
    from rich.console import Console
    from rich.progress import Progress

    from fsm_icl.results.reading import read_manifest
    from fsm_icl.sweep.examine.backlog import send
    from fsm_icl.tracking.upload import upload_summary

    with refusing(), Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sending")
        folder = _folder(sweep, scale, results)
        manifest = read_manifest(folder)
        if manifest.imported:
            raise ValueError(f"{folder}: imported results have no W&B runs to send")

        def progress(sent: int, of: int) -> None:
            bar.update(task, completed=sent, total=of)

        def files() -> dict[str, bytes]:
            from analysis.report.files import sweep_files  # drawing takes seconds to import

            return sweep_files(folder)

        done = send(folder, manifest, files, progress, wandb_entity, wandb_project)
    print(upload_summary(done))
    raise typer.Exit(1 if done.left or done.problem else 0)


@app.command("import")
def import_(
    files: Annotated[list[str], typer.Argument(metavar="FILES", help="*_metrics.json and training curves.")],
    results: Results = "results",
    name: Annotated[str, typer.Option(help="The runs go to <results>/<name>-imported.")] = "cs182",
) -> None:
    """Read result files of the source project into a results folder; a file that is wrong is named and skipped."""
    from pathlib import Path

    from fsm_icl.source.command import import_files

    with refusing():
        code = import_files([Path(file) for file in files], results, name)
    raise typer.Exit(code)


@app.command()
def schema() -> None:
    """Print the JSON schema of a sweep file (tune_configs/sweep.schema.json)."""
    import json

    from fsm_icl.sweep.file.schema import json_schema

    print(json.dumps(json_schema(), indent=2))


def _folder(sweep: str, scale: str | None, results: str) -> Folder:
    """The folder that SWEEP means, named on stderr unless it was given as one."""
    from fsm_icl.results.files import as_folder
    from fsm_icl.results.lookup import sweep_folder

    folder = sweep_folder(sweep, scale, as_folder(results))
    if folder != as_folder(sweep):
        print(f"Reading {folder}", file=sys.stderr)
    return folder


if __name__ == "__main__":
    app(prog_name="fsm-icl")
