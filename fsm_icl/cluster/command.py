"""`fsm-icl cluster` and `fsm-icl doctor`: thin commands, heavy imports inside."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fsm_icl.cluster.policies import NAME

if TYPE_CHECKING:
    from fsm_icl.cluster.aws import Step

app = typer.Typer(no_args_is_help=True, help="Run sweeps on a cluster: see cluster/README.md.")
prepare = typer.Typer(no_args_is_help=True, help="Make what a cluster file needs, once.")
app.add_typer(prepare, name="prepare")

ClusterFile = Annotated[Path, typer.Argument(help="The file that `ray up` was given.")]
Region = Annotated[str | None, typer.Option(help="AWS region; default: that of your AWS profile.")]
Bucket = Annotated[str, typer.Option(help="S3 bucket for results and checkpoints.")]
Name = Annotated[str, typer.Option(help="The cluster's name: each person, bucket and region needs another.")]
Named = Annotated[str | None, typer.Option(help="The cluster's name; default: that of the file.")]


@prepare.command("aws")
def prepare_aws(
    bucket: Bucket,
    ssh_cidr: Annotated[
        str | None, typer.Option(help="From where SSH is allowed, e.g. 203.0.113.7/32 (your address).")
    ] = None,
    region: Region = None,
    name: Name = NAME,
    undo: Annotated[bool, typer.Option("--undo", help="Take away what was made, except the bucket.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; do nothing.")] = False,
) -> None:
    """Make what cluster/gpu.yaml needs in an AWS account: bucket, roles, security group, and the token here."""
    from fsm_icl.cluster.aws import missing_steps
    from fsm_icl.cluster.aws_account import account
    from fsm_icl.cluster.token import token_path, token_problem
    from fsm_icl.cluster.undo import undo_steps

    with refusing():
        if ssh_cidr is None and not undo:
            raise ValueError(
                "--ssh-cidr is missing: from where may SSH reach the machines? e.g. your address, as IP/32"
            )
        if not undo and token_path().exists() and (problem := token_problem()):
            raise ValueError(problem)
        with account(region) as aws:
            steps = undo_steps(aws, bucket, name) if undo else missing_steps(aws, bucket, str(ssh_cidr), name)
            count = _do(steps, dry_run)
    nothing = "nothing is there" if undo else "nothing is missing"
    print(nothing if not count else f"{count} steps {'to do' if dry_run else 'done'}")
    if undo:
        print(f"bucket {bucket} stays, with its results: `aws s3 rb --force s3://{bucket}` would delete it")
        return
    if not dry_run:
        token()
    more = f"{'' if name == NAME else f' --name {name}'}{'' if region is None else f' --region {region}'}"
    print(f"next: fsm-icl cluster render cluster/gpu.yaml --bucket {bucket}{more}")


def _do(steps: Iterator[Step], dry_run: bool) -> int:
    """Do the steps, or only show them; how many there were."""
    count = 0
    for step in steps:
        count += 1
        print(f"{'would ' if dry_run else ''}{step.what}", flush=True)
        if not dry_run:
            step.do()
    return count


@app.command()
def token() -> None:
    """Make the token that clusters ask for, readable by you alone, unless there is one. It is never shown."""
    from fsm_icl.cluster.token import ensure_token, token_path

    with refusing():
        made = ensure_token()
    print(f"{'made' if made else 'there is already'} a token in {token_path()}")


@app.command()
def render(
    file: Annotated[Path, typer.Argument(help="cluster/gpu.yaml; the filled copy lies beside it: gpu.local.yaml.")],
    bucket: Bucket,
    region: Region = None,
    name: Name = NAME,
    ami: Annotated[
        str | None, typer.Option(help="Image; default: AWS's newest Deep Learning Base, Ubuntu 24.04.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a copy that says something else.")] = False,
) -> None:
    """Fill a copy of a file, which git ignores, from the account that `prepare aws` has prepared; or write nothing."""
    from fsm_icl.cluster.aws import values
    from fsm_icl.cluster.aws_account import account
    from fsm_icl.cluster.cluster_file import filled, local_copy, placeholders, with_name

    with refusing():
        text = file.read_text(encoding="utf-8")
        names = placeholders(text)
        if names:
            copy = local_copy(file, None if name == NAME else name)
            with account(region) as aws:
                new = with_name(filled(text, values(aws, bucket, ami, name)), NAME, name)
            if copy != file and copy.is_file() and copy.read_text(encoding="utf-8") != new and not force:
                raise ValueError(
                    f"{copy}: says something else; --force writes over it, what you changed in it included"
                )
            copy.write_text(new, encoding="utf-8")
    print(f"{copy}: filled {', '.join(names)}" if names else f"{file}: nothing to fill")


@app.command()
def up(file: ClusterFile, name: Named = None) -> None:
    """Start a cluster with `ray up`, or mend it, once `doctor` has nothing against its file."""
    from fsm_icl.cluster.safety import problems
    from fsm_icl.cluster.teardown import ray_up

    with refusing():
        if wrong := problems(file):
            raise ValueError("\n".join(wrong))
        well = ray_up(file, name)
    print(f"next: fsm-icl cluster submit {file} spectrum" if well else f"to end what has started: cluster down {file}")
    raise typer.Exit(0 if well else 1)


@app.command(context_settings={"ignore_unknown_options": True})
def submit(
    file: ClusterFile,
    sweep: Annotated[str, typer.Argument(help="A shipped sweep, or a YAML file of this checkout.")],
    options: Annotated[list[str] | None, typer.Argument(help="Any of fsm-icl tune, e.g. --scale paper.")] = None,
    end: Annotated[bool, typer.Option("--down", help="End the cluster when the sweep has ended.")] = False,
) -> None:
    """Run a sweep on a cluster that is up, and show what it says; it goes on when this ends."""
    from fsm_icl.cluster.jobs import entrypoint, follow
    from fsm_icl.cluster.jobs import submit_job as submit_job
    from fsm_icl.cluster.parcel import packed
    from fsm_icl.cluster.request import check
    from fsm_icl.cluster.token import token_problem

    with refusing():
        command = entrypoint(file, sweep, options or [])
        check(sweep, options or [])
        if problem := token_problem():
            raise ValueError(problem)
        code = packed(sweep)
        name = submit_job(file, command, code)
        print(f"job {name}: {command}\nsent {code.told}", flush=True)
        print("Ctrl-C leaves it running; cluster/README.md says how to look in", flush=True)
        with _still_up(file) if end else contextlib.nullcontext():
            well = follow(file, name)
    if end:
        well = _end(file, None) and well
    print(f"next: fsm-icl cluster fetch {shlex.quote(str(file))}")
    raise typer.Exit(0 if well else 1)


@contextlib.contextmanager
def _still_up(file: Path) -> Iterator[None]:
    """What is left early leaves a cluster that costs money: say so."""
    try:
        yield
    except BaseException:
        print(f"the cluster is still up: `fsm-icl cluster down {file}` ends it", file=sys.stderr)
        raise


@app.command()
def fetch(
    file: ClusterFile,
    results: Annotated[str, typer.Option(help="Folder here that will hold the sweeps' folders.")] = "results",
    trials: Annotated[bool, typer.Option("--trials", help="Bring checkpoints and logs, too.")] = False,
) -> None:
    """Bring a cluster's results home, or what is new of them, so that `python -m analysis` works here."""
    from fsm_icl.cluster.fetch import fetch_results as brought

    with refusing():
        for folder in brought(file, _here(results), trials):
            print(f"{folder}: next: python -m analysis {shlex.quote(str(folder))}")


