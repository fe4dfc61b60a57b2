"""What pruning saves and what it costs: python -m bench.pruning PRUNED UNPRUNED.

Both are folders of the same sweep, the second run with --set 'search.rungs=[]'. A copy of the first is a good start
for the second, since only what was pruned is then trained again:

    cp -r results/spectrum-laptop results-unpruned/ && python -m fsm_icl.tune spectrum --results results-unpruned \
        --set 'search.rungs=[]'
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fsm_icl.results.reading import read_manifest, read_records
from fsm_icl.results.records import Manifest, TrialRecord


def read(folder: Path) -> tuple[Manifest, dict[str, TrialRecord]]:
    """Manifest and records of a sweep's folder."""
    return read_manifest(folder), read_records(folder)


def search_steps(manifest: Manifest, records: dict[str, TrialRecord]) -> int:
    """Steps that the sweep's search trials trained."""
    wanted = [w for cell in manifest.cells for w in cell.wanted if w.phase == "search"]
    return sum(w.pruned_at or records[w.hash].end.steps for w in wanted)


def main() -> None:
    """Print the steps of both searches and their winners."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pruned", type=Path)
    parser.add_argument("unpruned", type=Path)
    arguments = parser.parse_args()
    (pruned, some), (unpruned, every) = read(arguments.pruned), read(arguments.unpruned)
    few, all_steps = search_steps(pruned, some), search_steps(unpruned, every)
    print(f"search steps: {few:,} pruned, {all_steps:,} unpruned: {1 - few / all_steps:.0%} saved")
    for ours, theirs in zip(pruned.cells, unpruned.cells, strict=True):
        for a, b in zip(ours.winners, theirs.winners, strict=True):
            accuracy = [records[w.hash].reports[-1].metric("val/accuracy") for w, records in ((a, some), (b, every))]
            same = "same winner" if a.hash == b.hash else "another winner"
            print(f"{ours.label}: {same}; validation accuracy {accuracy[0]:.4f} pruned, {accuracy[1]:.4f} unpruned")


if __name__ == "__main__":
    main()
