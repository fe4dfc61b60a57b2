"""The W&B runs of a sweep's trials: opened, fed and finished, online while the server is there, else offline.

What is logged is always complete on the disk, in `wandb/*run-*-<run id>/`; beside it `run-<run id>.wandb.synced` says
that the server has it too (the mark that `wandb sync` leaves). A trial has one such folder: opening its run anew
removes what an earlier driver left of it, because all of it comes again.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import threading
from pathlib import Path
from typing import Any

from fsm_icl.account import QUIET
from fsm_icl.records import TrialRecord
from fsm_icl.runs import PROJECT, code_of, group_of, run_config, summary_of
from fsm_icl.sweep.search import Planned
from fsm_icl.sweep.wandb_mode import Mode

FINISH_SECONDS = 10
log = logging.getLogger(__name__)


class Runs:
    """Used by one thread: two that call wandb.init at once end in "run ID is in use"."""

    def __init__(self, folder: Path, sweep: str, sweep_id: str, scale: str, mode: Mode) -> None:
        """`folder` is the sweep's; see `Tracker`."""
        self.folder = folder.absolute() / "wandb"  # wandb opens files from the folder that its service was started in
        self.sweep, self.sweep_id, self.scale, self.mode = sweep, sweep_id, scale, mode
        self.problem: str | None = None
        """The first thing that went wrong, for the sweep's last lines."""
        self._finishing: list[threading.Thread] = []
        self._earlier: dict[str, list[Path]] | None = None

    def start(self) -> None:
        """Start wandb, which takes a second of CPU: while Ray starts, no trial is there yet to be slowed down."""
        os.environ.update(QUIET)
        try:
            import wandb

            wandb.setup(settings()).ensure_service()
        except Exception as error:  # the first run that opens will tell
            log.debug("W&B", exc_info=error)

    def open(self, planned: Planned) -> Any:
        """The trial's wandb.Run."""
        import wandb

        run_id = f"{self.sweep_id}-{planned.hash}"
        self._forget(run_id)
        if self.mode == "online":
            try:
                return self._init(planned, run_id)
            except wandb.errors.Error as error:
                self._go_offline(error)
                for path in self.folder.glob(f"run-*-{run_id}"):
                    shutil.rmtree(path, ignore_errors=True)  # it holds nothing but its name
                return self._init(planned, f"{run_id}-off")  # the id of a failed init is in use in this process
        return self._init(planned, run_id)

    def finish(self, planned: Planned, run: Any, record: TrialRecord) -> None:
        """Log how the trial ended. Online it is sent in the background: that takes one or two seconds, or ten."""
        run.config.update(code_of(record), allow_val_change=True)
        run.tags = (*run.tags, record.end.outcome)
        run.summary.update(summary_of(record))
        code = 0 if record.end.outcome in ("finished", "pruned") else 1
        sending = threading.Thread(target=self._finish, args=(planned.hash, run, code), daemon=True)
        sending.start()
        self._finishing = [thread for thread in self._finishing if thread.is_alive()] + [sending]
        if run.offline:
            sending.join()

    def abandon(self, run: Any) -> None:
        """A trial without an outcome: the run is a failed one, and the next driver logs it anew."""
        self._finishing.append(threading.Thread(target=self._finish, args=(None, run, 1), daemon=True))
        self._finishing[-1].start()

    def close(self) -> None:
        """Wait until all that is on its way has arrived, or given up."""
        for thread in self._finishing:
            thread.join(3 * FINISH_SECONDS)

    def marker(self, trial_hash: str) -> Path:
        """Stands where the trial is logged in full."""
        return self.folder / f"{trial_hash}.done"

    def _finish(self, trial_hash: str | None, run: Any, code: int) -> None:
        sent = False
        try:
            run.finish(exit_code=code)
            sent = not run.offline
        except TimeoutError as error:
            self._go_offline(error)
        except Exception as error:  # noqa: BLE001  (W&B's failure is never the sweep's; the next driver logs it again)
            self.remember(error)
            return
        if trial_hash is None:
            return
        try:
            if sent:
                Path(run.dir).with_name(f"run-{run.id}.wandb.synced").touch()
            self.marker(trial_hash).touch()
        except OSError as error:
            self.remember(error)

    def remember(self, error: Exception) -> None:
        """Keep the first problem."""
        log.debug("W&B", exc_info=error)
        self.problem = self.problem or f"{_first_line(error)}; what is missing there is logged by the next run"

    def _go_offline(self, error: Exception) -> None:
        if self.mode == "online":
            self.mode = "offline"
            why = f"went offline for the rest of the sweep ({_first_line(error)})"
            self.problem = f"{why}; nothing is lost: fsm-icl sync {shlex.quote(str(self.folder.parent))} sends it"

    def _forget(self, run_id: str) -> None:
        if self._earlier is None:
            self._earlier = {}
            for path in self.folder.glob("*run-*/run-*.wandb"):
                if not path.parent.is_symlink():
                    self._earlier.setdefault(path.stem.removeprefix("run-").removesuffix("-off"), []).append(path)
        for path in self._earlier.pop(run_id, []):
            shutil.rmtree(path.parent, ignore_errors=True)

    def _init(self, planned: Planned, run_id: str) -> Any:
        import wandb

        seed = f"seed{planned.index}" if planned.phase == "measure" else f"proposal{planned.index}"
        place: dict[str, Any] = {"sweep": self.sweep, "sweep_id": self.sweep_id, "scale": self.scale}
        place |= {"cell": planned.cell.label, "repeat": planned.repeat, "index": planned.index, "hash": planned.hash}
        run = wandb.init(
            project=PROJECT,
            group=group_of(self.sweep, self.sweep_id),
            job_type=planned.phase,
            id=run_id,
            name=f"{planned.cell.label} lr={planned.config.optimizer.learning_rate:g} {seed}",
            tags=[planned.cell.label, str(planned.cell.fields["arch"]), self.scale, planned.phase],
            config=run_config(planned.config.model_dump(mode="json"), place),
            dir=str(self.folder.parent),
            mode=self.mode,
            reinit="create_new",
            resume="allow" if self.mode == "online" else None,
            settings=settings(),
        )
        run.define_metric("*", step_metric="step")
        return run


def settings() -> Any:
    """Quiet, complete within a second of a crash, and nothing about the machine that nobody asked to upload."""
    import wandb

    return wandb.Settings(
        silent=True,
        console="off",
        disable_git=True,
        disable_code=True,
        host="-",
        program=PROJECT,
        init_timeout=5,
        finish_timeout=FINISH_SECONDS,
        finish_timeout_raises=True,
        x_disable_stats=True,
        x_disable_meta=True,
        x_save_requirements=False,
        x_transaction_log_flush_interval=1,
    )


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
