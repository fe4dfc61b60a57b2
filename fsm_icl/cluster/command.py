"""`fsm-icl cluster` and `fsm-icl doctor`: thin commands, heavy imports inside."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Run sweeps on a cluster: see cluster/README.md.")
prepare = typer.Typer(no_args_is_help=True, help="Make what a cluster file needs, once.")
app.add_typer(prepare, name="prepare")

ClusterFile = Annotated[Path, typer.Argument(help="The file that `ray up` was given.")]
Region = Annotated[str | None, typer.Option(help="AWS region; default: that of your AWS profile.")]
Bucket = Annotated[str, typer.Option(help="S3 bucket for results and checkpoints.")]


@prepare.command("aws")
def prepare_aws(
    bucket: Bucket,
    ssh_cidr: Annotated[str, typer.Option(help="From where SSH is allowed, e.g. 203.0.113.7/32 (your address).")],
    region: Region = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what is missing; make nothing.")] = False,
) -> None:
    """Make what cluster/gpu.yaml needs in an AWS account: bucket, roles, security group, and the token here."""
    from fsm_icl.cluster.aws import account, missing_steps

    with refusing(), account(region) as aws:
        count = 0
        for step in missing_steps(aws, bucket, ssh_cidr):
            count += 1
            print(f"{'would ' if dry_run else ''}{step.what}", flush=True)
            if not dry_run:
                step.do()
    print("nothing is missing" if not count else f"{count} steps {'to do' if dry_run else 'done'}")
    if not dry_run:
        token()
    print(f"next: fsm-icl cluster render cluster/gpu.yaml --bucket {bucket}")


@app.command()
def token() -> None:
    """Make the token that clusters ask for, readable by you alone, unless there is one. It is never shown."""
    from fsm_icl.cluster.token import ensure_token, token_path

    with refusing():
        made = ensure_token()
    print(f"{'made' if made else 'there is already'} a token in {token_path()}")


@app.command()
def render(
    file: Annotated[Path, typer.Argument(help="cluster/gpu.yaml, filled in place.")],
    bucket: Bucket,
    region: Region = None,
    ami: Annotated[
        str | None, typer.Option(help="Image; default: AWS's newest Deep Learning Base, Ubuntu 24.04.")
    ] = None,
) -> None:
    """Fill a file's placeholders from the account that `prepare aws` has prepared; or fill none."""
    from fsm_icl.cluster.aws import account, values
    from fsm_icl.cluster.files import filled, placeholders

    with refusing():
        text = file.read_text(encoding="utf-8")
        names = placeholders(text)
        if names:
            with account(region) as aws:
                file.write_text(filled(text, values(aws, bucket, ami)), encoding="utf-8")
    print(f"{file}: filled {', '.join(names)}" if names else f"{file}: nothing to fill")


@app.command(context_settings={"ignore_unknown_options": True})
def submit(
    file: ClusterFile,
    sweep: Annotated[str, typer.Argument(help="A shipped sweep, or a YAML file of this checkout.")],
    options: Annotated[list[str] | None, typer.Argument(help="Any of fsm-icl tune, e.g. --scale paper.")] = None,
) -> None:
    """Run a sweep on a cluster that is up, and show what it says; it goes on when this ends."""
    from fsm_icl.cluster.remote import entrypoint, follow
    from fsm_icl.cluster.remote import submit as submit_job

    with refusing():
        command = entrypoint(file, sweep, options or [])
        name = submit_job(file, command)
        print(f"job {name}: {command}\nCtrl-C leaves it running; cluster/README.md says how to look in", flush=True)
        well = follow(file, name)
    print(f"next: fsm-icl cluster fetch {shlex.quote(str(file))}")
    raise typer.Exit(0 if well else 1)


@app.command()
def fetch(
    file: ClusterFile,
    results: Annotated[str, typer.Option(help="Folder here that will hold the sweeps' folders.")] = "results",
    trials: Annotated[bool, typer.Option("--trials", help="Bring checkpoints and logs, too.")] = False,
) -> None:
    """Bring a cluster's results home, or what is new of them, so that `python -m analysis` works here."""
    from fsm_icl.cluster.home import fetch as brought

    with refusing():
        for folder in brought(file, _here(results), trials):
            print(f"{folder}: next: python -m analysis {shlex.quote(str(folder))}")


@app.command()
def down(file: ClusterFile) -> None:
    """End a cluster, on machines of your own on each of them; exit code 1 when one could not be stopped."""
    from fsm_icl.cluster.down import ray_down, stop_each

    with refusing():
        well = ray_down(file)
        for machine, problem in stop_each(file):
            print(f"{machine}: {problem or 'no Ray runs there any more'}")
            well = well and problem is None
    raise typer.Exit(0 if well else 1)


def doctor(
    cluster: Annotated[Path | None, typer.Option(help="Check this cluster file instead of the machine.")] = None,
    results: Annotated[str, typer.Option(help="Folder that holds the sweeps' folders.")] = "results",
) -> None:
    """Check that sweeps can run here, or that a cluster file is safe; exit code 1 when something is wrong."""
    from fsm_icl.cluster.check import problems
    from fsm_icl.cluster.machine import findings

    with refusing():
        if cluster is None:
            found = list(findings(_here(results)))
            print("\n".join(finding.line for finding in found))
            raise typer.Exit(1 if any(finding.fix for finding in found) else 0)
        wrong = problems(cluster)
    print("\n".join(wrong) or f"{cluster}: nothing wrong")
    raise typer.Exit(1 if wrong else 0)


def _here(results: str) -> Path:
    """The folder on this machine that `--results` names. Raises ValueError where it is none, or a sweep's own."""
    from fsm_icl.files import on_this_machine
    from fsm_icl.folders import refuse_sweep

    folder = on_this_machine(results)
    refuse_sweep(folder)
    return folder


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Input that can't be used, or an account that says no, is one message on stderr and exit code 2."""
    try:
        yield
    except (ValueError, OSError) as error:
        from fsm_icl.files import told

        print(f"error: {told(error) if isinstance(error, OSError) else error}", file=sys.stderr)
        raise typer.Exit(2) from None
