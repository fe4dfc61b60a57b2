"""Ray's Searcher and Stopper over the driver: Tune asks which trial is next and says how it went."""

from __future__ import annotations

from typing import Any

from ray.tune.search import Searcher
from ray.tune.stopper import Stopper

from fsm_icl.tune.driver import Driver


class ProtocolSearcher(Searcher):  # type: ignore[misc]  # ray is untyped
    """Asks the driver. Keeps nothing of its own: our records are what is known, Tune's state is never read."""

    def __init__(self, driver: Driver) -> None:
        super().__init__()  # no metric: with one, Tune ends the whole sweep at a result that lacks it
        self.driver = driver

    def set_search_properties(self, metric: str | None, mode: str | None, config: Any, **spec: Any) -> bool:
        """Nothing to set: True, or Tune complains."""
        return True

    def suggest(self, trial_id: str) -> Any:
        """The next trial's job, None to be asked again, FINISHED at the end."""
        if (job := self.driver.next(trial_id)) is not None:
            return job.for_tune()
        return Searcher.FINISHED if self.driver.finished else None

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """A report that is not the last."""
        self.driver.heard(trial_id, result)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """The closing report, or none of it where the trial was lost."""
        self.driver.ended(trial_id, None if error else result)

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore."""

    def save_to_dir(self, *_: Any, **__: Any) -> None:
        """Nothing to save."""

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles searchers; the driver holds locks and threads and stays here."""
        return {}


class StopWhenBroken(Stopper):  # type: ignore[misc]  # ray is untyped
    """Ends the sweep when records can't be written any more."""

    def __init__(self, driver: Driver) -> None:
        self.driver: Driver | None = driver

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Never a single trial: trials end themselves."""
        return False

    def stop_all(self) -> bool:
        """Whether to stop everything."""
        return self.driver is not None and self.driver.broken is not None

    def __getstate__(self) -> dict[str, Any]:
        return {"driver": None}
