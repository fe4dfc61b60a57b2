"""python -m analysis SWEEP: what a sweep's records say, as a table, figures and verdicts. `present` may be left out."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from analysis.sources.find import FORMS, RESULTS, load
from fsm_icl.output import steady_output
from fsm_icl.results.files import on_this_machine, os_error_text
from fsm_icl.tracking.account import destination
from fsm_icl.tracking.encoding import PROJECT

if TYPE_CHECKING:
    from rich.console import Console

    from analysis.sources.sweep import Sweep


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code: 0, or 2 with one line on stderr where the input can't be read."""
    given = list(sys.argv[1:] if argv is None else argv)
    typed = given if {*given[:1]} & {*COMMANDS, "-h", "--help"} else ["present", *given]
    args = _parser().parse_args(typed)
    args.typed = shlex.join(["python", "-m", "analysis", *given])
    with steady_output():
        try:
            return COMMANDS[args.command](args, load(args.sweep, args.scale, args.results))
        except (ValueError, OSError) as error:
            print(f"error: {os_error_text(error) if isinstance(error, OSError) else error}", file=sys.stderr)
            return 2


def _present(args: argparse.Namespace, sweep: Sweep) -> int:
    """Print a sweep's findings, unless only the report is asked for, and write everything; the exit code."""
    # Here, not above: --help need not wait for pandas and matplotlib.
    from analysis.findings.findings import findings_of
    from analysis.report.files import write
    from analysis.report.terminal import print_findings

    findings = findings_of(sweep)
    if args.command == "present":
        print_findings(findings, _console())
    try:
        elsewhere = {"folder": on_this_machine(args.output)} if args.output else {}
        written = write(findings, args.typed, **elsewhere)
    except OSError as error:
        hint = "" if args.output else "; --output FOLDER writes them elsewhere"
        print(f"error: can't write the figures: {error}{hint}", file=sys.stderr)
        return 1
    page = next(path for path in written if path.name == "report.html")
    print(f"wrote {len(written)} files; open {page}")
    return 0


def _publish(args: argparse.Namespace, sweep: Sweep) -> int:
    from analysis.report.publish import publish

    for path in publish(sweep, on_this_machine(args.page), args.typed):
        print(f"wrote {path}")
    return 0


def _compare(args: argparse.Namespace, sweep: Sweep) -> int:
    from analysis.findings.comparison import compare
    from analysis.report.comparison import print_comparison

    print_comparison(compare(sweep, load(args.other, args.scale, args.results)), _console())
    return 0


def _wandb_report(args: argparse.Namespace, sweep: Sweep) -> int:
    from analysis.findings.findings import findings_of
    from analysis.report.wandb import save

    to = destination(args.entity, args.project)
    if to.entity is None:
        raise ValueError("whose report? name the W&B user or team with --entity, or set WANDB_ENTITY")
    saved = save(findings_of(sweep), to.entity, to.project, args.share)
    print(f"{'updated' if saved.updated else 'made'} {saved.url}")
    print(f"the same runs and panels as a workspace view: {saved.workspace}")
    if saved.share_link:
        print(f"whoever has this link can look: {saved.share_link}")
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace, Sweep], int]] = {
    "present": _present,
    "report": _present,
    "publish": _publish,
    "compare": _compare,
    "wandb-report": _wandb_report,
}


def _console() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 110)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m analysis", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    about = "Print a sweep's table, gains and verdicts; write figures/ into its folder."
    _writes(commands.add_parser("present", help=about, description=about))
    about = "Write figures/ with report.html, one file to send to a colleague, and print no table."
    _writes(commands.add_parser("report", help=about, description=about))
    about = "Write the computed part of a page such as docs/findings/spectrum.md, its snapshot and its figure."
    publish = commands.add_parser("publish", help=about, description=about)
    _takes_sweep(publish)
    publish.add_argument(
        "page", metavar="PAGE", help="the page, which holds the two markers that analysis/report/publish.py names"
    )
    about = "Print what changed from one sweep to another, cell by cell, with intervals."
    compare = commands.add_parser("compare", help=about, description=about)
    _takes_sweep(compare)
    compare.add_argument("other", metavar="OTHER", help="the sweep to compare with, named like SWEEP")
    about = "Make, or update, a W&B report of a sweep whose runs are in W&B."
    report = commands.add_parser("wandb-report", help=about, description=about)
    _takes_sweep(report)
    whose = "the W&B user or team that owns the project (default: WANDB_ENTITY)"
    report.add_argument("--entity", "--wandb-entity", help=whose)
    where = f"the W&B project (default: WANDB_PROJECT, else {PROJECT})"
    report.add_argument("--project", "--wandb-project", help=where)
    report.add_argument("--share", action="store_true", help="make a link with which anyone can look, without login")
    return parser


def _writes(parser: argparse.ArgumentParser) -> None:
    _takes_sweep(parser)
    parser.add_argument("--output", metavar="FOLDER", help="where figures go (default: figures/ in the sweep's folder)")


def _takes_sweep(parser: argparse.ArgumentParser) -> None:
    what = f"a sweep's name, such as spectrum, its folder or a snapshot's, or {FORMS}"
    parser.add_argument("sweep", metavar="SWEEP", nargs="?", help=what)
    parser.add_argument("--scale", help="which scale of a sweep given by name; default as in tune")
    parser.add_argument(
        "--results",
        default=RESULTS,
        metavar="SOURCE",
        help=f"{FORMS} (default: {RESULTS}, where the folders <sweep>-<scale> lie)",
    )


if __name__ == "__main__":
    sys.exit(main())
