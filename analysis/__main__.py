"""python -m analysis SWEEP: what a sweep's records say, as a table, figures and verdicts. `present` may be left out."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from fsm_icl.folders import sweep_folder


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code: 0, or 2 with one line on stderr where the input can't be read."""
    typed = list(sys.argv[1:] if argv is None else argv)
    if not {*typed[:1]} & {*COMMANDS, "-h", "--help"}:
        typed.insert(0, "present")
    args = _parser().parse_args(typed)
    return COMMANDS[args.command](args)


def _present(args: argparse.Namespace) -> int:
    # Here, not above: --help need not wait for pandas and matplotlib.
    from rich.console import Console

    from analysis.load import load_sweep
    from analysis.writing import present

    try:
        sweep = load_sweep(_folder(args.sweep, args.scale, args.results))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    console = Console(width=None if sys.stdout.isatty() else 110)
    try:
        present(sweep, console)
    except OSError as error:
        print(f"error: can't write the figures: {error}", file=sys.stderr)
        return 1
    return 0


COMMANDS = {"present": _present}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m analysis", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    about = "Print a sweep's table, gains and verdicts; write figures/ into its folder."
    _takes_sweep(commands.add_parser("present", help=about, description=about))
    return parser


def _takes_sweep(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sweep", metavar="SWEEP", help="a sweep's name, such as spectrum, or its folder")
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
