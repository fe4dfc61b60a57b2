"""How long --plan takes: python -m bench.plan [TRIALS ...]; every cell asks for 8 proposals and 2 seeds."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time

TRIALS_PER_CELL = 10


def seconds_to_plan(trials: int) -> float:
    """Seconds of the whole command, start of Python included, for a fresh grid of `trials` trials."""
    widths = list(range(1, trials // TRIALS_PER_CELL + 1))
    with tempfile.TemporaryDirectory() as folder:
        sets = [
            f"grid={{arch: rnn, d_model: {widths}}}",
            "hypotheses=[]",
            "search.num_trials=8",
            "measure.num_seeds=2",
        ]
        command = [sys.executable, "-m", "fsm_icl.tune", "spectrum", "--scale", "laptop", "--plan", "--results", folder]
        started = time.perf_counter()
        done = subprocess.run(
            [*command, *(part for s in sets for part in ("--set", s))], capture_output=True, text=True
        )
        seconds = time.perf_counter() - started
    if f" of {trials:,} trials done" not in done.stdout:
        raise ValueError(f"planned something else:\n{done.stdout[-500:]}{done.stderr[-500:]}")
    return seconds


def main() -> None:
    """A line a size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trials", type=int, nargs="*", default=[100, 10_000, 100_000])
    for trials in parser.parse_args().trials:
        print(
            f"{trials:>9,} trials in {trials // TRIALS_PER_CELL:>6,} cells planned in {seconds_to_plan(trials):.2f} s"
        )


if __name__ == "__main__":
    main()