@app.command()
def down(file: ClusterFile, name: Named = None) -> None:
    """End a cluster, on machines of your own on each of them; exit code 1 when one could not be stopped."""
    with refusing():
        well = _end(file, name)
    raise typer.Exit(0 if well else 1)


def _end(file: Path, name: str | None) -> bool:
    """End a cluster; whether all of it could be."""
    from fsm_icl.cluster.teardown import ray_down, stop_each

    well = ray_down(file, name)
    for machine, problem in stop_each(file):
        print(f"{machine}: {problem or 'no Ray runs there any more'}")
        well = well and problem is None
    return well


def doctor(
    cluster: Annotated[Path | None, typer.Option(help="Check this cluster file instead of the machine.")] = None,
    results: Annotated[str, typer.Option(help="Folder that holds the sweeps' folders.")] = "results",
) -> None:
    """Check that sweeps can run here, or that a cluster file is safe; exit code 1 when something is wrong."""
    from fsm_icl.cluster.doctor import findings
    from fsm_icl.cluster.safety import problems

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
    from fsm_icl.results.files import on_this_machine
    from fsm_icl.results.lookup import refuse_sweep

    folder = on_this_machine(results)
    refuse_sweep(folder)
    return folder


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Input that can't be used, or an account that says no, is one message on stderr and exit code 2."""
    try:
        yield
    except (ValueError, OSError) as error:
        from fsm_icl.results.files import os_error_text

        print(f"error: {os_error_text(error) if isinstance(error, OSError) else error}", file=sys.stderr)
        raise typer.Exit(2) from None
