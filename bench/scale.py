"""What a trial costs the driver when there are many: python -m bench.scale --trials 100 1000 5000.

Every trial is real but tiny (two steps of an RNN of width 2), and goes through the whole of the tune wing. Shown per
trial: wall-clock and CPU seconds of the driver, its memory, the bytes that lie in the sweep's folder at the end, and
those that the driver wrote to the disk on the way there. The figures of a sweep of a single trial are subtracted. They
should stay flat (within 1.5x), and so should the time from one trial's end to the next one's begin (under 0.3 s).
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.overhead import gaps
from bench.reading import peak_memory
from fsm_icl.results.reading import read_records

SWEEP = """\
question: What does a trial cost?
task: {{num_states: 3, num_actions: 3, demo_length: 1, query_length: 1, length_jitter: 0,
        val_machines: 2, test_machines: 2}}
grid: {{arch: rnn, d_model: 2, optimizer.weight_decay: [{decays}]}}
budget: {{steps: 2, batch_size: 1, report_every: 1}}
optimizer: {{warmup: 0}}
search: {{num_trials: 8, rungs: [], learning_rate: {{log: [1e-3, 6e-2]}}}}
measure: {{num_seeds: 2}}
"""
TRIALS_A_CELL = 10


def run(trials: int) -> dict[str, float]:
    """Run a sweep of so many trials in a process of its own; what it used."""
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        decays = ", ".join(f"{i / 1000}" for i in range(max(1, trials // TRIALS_A_CELL)))
        (Path(folder) / "many.yaml").write_text(SWEEP.format(decays=decays))
        empty = ["--set", "search.num_trials=1", "--set", "measure.num_seeds=0"] if trials == 1 else []
        started = time.monotonic()
        command = [sys.executable, "-m", "bench.scale", "--run-in", folder, *empty]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        used = json.loads((Path(folder) / "used.json").read_text())
        records = list(read_records(Path(folder) / "results" / "many-default").values())
        between = gaps(records, 2)
        size = sum(p.stat().st_size for p in Path(folder, "results").rglob("*") if p.is_file() and not p.is_symlink())
        return {
            "trials": len(records),
            "wall": time.monotonic() - started,
            "cpu": used["cpu"],
            "memory": used["memory"],
            "kept": size,
            "written": used["written"],
            "gap": statistics.median(between) if between else 0.0,
        }


def drive(folder: str, sets: list[str]) -> None:
    """The driver itself: run the sweep in `folder` and write down what this process used, without its workers."""
    from fsm_icl.cli import app

    results = str(Path(folder) / "results")
    app(
        ["tune", f"{folder}/many.yaml", "--results", results, "--max-concurrent", "2", "--yes", *sets],
        standalone_mode=False,
    )
    used = resource.getrusage(resource.RUSAGE_SELF)
    plain = {"cpu": used.ru_utime + used.ru_stime, "memory": peak_memory(), "written": written()}
    Path(folder, "used.json").write_text(json.dumps(plain))


def written() -> int:
    """Bytes that this process has sent to the disk, as the kernel counts them."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["write_bytes"])


def main() -> None:
    """Print one line a size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--run-in", help=argparse.SUPPRESS)
    arguments, rest = parser.parse_known_args()
    if arguments.run_in:
        drive(arguments.run_in, rest)
        return
    bare = run(1)
    print("trials  wall s/trial  driver CPU s/trial  driver kB/trial  kB kept/trial  kB written/trial  end to begin s")
    for trials in arguments.trials:
        used = run(trials)
        count = used["trials"]
        each = {name: (used[name] - bare[name]) / count for name in ("wall", "cpu", "memory", "kept", "written")}
        print(
            f"{count:6.0f}  {each['wall']:12.3f}  {each['cpu']:18.4f}  {each['memory'] / 1e3:15.1f}"
            f"  {each['kept'] / 1e3:13.1f}  {each['written'] / 1e3:16.1f}  {used['gap']:14.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
