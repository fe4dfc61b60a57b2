"""The W&B runs of a sweep's trials: opened, fed and finished, online while the server is there, else offline.

What is logged is always complete on the disk, in `wandb/*run-*-<run id>/`; beside it `run-<run id>.wandb.synced` says
that the server has it too (the mark that `wandb sync` leaves). A trial has one such folder: opening its run anew
removes what an earlier driver left of it, because all of it comes again.
"""

from __future__ import annotations

import logging
import shlex
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsm_icl.results.layout import SweepFolder
from fsm_icl.results.records import TrialRecord
from fsm_icl.tracking.account import Destination, WandbError, answer_seconds, client, first_line
from fsm_icl.tracking.encoding import PROJECT, TrackedTrial, code_of, group_of, run_config, summary_of
from fsm_icl.tracking.limits import NAME, cut, tags
from fsm_icl.tracking.markers import Markers, mark_of_server
from fsm_icl.tracking.mode import Mode
from fsm_icl.tracking.upload_diary import refused_in

if TYPE_CHECKING:
    from fsm_icl.results.files import Folder

INIT_SECONDS, FINISH_SECONDS = 10.0, 10.0
"""Online: a server that takes longer is given up, and the sweep logged offline; one that answers slowly gets more."""
INIT_ANSWERS, FINISH_ANSWERS = 4, 10
"""Time for this number of answers: wandb waits for two and five of them, one after the other."""
OFFLINE_SECONDS = 120
"""Offline there is no server to give up, only a busy machine."""
MAX_IDS = 4
"""How many ids of a run are tried that this process has used up."""
log = logging.getLogger(__name__)


