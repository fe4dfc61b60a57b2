"""What a record costs whoever reads it: python -m bench.reading --records 1000 5000 20000 [--reader analysis].

Makes a folder of records as a laptop's sweep leaves them (25 reports; the counts of 2,000 test machines in those of
measure trials), without training, and asks `tune --plan` how far it is, or lets analysis load it. Shown: memory and CPU
seconds of that command, those of a folder with 14 records subtracted, in all and per record.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from fsm_icl.results.records import Manifest, Report, TaskEntry, TestScore, TrialEnd, TrialRecord
from fsm_icl.sweep.file.planned import PlannedTrial

if TYPE_CHECKING:
    from fsm_icl.sweep.file.load import LoadedSweep
    from fsm_icl.sweep.protocol.planner import Planner

SWEEP = """\
question: What does a record cost?
task: {{num_states: 3, num_actions: 3, loss_on: transitions}}
grid: {{arch: gru, d_model: 8, optimizer.weight_decay: [{decays}]}}
budget: {{steps: 750, report_every: 30}}
search: {{num_trials: 8, rungs: [], learning_rate: {{log: [1e-3, 6e-2]}}}}
measure: {{num_seeds: 6}}
"""
TRIALS_PER_CELL = 14
MACHINES = 2000


def ended(planned: PlannedTrial) -> TrialRecord:
    """A record of made-up scores."""
    budget = planned.config.budget
    metrics = {"train/loss": 0.5, "train/accuracy": 0.5, "val/loss": 0.5, "val/accuracy": 0.5}
    steps = range(budget.report_every, budget.steps + 1, budget.report_every)
    score = TestScore(
        accuracy=0.5,
        loss=0.5,
        by_query_step=[],
        by_times_shown=[],
        machine_correct=[6] * MACHINES,
        machine_total=[12] * MACHINES,
        machine_class=list(range(MACHINES)),
    )
    numbers = {"num_params": 1, "state_size": 8, "flops_per_token": 1, "peak_memory_bytes": 1, "threads": 1}
    clocks = {"seconds": 7.5, "steps_per_second": 1e2, "tokens_per_second": 1e4, "started_at": 1.7e9, "ended_at": 1.7e9}
    words = {"node": "host", "device": "cpu", "cpu_model": "x", "versions": {"torch": "2.13.0", "python": "3.11.7"}}
    test = score if planned.place.phase == "measure" else None
    end = {"outcome": "finished", "test": test, "steps": budget.steps, **numbers, **clocks, **words}
    return TrialRecord(
        hash=planned.hash,
        config=planned.config.model_dump(mode="json"),
        place=planned.place,
        reports=[Report(step=step, metrics=metrics) for step in steps],
        end=TrialEnd.model_validate(end),
        commit="0" * 40,
        dirty=False,
    )


def fill(folder: Path, count: int) -> int:
    """Write a sweep file and a folder with about `count` records; how many there are."""
    from fsm_icl.sweep.file.cells import cells_of
    from fsm_icl.sweep.file.load import load_sweep
    from fsm_icl.sweep.protocol.planner import Planner

    decays = ", ".join(f"{i / 10_000}" for i in range(max(1, count // TRIALS_PER_CELL)))
    (folder / "many.yaml").write_text(SWEEP.format(decays=decays))
    loaded = load_sweep(str(folder / "many.yaml"), None, [])
    records: dict[str, TrialRecord] = {}
    planner = Planner(loaded.spec, cells_of(loaded), records)
    home = folder / "results" / "many-default" / "records"
    home.mkdir(parents=True)
    while (planned := planner.next([])) is not None:
        record = ended(planned)
        (home / f"{planned.hash}.json").write_text(record.model_dump_json())
        records[planned.hash] = record.model_copy(update={"end": record.end.model_copy(update={"test": None})})
        planner.advance(planned)
    (home.parent / "manifest.json").write_text(_manifest(loaded, planner).model_dump_json())
    return len(records)


def _manifest(loaded: LoadedSweep, planner: Planner) -> Manifest:
    from fsm_icl.sweep.protocol.manifest import manifest_of, task_key

    entry = TaskEntry(spec={}, ladder={"chance": 1 / 3}, ceiling=0.9, ceiling_exact=True)
    tasks = {task_key(plan.cell): entry for plan in planner.plans}
    return manifest_of(loaded, planner, "0" * 8, [], tasks, [])


def used(folder: Path, reader: str) -> dict[str, float]:
    """CPU seconds and bytes of memory that reading the folder takes."""
    command = [sys.executable, "-m", "bench.reading", "--look-in", str(folder), "--reader", reader]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found: dict[str, float] = json.loads((folder / "used.json").read_text())
    return found


def look(folder: Path, reader: str) -> None:
    """The command itself."""
    if reader == "analysis":
        from analysis.sources.sweep import load_sweep

        load_sweep(folder / "results" / "many-default")
    else:
        from fsm_icl.cli import app

        arguments = ["tune", f"{folder}/many.yaml", "--results", str(folder / "results"), "--plan"]
        app(arguments, standalone_mode=False)
    use = resource.getrusage(resource.RUSAGE_SELF)
    (folder / "used.json").write_text(json.dumps({"cpu": use.ru_utime + use.ru_stime, "memory": peak_memory()}))


def peak_memory() -> int:
    """Bytes that this process has held at most. Not ru_maxrss, which counts the process that started it, too."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) * 1024


def main() -> None:
    """Print a line per size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, nargs="+", default=[1000, 5000, 20000])
    parser.add_argument("--reader", choices=["tune", "analysis"], default="tune")
    parser.add_argument("--look-in", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.look_in:
        look(arguments.look_in, arguments.reader)
        return
    print("records  CPU s  memory MB  kB/record", flush=True)
    bare: dict[str, float] | None = None
    for asked in (TRIALS_PER_CELL, *arguments.records):
        with tempfile.TemporaryDirectory(prefix="reading-") as folder:
            count = fill(Path(folder), asked)
            found = used(Path(folder), arguments.reader)
        bare = bare or found
        cpu, memory = found["cpu"] - bare["cpu"], found["memory"] - bare["memory"]
        print(f"{count:7d}  {cpu:5.1f}  {memory / 1e6:9.1f}  {memory / 1e3 / count:9.1f}", flush=True)


if __name__ == "__main__":
    main()
