"""What a record costs those that read it, a driver and an analysis: python -m bench.reading --records 1000 5000 20000.

Makes a folder of records as a laptop's sweep leaves them (25 reports; the counts of 2,000 test machines in those of
measure trials), without training; `tune --plan` says how far it is, `analysis report` writes all figures. Shown: memory
and CPU seconds of each command, those of a folder with 14 records subtracted, in all and per record.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from fsm_icl.results.records import Manifest, Report, TaskEntry, TestScore, TrialEnd, TrialRecord
from fsm_icl.sweep.file.load import LoadedSweep, load_sweep_file
from fsm_icl.sweep.file.planned import PlannedTrial
from fsm_icl.sweep.protocol.manifest import manifest_of, task_key
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

    decays = ", ".join(f"{i / 10_000}" for i in range(max(1, count // TRIALS_PER_CELL)))
    (folder / "many.yaml").write_text(SWEEP.format(decays=decays))
    loaded = load_sweep_file(str(folder / "many.yaml"), None, [])
    records: dict[str, TrialRecord] = {}
    planner = Planner(loaded.spec, cells_of(loaded), records)
    home = folder / "results" / "many-default" / "records"
    home.mkdir(parents=True)
    while (planned := planner.next([])) is not None:
        record = ended(planned)
        (home / f"{planned.hash}.json").write_text(record.model_dump_json())
        records[planned.hash] = record.model_copy(update={"end": record.end.model_copy(update={"test": None})})
        planner.advance(planned)
    described = manifest(loaded, planner).model_dump_json()
    (home.parent / "manifest.json").write_text(described)
    return len(records)


def manifest(loaded: LoadedSweep, planner: Planner) -> Manifest:
    """The manifest as a driver would have left it, with a made-up ladder."""
    spec = loaded.spec.task.model_dump(mode="json")
    ladder = TaskEntry(spec=spec, ladder={"chance": 1 / 3}, ceiling=1.0, ceiling_exact=True)
    return manifest_of(loaded, planner, "0" * 8, [], {task_key(plan.cell): ladder for plan in planner.plans}, [])


def used(folder: Path, reader: str) -> dict[str, float]:
    """CPU seconds and bytes of memory that a reader takes."""
    command = [sys.executable, "-m", "bench.reading", "--look-in", str(folder), "--reader", reader]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found: dict[str, float] = json.loads((folder / "used.json").read_text())
    return found


def plan(folder: Path) -> None:
    """The command `tune --plan`."""
    from fsm_icl.cli import app

    app(
        ["tune", f"{folder}/many.yaml", "--results", str(folder / "results"), "--plan"],
        standalone_mode=False,
    )


def analysis(folder: Path) -> None:
    """The command `analysis report`."""
    from analysis.__main__ import main as analyse

    assert analyse(["report", str(folder / "results" / "many-default")]) == 0


READERS = {"plan": plan, "analysis": analysis}


def look(folder: Path, reader: str) -> None:
    """Run a reader here, and write down what it took."""
    READERS[reader](folder)
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
    parser.add_argument("--look-in", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--reader", choices=READERS, nargs="+", default=list(READERS))
    arguments = parser.parse_args()
    if arguments.look_in:
        look(arguments.look_in, *arguments.reader)
        return
    print("records  reader    CPU s  memory MB  kB/record", flush=True)
    bare: dict[str, dict[str, float]] = {}
    for asked in (TRIALS_PER_CELL, *arguments.records):
        with tempfile.TemporaryDirectory(prefix="reading-") as folder:
            count = fill(Path(folder), asked)
            for reader in arguments.reader:
                found = used(Path(folder), reader)
                less = bare.setdefault(reader, found)
                cpu, memory = found["cpu"] - less["cpu"], found["memory"] - less["memory"]
                per_record = memory / 1e3 / count
                print(f"{count:7d}  {reader:8s}  {cpu:5.1f}  {memory / 1e6:9.1f}  {per_record:9.1f}", flush=True)


if __name__ == "__main__":
    main()
