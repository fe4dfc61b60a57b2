"""python -m analysis SWEEP: what a sweep's records say, as a table, figures and verdicts. `present` may be left out."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fsm_icl.folders import sweep_folder

if TYPE_CHECKING:
    from rich.console import Console

    from analysis.load import Sweep


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code: 0, or 2 with one line on stderr where the input can't be read."""
    given = list(sys.argv[1:] if argv is None else argv)
    typed = given if {*given[:1]} & {*COMMANDS, "-h", "--help"} else ["present", *given]
    args = _parser().parse_args(typed)
    args.typed = shlex.join(["python", "-m", "analysis", *given])
    try:
        return COMMANDS[args.command](args)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _present(args: argparse.Namespace) -> int:
    # Here, not above: --help need not wait for pandas and matplotlib.
    from analysis.report import print_sweep

    sweep = _sweep(args, args.sweep)
    print_sweep(sweep, _console())
    return _write(sweep, args.typed)


def _report(args: argparse.Namespace) -> int:
    return _write(_sweep(args, args.sweep), args.typed)


def _compare(args: argparse.Namespace) -> int:
    from analysis.compare import print_comparison

    print_comparison(_sweep(args, args.sweep), _sweep(args, args.other), _console())
    return 0


COMMANDS = {"present": _present, "report": _report, "compare": _compare}


def _sweep(args: argparse.Namespace, name: str) -> Sweep:
    """The sweep that `name` means: a snapshot's folder, a results folder, or a name under --results."""
    from analysis.load import load_sweep
    from analysis.snapshot import is_snapshot, load_snapshot

    try:
        if is_snapshot(Path(name)):
            return load_snapshot(Path(name))
        return load_sweep(_folder(name, args.scale, args.results))
    except OSError as error:
        raise ValueError(str(error)) from error


def _write(sweep: Sweep, typed: str) -> int:
    """Write everything and say where it lies; the exit code."""
    from analysis.writing import write

    try:
        written = write(sweep, typed)
    except OSError as error:
        print(f"error: can't write the figures: {error}", file=sys.stderr)
        return 1
    page = next(path for path in written if path.name == "report.html")
    print(f"wrote {len(written)} files; open {page}")
    return 0


def _console() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 110)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m analysis", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    about = "Print a sweep's table, gains and verdicts; write figures/ into its folder."
    _takes_sweep(commands.add_parser("present", help=about, description=about))
    about = "Write figures/ with report.html, one file to send to a colleague, and print no table."
    _takes_sweep(commands.add_parser("report", help=about, description=about))
    about = "Print what changed from one sweep to another, cell by cell, with intervals."
    compare = commands.add_parser("compare", help=about, description=about)
    _takes_sweep(compare)
    compare.add_argument("other", metavar="OTHER", help="the sweep to compare with, named like SWEEP")
    return parser


def _takes_sweep(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sweep", metavar="SWEEP", help="a sweep's name, such as spectrum, its folder, or a snapshot's")
    parser.add_argument("--scale", help="which scale of a sweep given by name; default as in tune")
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("results"),
        help="where <sweep>-<scale> folders lie (default: results)",
    )


def _folder(sweep: str, scale: str | None, results: Path) -> Path:
    if (results / "manifest.json").is_file():
        typed = shlex.quote(str(results))
        raise ValueError(f"--results {results} is itself a sweep's folder; type: python -m analysis {typed}")
    return sweep_folder(sweep, scale, results)


if __name__ == "__main__":
    sys.exit(main())
