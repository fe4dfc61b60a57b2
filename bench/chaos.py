"""Kill a sweep at random times until it is done, and compare with one left in peace: python -m bench.chaos --rounds 20.

A round runs the smoke sweep of `spectrum` in a folder of its own; at random moments the driver or one of the workers
gets a SIGKILL, and the same command is run again until it ends by itself. Then no record may be missing, none may be
there that the undisturbed sweep lacks, and all that records say apart from clock times must be the same.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsm_icl.results.reading import read_records

KILLED_STARTS = 5
MAX_STARTS = 20


@dataclass
class Round:
    """What one round of kills did."""

    starts: int = 0
    drivers_killed: int = 0
    workers_killed: int = 0
    lost: int = 0
    doubled: int = 0
    differing: int = 0


def command(results: Path) -> list[str]:
    """The sweep under attack."""
    base = [sys.executable, "-m", "fsm_icl.tune", "spectrum", "--scale", "smoke", "--wandb", "disabled"]
    return [*base, "--results", str(results)]


def found(results: Path) -> dict[str, Any]:
    """Hash -> what a trial found, without what the clock said."""
    records = read_records(results / "spectrum-smoke")
    return {h: (r.config, r.reports, r.end.outcome, r.end.test, r.end.steps) for h, r in records.items()}


def descendants(pid: int) -> list[int]:
    """Process ids below `pid` that train trials: Ray titles them after the Trainable or its wrapper."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        parents.setdefault(parent, []).append(int(path.name))
    found, queue = [], [pid]
    while queue:
        children = parents.get(queue.pop(), [])
        queue += children
        found += [child for child in children if _is_worker(child)]
    return found


def _is_worker(pid: int) -> bool:
    try:
        return b"Trainable" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def disturb(results: Path, draw: random.Random) -> Round:
    """Run the sweep to its end through random kills of processes that this function started."""
    round_ = Round()
    while True:
        round_.starts += 1
        driver = subprocess.Popen(command(results), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Kills fall from the first worker's start on, however slow the machine; later ones are left to end.
        seconds = draw.uniform(0, 10) if round_.starts <= KILLED_STARTS else 600
        deadline = None
        while driver.poll() is None and (deadline is None or time.monotonic() < deadline):
            time.sleep(0.05)
            if not (workers := descendants(driver.pid)):
                continue
            deadline = deadline or time.monotonic() + seconds
            if round_.starts <= KILLED_STARTS and draw.random() < 0.01:
                _kill(draw.choice(workers))
                round_.workers_killed += 1
        if driver.poll() is None:
            _kill(driver.pid)
            driver.wait()
            round_.drivers_killed += 1
        elif driver.returncode == 0 or round_.starts == MAX_STARTS:
            return round_
        # else exit code 1: a trial lost its worker too often and is left to the next run, as a user is told


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended by itself just now
        os.kill(pid, signal.SIGKILL)


def main() -> None:
    """Print a line a round, and exit with 1 if anything was lost, doubled or different."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the times and targets of the kills")
    arguments = parser.parse_args()
    total = Round()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        subprocess.run(command(Path(folder) / "peace"), check=True, stdout=subprocess.DEVNULL)
        peace = found(Path(folder) / "peace")
        for number in range(arguments.rounds):
            results = Path(folder) / str(number)
            round_ = disturb(results, random.Random(f"{arguments.seed} {number}"))
            war = found(results)
            round_.lost = len(peace.keys() - war.keys())
            round_.doubled = len(war.keys() - peace.keys())
            round_.differing = sum(war[h] != peace[h] for h in war.keys() & peace.keys())
            print(f"round {number}: {round_}", flush=True)
            for name in vars(total):
                setattr(total, name, getattr(total, name) + getattr(round_, name))
    print(f"all {arguments.rounds} rounds, {len(peace)} trials each: {total}")
    sys.exit(1 if total.lost or total.doubled or total.differing else 0)


if __name__ == "__main__":
    main()
