"""python -m analysis SWEEP: what a sweep's records say, as a table, figures and verdicts."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fsm_icl.files import as_folder, exists, told
from fsm_icl.folders import sweep_folder

if TYPE_CHECKING:
    from fsm_icl.files import Folder


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code: 0, or 2 with one line on stderr where the input can't be read."""
    args = _parser().parse_args(argv)
    # Here, not above: --help need not wait for pandas and matplotlib.
    from rich.console import Console

    from analysis.load import load_sweep
    from analysis.writing import present

    try:
        sweep = load_sweep(_folder(args.sweep, args.scale, args.results))
    except (ValueError, OSError) as error:
        print(f"error: {told(error) if isinstance(error, OSError) else error}", file=sys.stderr)
        return 2
    console = Console(width=None if sys.stdout.isatty() else 110)
    try:
        present(sweep, console)
    except OSError as error:
        print(f"error: can't write the figures: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m analysis",
        description="Print a sweep's table, gains and verdicts; write figures/ into its folder.",
    )
    parser.add_argument("sweep", metavar="SWEEP", help="a sweep's name, such as spectrum, or its folder")
    parser.add_argument("--scale", help="which scale of a sweep given by name; default as in tune")
    parser.add_argument(
        "--results",
        default="results",
        help="folder or URI where <sweep>-<scale> folders lie (default: results)",
    )
    return parser


def _folder(sweep: str, scale: str | None, where: str) -> Folder:
    results = as_folder(where)
    if exists(results / "manifest.json"):
        typed = shlex.quote(str(results))
        raise ValueError(f"--results {results} is itself a sweep's folder; type: python -m analysis {typed}")
    return sweep_folder(sweep, scale, results)


if __name__ == "__main__":
    sys.exit(main())