class TrialRuns:
    """Used by one thread: two that call wandb.init at once end in "run ID is in use"."""

    def __init__(
        self,
        folder: Path,
        sweep: str,
        sweep_id: str,
        scale: str,
        mode: Mode,
        results: Folder | None = None,
        to: Destination | None = None,
        markers: Markers | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            folder: the sweep's on this machine, in whose `wandb/` logs are written.
            sweep: its name.
            sweep_id: its id.
            scale: its scale.
            mode: whether a server is told.
            results: where the sweep's records and markers are; None is `folder`.
            to: where in W&B runs go; None is the account's own entity and our project.
            markers: those of the sweep, where they are read already.
        """
        # Absolute: wandb opens files from the folder that its service was started in.
        self.folder = SweepFolder(folder.absolute()).wandb
        self.sweep, self.sweep_id, self.scale, self.mode = sweep, sweep_id, scale, mode
        self.to = to or Destination()
        self.markers = markers or Markers(folder if results is None else results, self.folder.parent, sweep_id)
        self.unfinished: set[str] = set()
        """Hashes of trials whose run could not be finished: their logs may not be whole."""
        self.failures: dict[str, int] = {}
        """Hash -> how often a run of it went wrong here; wandb does not let go of the id of such a run."""
        self._problems: dict[str, str] = {}
        """Hash -> what went wrong with the trial's run and was not made good since."""
        self._offline: str | None = None
        """Why it went offline."""
        self._refused: str | None = None
        """What of a run the server did not take."""
        self._finishing: list[threading.Thread] = []
        self._slowest = 0.0
        """Seconds of the server's slowest answer."""

    def start(self) -> None:
        """Start wandb, which takes a second of CPU: while Ray starts, no trial is there yet to be slowed down."""
        try:
            client(self.mode == "online").setup(run_settings(self.mode)).ensure_service()
        except Exception as error:  # the first run that opens will tell
            log.debug("W&B", exc_info=error)

    def open(self, trial: TrackedTrial) -> Any:
        """The trial's wandb.Run. Raises WandbError where there is none."""
        for path in self.markers.forget_logs(trial.hash):
            shutil.rmtree(path.parent, ignore_errors=True)
        answer = self._answer()
        if self.mode == "online":
            try:
                return self._init(trial, answer)
            except WandbError as error:
                self._go_offline(error)
                self._count_failure(trial.hash)
        for _ in range(MAX_IDS):
            try:
                return self._init(trial)
            except WandbError as error:
                if "is in use" not in str(error):
                    raise
                self._count_failure(trial.hash)  # a run of it went wrong in an earlier sweep of this process
        return self._init(trial)

    def finish(self, trial: TrackedTrial, run: Any, record: TrialRecord) -> None:
        """Log how the trial ended. Online it is sent in the background: that takes one or two seconds, or ten."""
        run.config.update(code_of(record), allow_val_change=True)
        run.tags = tuple(tags((*run.tags, record.end.outcome)))
        run.summary.update(summary_of(record))
        sending = threading.Thread(target=self._finish, args=(trial.hash, run, record), daemon=True)
        sending.start()
        self._finishing = [thread for thread in self._finishing if thread.is_alive()] + [sending]
        if run.offline:
            sending.join()

    def abandon(self, run: Any) -> None:
        """A trial without an outcome: the run is a failed one, and the next driver logs it anew."""
        self._finishing.append(threading.Thread(target=self._finish, args=(None, run, None), daemon=True))
        self._finishing[-1].start()

    def close(self) -> None:
        """Wait until all that is on its way has arrived, or given up."""
        patience = finish_seconds(self._slowest) if self.mode == "online" else OFFLINE_SECONDS
        for thread in self._finishing:
            thread.join(3 * patience)

    def marker(self, trial_hash: str) -> Folder:
        """Stands where the trial is logged in full."""
        return self.markers.path(trial_hash)

    @property
    def problem(self) -> str | None:
        """The first thing that went wrong and was not made good, for the sweep's last lines."""
        return self._offline or self._refused or next(iter(self._problems.values()), None)

    def failed(self, trial_hash: str, error: Exception) -> None:
        """Something went wrong with the run of a trial: it can't be opened again under the same id."""
        self._count_failure(trial_hash)
        self._remember(trial_hash, error)

    def _answer(self) -> float:
        """How long the server takes to answer; one that is silent is left alone from now on."""
        if self.mode != "online":
            return 0.0
        try:
            answer = answer_seconds()
        except WandbError as error:
            self._go_offline(error)
            return 0.0
        self._slowest = max(self._slowest, answer)
        return answer

    def _count_failure(self, trial_hash: str) -> None:
        self.failures[trial_hash] = self.failures.get(trial_hash, 0) + 1

    def _finish(self, trial_hash: str | None, run: Any, record: TrialRecord | None) -> None:
        sent = False
        try:
            run.finish(exit_code=0 if record is not None and record.end.outcome in ("finished", "pruned") else 1)
            sent = not run.offline
        except Exception as error:  # noqa: BLE001  (W&B's failure is never the sweep's)
            if isinstance(error, TimeoutError) and not run.offline:
                self._go_offline(error)  # the log is whole all the same, and not sent
            else:
                if trial_hash is not None:  # else it comes anew with its record
                    self.failed(trial_hash, error)
                    self.unfinished.add(trial_hash)
                return
        if trial_hash is None or record is None:
            return
        where = Path(run.dir).with_name(f"run-{run.id}.wandb")
        if sent and (why := refused_in(where.with_name("logs") / "debug-internal.log")) is not None:
            sent = False  # finish says nothing of it
            self._refused = self._refused or f"W&B did not take all of it ({why}); {self._nothing_is_lost}"
        try:
            if sent:
                mark_of_server(where).touch()
            self.markers.write(trial_hash, record.end.ended_at, where, sent)
            self._problems.pop(trial_hash, None)
        except OSError as error:
            self._remember(trial_hash, error)

    def _remember(self, trial_hash: str, error: Exception) -> None:
        log.debug("W&B", exc_info=error)
        why = str(error) if isinstance(error, WandbError) else first_line(error)
        self._problems[trial_hash] = f"{why}; what is missing there is logged by the next run"

    def _go_offline(self, error: Exception) -> None:
        if self.mode == "online":
            self.mode = "offline"
            why = str(error) if isinstance(error, WandbError) else first_line(error)
            self._offline = f"went offline for the rest of the sweep ({why}); {self._nothing_is_lost}"

    @property
    def _nothing_is_lost(self) -> str:
        return f"nothing is lost: fsm-icl sync {shlex.quote(str(self.folder.parent))} sends it"

    def _init(self, trial: TrackedTrial, answer: float = 0.0) -> Any:
        again = self.failures.get(trial.hash, 0)
        run_id = f"{self.sweep_id}-{trial.hash}" + ("" if not again else "-off" if again == 1 else f"-off{again}")
        for path in self.folder.glob(f"*run-*-{self.sweep_id}-{trial.hash}*") if again else ():
            shutil.rmtree(path, ignore_errors=True)  # of the run that went wrong
        try:
            run = client(self.mode == "online").init(id=run_id, **self._arguments(trial, answer))
            self._compare(run, run_id)
            run.define_metric("*", step_metric="step")
        except Exception as error:
            raise error if isinstance(error, WandbError) else WandbError(first_line(error)) from error
        return run

    def _arguments(self, trial: TrackedTrial, answer: float) -> dict[str, Any]:
        at, config = trial.place, trial.config.model_dump(mode="json")
        place: dict[str, Any] = {"sweep": self.sweep, "sweep_id": self.sweep_id, "scale": self.scale}
        place |= {"cell": trial.cell, "repeat": at.repeat, "index": at.index, "hash": trial.hash}
        place |= {"cell_key": at.cell} if at.cell else {}
        seed = f"seed{at.index}" if at.phase == "measure" else f"proposal{at.index}"
        ending = f" lr={config['optimizer']['learning_rate']:g} {seed}"
        return {
            "entity": self.to.entity,
            "project": self.to.project,
            "group": group_of(self.sweep, self.sweep_id),
            "job_type": at.phase,
            "name": cut(trial.cell, NAME - len(ending)) + ending,
            "tags": tags([trial.cell, str(trial.fields["arch"]), self.scale, at.phase]),
            "config": run_config(config, place),
            "dir": str(self.folder.parent),
            "mode": self.mode,
            "reinit": "create_new",
            "resume": "allow" if self.mode == "online" else None,
            "settings": run_settings(self.mode, answer),
        }

    def _compare(self, run: Any, run_id: str) -> None:
        """Raises WandbError where W&B did something else than it was asked: whatever made it do so."""
        asked = {"id": run_id, "project": self.to.project, "group": group_of(self.sweep, self.sweep_id)}
        got = {"id": run.id, "project": run.project, "group": run.group}
        if self.to.entity is not None:
            asked["entity"], got["entity"] = self.to.entity, run.entity
        asked["mode"], got["mode"] = self.mode, "disabled" if run.disabled else "offline" if run.offline else "online"
        if not run.disabled:
            asked["folder"], got["folder"] = str(self.folder.resolve()), str(Path(run.dir).parents[1].resolve())
        # W&B writes names of its own its own way.
        if wrong := [name for name in asked if asked[name].casefold() != (got[name] or "").casefold()]:
            run.finish(exit_code=1)
            told = ", ".join(f"{name} {got[name]!r} and not {asked[name]!r}" for name in wrong)
            raise WandbError(f"W&B opened a run with {told}: see the WANDB_ variables of the environment")


def finish_seconds(answer: float) -> float:
    """How long the end of a run is waited for, where the server takes `answer` seconds to answer."""
    return max(FINISH_SECONDS, FINISH_ANSWERS * answer)


def run_settings(mode: Mode, answer: float = 0.0) -> Any:
    """Quiet, complete within a second of a crash, and nothing about the machine that nobody asked to upload.

    Online, as patient as a server needs that takes `answer` seconds to answer.
    """
    return client(connected=False).Settings(
        silent=True,
        console="off",
        disable_git=True,
        disable_code=True,
        host="-",
        program=PROJECT,
        sagemaker_disable=True,
        use_dot_wandb=False,  # else a folder named .wandb decides where logs lie
        init_timeout=max(INIT_SECONDS, INIT_ANSWERS * answer) if mode == "online" else OFFLINE_SECONDS,
        finish_timeout=finish_seconds(answer) if mode == "online" else OFFLINE_SECONDS,
        finish_timeout_raises=True,
        x_disable_stats=True,
        x_disable_meta=True,
        x_save_requirements=False,
        x_transaction_log_flush_interval=1,
    )
