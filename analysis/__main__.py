"""python -m analysis SWEEP: what a sweep's records say, as a table, figures and verdicts. `present` may be left out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from analysis.sources import FORMS, RESULTS, load
from fsm_icl.files import told
from fsm_icl.runs import PROJECT

if TYPE_CHECKING:
    from analysis.load import Sweep


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code: 0, or 2 with one line on stderr where the input can't be read."""
    typed = list(sys.argv[1:] if argv is None else argv)
    if not {*typed[:1]} & {*COMMANDS, "-h", "--help"}:
        typed.insert(0, "present")
    args = _parser().parse_args(typed)
    try:
        sweep = load(args.sweep, args.scale, args.results)
    except (ValueError, OSError) as error:
        print(f"error: {told(error) if isinstance(error, OSError) else error}", file=sys.stderr)
        return 2
    return COMMANDS[args.command](args, sweep)


def _present(_: argparse.Namespace, sweep: Sweep) -> int:
    # Here, not above: --help need not wait for pandas and matplotlib.
    from rich.console import Console

    from analysis.writing import present

    console = Console(width=None if sys.stdout.isatty() else 110)
    try:
        present(sweep, console)
    except OSError as error:
        print(f"error: can't write the figures: {error}", file=sys.stderr)
        return 1
    return 0


def _wandb_report(args: argparse.Namespace, sweep: Sweep) -> int:
    from analysis.wandb_report import save

    try:
        saved = save(sweep, args.entity, args.project, args.share)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{'updated' if saved.updated else 'made'} {saved.url}")
    if saved.share_link:
        print(f"whoever has this link can look: {saved.share_link}")
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace, Sweep], int]] = {"present": _present, "wandb-report": _wandb_report}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m analysis", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    about = "Print a sweep's table, gains and verdicts; write figures/ into its folder."
    _takes_sweep(commands.add_parser("present", help=about, description=about))
    about = "Make, or update, a W&B report of a sweep whose runs are in W&B."
    report = commands.add_parser("wandb-report", help=about, description=about)
    _takes_sweep(report)
    report.add_argument("--entity", required=True, help="the W&B user or team that owns the project")
    report.add_argument("--project", default=PROJECT, help=f"the W&B project (default: {PROJECT})")
    report.add_argument("--share", action="store_true", help="make a link with which anyone can look, without login")
    return parser


def _takes_sweep(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sweep", metavar="SWEEP", nargs="?", help="a sweep's name, such as spectrum, or its folder")
    parser.add_argument("--scale", help="which scale of a sweep given by name; default as in tune")
    parser.add_argument(
        "--results",
        default=RESULTS,
        metavar="SOURCE",
        help=f"{FORMS} (default: {RESULTS}, where the folders <sweep>-<scale> lie)",
    )


if __name__ == "__main__":
    sys.exit(main())
