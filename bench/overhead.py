"""What Ray, records and W&B cost beside the training itself: python -m bench.overhead results/spectrum-laptop."""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from fsm_icl.results.reading import read_records
from fsm_icl.results.records import TrialRecord


def gaps(records: list[TrialRecord], workers: int) -> list[float]:
    """Seconds from one trial's end to the begin of the next one on the same worker.

    Which worker ran a trial is not recorded: each begin is matched with the latest end that is still free.
    """
    begins = sorted(r.end.started_at for r in records)[workers:]
    ends = sorted(r.end.ended_at for r in records)
    found = []
    for begin in begins:
        earlier = [end for end in ends if end <= begin]
        if earlier:
            found.append(begin - earlier[-1])
            ends.remove(earlier[-1])
    return found


def main() -> None:
    """Print the worker's busy share and the gaps between trials."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a sweep's folder, run in one go")
    parser.add_argument("--workers", type=int, default=2, help="trials at a time in that run")
    arguments = parser.parse_args()
    records = list(read_records(arguments.folder).values())
    if len(records) <= arguments.workers:
        parser.error(f"{arguments.folder} holds {len(records)} records; run a sweep first")
    worked = sum(r.end.seconds for r in records)
    wall = max(r.end.ended_at for r in records) - min(r.end.started_at for r in records)
    between = gaps(records, arguments.workers)
    print(f"{len(records)} trials, {worked:.0f} s of their own work in {wall:.0f} s on {arguments.workers} workers")
    print(f"workers busy from the first trial's begin to the last one's end: {worked / wall / arguments.workers:.1%}")
    print(f"from one trial's end to the next one's begin: median {statistics.median(between):.3f} s", end=", ")
    print(f"90 % within {sorted(between)[int(0.9 * len(between))]:.3f} s")


if __name__ == "__main__":
    main()
