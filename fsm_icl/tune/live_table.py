"""The live table by cell: rich's Live on a terminal, a plain line every ten seconds elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from ray.tune.progress_reporter import TrialProgressCallback
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fsm_icl.sweep.protocol.estimate import remaining_seconds
from fsm_icl.sweep.protocol.planner import CellPlan
from fsm_icl.tune.driver import SILENT_SECONDS, Driver, TrialInFlight
from fsm_icl.tune.waiting import Patience

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_TABLES = 0.5


class Progress(TrialProgressCallback):  # type: ignore[misc]  # ray is untyped
    """Replaces Tune's own printer; Tune recognises it by its base class."""

    def __init__(self, driver: Driver, console: Console, concurrent: int) -> None:
        """Show what `driver` knows on `console`; `concurrent` trials run at a time at most."""
        super().__init__()
        self.driver, self.console, self.concurrent = driver, console, concurrent
        self.started = self.last_shown = time.monotonic()
        self.last_looked = -math.inf
        self.live: Live | None = None
        self.waiting: set[str] = set()
        """Ids of trials that have no machine yet, or none again."""
        self.patience = Patience(lambda line: console.print(line, highlight=False, markup=False))

    def setup(self, **_: Any) -> None:
        """Tune starts."""
        self.started = self.last_shown = time.monotonic()
        if self.console.is_terminal:
            self.live = Live(self.table(), console=self.console, auto_refresh=False)
            self.live.start()

    def on_step_begin(self, iteration: int = 0, trials: Sequence[Any] = (), **_: Any) -> None:
        """Called all the time, in the thread that owns the planner: shows anew when it is time."""
        if time.monotonic() - self.last_looked > SECONDS_BETWEEN_TABLES:
            self._look(trials)
        if time.monotonic() - self.last_shown < (SECONDS_BETWEEN_TABLES if self.live else SECONDS_BETWEEN_LINES):
            return
        self.last_shown = time.monotonic()
        if self.live is not None:
            self.live.update(self.table(), refresh=True)
        else:
            self.console.print(self.line(), highlight=False, markup=False)

    def close(self) -> None:
        """Leave the last table standing and give the cursor back."""
        if self.live is not None:
            self.live.stop()

    def log_result(self, trial: Any, result: dict[str, Any], error: bool = False) -> None:
        """Tune's own line for a result: none."""

    def on_trial_complete(self, *_: Any, **__: Any) -> None:
        """Tune's own line for a trial: none."""

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        """A worker has the trial."""
        self.driver.started(trial.trial_id)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        """The trial's worker was lost; Tune asks for another."""
        self.driver.waits(trial.trial_id)

    def on_trial_error(self, *_: Any, **__: Any) -> None:
        """Tune's own lines for an error: none; the last table has them."""

    def _look(self, trials: Sequence[Any]) -> None:
        """See which trials have no machine. Tune lists all that it was ever given, so not at each step."""
        self.last_looked = time.monotonic()
        self.waiting = {trial.trial_id for trial in trials if trial.status == "PENDING"} & self.driver.in_flight.keys()
        self.patience.look(len(self.waiting), len(self.driver.in_flight) - len(self.waiting), self.wanted)

    @property
    def wanted(self) -> dict[str, float]:
        """What there is once all machines have come, of what trials ask for."""
        packing = self.driver.packing
        on_gpus = packing.capacity.gpus and packing.resources.gpus_per_trial != 0
        return {"GPU": packing.capacity.gpus} if on_gpus else {"CPU": packing.capacity.cpus}

    def line(self) -> str:
        """How far the whole sweep is."""
        plans = self.driver.planner.plans
        done = sum(plan.num_searched + plan.num_measured for plan in plans)
        pruned = sum(plan.num_pruned for plan in plans)
        running = ", ".join(f"{f.planned.cell.label} {self._step(f)}" for f in self._running())
        total = sum(plan.total() for plan in plans)
        waiting = f"  waiting: {len(self.waiting)}" if self.waiting else ""
        return f"{self._clock()}  {done}/{total} trials done ({pruned} pruned)  running: {running or '-'}{waiting}"

    def table(self) -> Table:
        """A row a cell."""
        table = Table(title=self._clock(), title_justify="left")
        for name in ("cell", "searched", "pruned", "measured", "running (step)", "best val/accuracy", "to go"):
            table.add_column(name, justify="left" if name in ("cell", "running (step)") else "right")
        for plan in self.driver.planner.plans:
            table.add_row(*(Text(text) for text in (plan.cell.label, *self._cells(plan))))
        return table

    def _cells(self, plan: CellPlan) -> list[str]:
        spec = plan.spec
        best = plan.best_accuracy
        flying = list(self.driver.in_flight.items())
        flights = [f for f in self._running() if f.planned.cell is plan.cell]
        waiting = sum(f.planned.cell is plan.cell for trial, f in flying if trial in self.waiting)
        steps = [self._step(f) for f in flights] + [f"{waiting} waiting"] * bool(waiting)
        return [
            f"{plan.num_searched}/{plan.num_proposals}",
            str(plan.num_pruned),
            f"{plan.num_measured}/{spec.measure.num_seeds}",
            ", ".join(steps),
            "" if best is None else f"{best:.3f}",
            _minutes(remaining_seconds(plan, self.driver.planner.records)),
        ]

    def _running(self) -> list[TrialInFlight]:
        """Trials that have a machine."""
        return [flight for trial, flight in list(self.driver.in_flight.items()) if trial not in self.waiting]

    def _step(self, flight: TrialInFlight) -> str:
        """The step of its last report; of a slow trial also when it last gave a sign of life."""
        step = f"{max(flight.reports, default=0)}/{flight.planned.config.budget.steps}"
        silent = self.driver.silent_seconds(flight)
        return step if silent < SILENT_SECONDS else f"{step} (alive {silent:.0f} s ago)"

    def _clock(self) -> str:
        """How long it has been, and how long it would go on with as many trials at a time as run now."""
        planner, running = self.driver.planner, len(self._running())
        left = sum(remaining_seconds(plan, planner.records) for plan in planner.plans)
        to_go = f"about {_minutes(left / min(running, self.concurrent))} to go" if running else "no trial runs yet"
        return f"{_minutes(time.monotonic() - self.started)} gone, {to_go}"

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles callbacks; a display can't be."""
        return {}


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
