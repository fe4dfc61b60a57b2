"""What W&B costs a sweep: seconds a trial with each mode against `disabled`. python -m bench.wandb.

Small sweeps (smoke scale, but with `--steps` and ten reports a trial), in turn, each in a folder of its own. `online`
needs an account, or WANDB_BASE_URL and WANDB_API_KEY of a server.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from fsm_icl.results.reading import read_records


def seconds_per_trial(mode: str, sweep: str, steps: int) -> tuple[float, float]:
    """Median seconds of a trial's own work, and seconds from the first trial's begin to the last one's end a trial."""
    with tempfile.TemporaryDirectory(prefix="bench-") as results:
        command = [sys.executable, "-m", "fsm_icl.tune", sweep, "--scale", "smoke", "--wandb", mode]
        command += ["--set", f"budget.steps={steps}", "--set", f"budget.report_every={steps // 10}"]
        subprocess.run([*command, "--results", results], check=True, stdout=subprocess.DEVNULL)
        (folder,) = Path(results).iterdir()
        ends = [record.end for record in read_records(folder).values()]
    wall = max(end.ended_at for end in ends) - min(end.started_at for end in ends)
    return statistics.median(end.seconds for end in ends), wall / len(ends)


def main() -> None:
    """Print the medians over the repeats, and their ratios to `disabled`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modes", nargs="*", default=["offline"], help="offline, online or auto (default: offline)")
    parser.add_argument("--sweep", default="spectrum")
    parser.add_argument("--steps", type=int, default=300, help="of a trial; the fewer, the more W&B weighs")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    modes = ["disabled", *arguments.modes]
    found: dict[str, list[tuple[float, float]]] = {mode: [] for mode in modes}
    for _ in range(arguments.repeats):
        for mode in modes:  # in turn, so that what else the machine does meets all alike
            found[mode].append(seconds_per_trial(mode, arguments.sweep, arguments.steps))
    own, wall = ({m: statistics.median(each[i] for each in found[m]) for m in modes} for i in (0, 1))
    for mode in modes:
        spread = f"{min(w for _, w in found[mode]):.3f} to {max(w for _, w in found[mode]):.3f}"
        print(f"{mode:9} {own[mode]:.3f} s a trial's own work, x{own[mode] / own['disabled']:.2f}", end="; ")
        print(f"{wall[mode]:.3f} s of the sweep a trial ({spread}), x{wall[mode] / wall['disabled']:.2f}")


if __name__ == "__main__":
    main()
