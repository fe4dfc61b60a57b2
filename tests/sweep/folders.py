"""Results folders of simulated sweeps, as a driver would have left them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from fsm_icl.results.records import Manifest, TaskEntry, TrialRecord
from fsm_icl.sweep.file.hypotheses import declared
from fsm_icl.sweep.file.load import LoadedSweep
from fsm_icl.sweep.file.planned import PlannedTrial
from fsm_icl.sweep.protocol import manifest as making
from fsm_icl.sweep.protocol.declarations import brought_up_to_date
from fsm_icl.sweep.protocol.planner import Planner
from fsm_icl.sweep.store.store import Store
from tests.sweep import simulate


def manifest_of(sweep: LoadedSweep, planner: Planner, store: Store) -> Manifest:
    """The manifest as the driver makes it, but for the ladders."""
    assert store.declarations is not None
    task = TaskEntry(
        spec=sweep.spec.task.model_dump(mode="json"), ladder={"chance": 1 / 3}, ceiling=1.0, ceiling_exact=True
    )
    tasks = {making.task_key(plan.cell): task for plan in planner.plans}
    hypotheses = declared(sweep, [plan.cell for plan in planner.plans])
    return making.manifest_of(sweep, planner, store.id, hypotheses, tasks, store.declarations.declarations)


def write(
    folder: Path,
    sweep: LoadedSweep,
    stop_after: int | None = None,
    learner: Callable[[PlannedTrial], TrialRecord] = simulate.train,
    manifest: bool = True,
) -> Mapping[str, TrialRecord]:
    """Run a sweep with two workers into `folder`, on from what is there; `manifest`: write it at the end too."""
    with Store(folder) as store:
        cells = simulate.cells(sweep)
        store.declare(brought_up_to_date(store.declarations, folder, sweep, Planner(sweep.spec, cells, store.records)))
        store.write_sweep_file(sweep.spec.model_dump(mode="json", exclude_none=True))
        store.write_manifest(manifest_of(sweep, Planner(sweep.spec, cells, store.records), store))

        def kept(planned: PlannedTrial) -> TrialRecord:
            record = learner(planned)
            return store.write(planned, record.reports, record.end)

        simulate.run(sweep, 2, records=store.records, stop_after=stop_after, learner=kept)
        if manifest:
            store.write_manifest(manifest_of(sweep, Planner(sweep.spec, cells, store.records), store))
        return store.records
