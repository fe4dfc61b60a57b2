"""How trials end, and what is never made a result."""

from __future__ import annotations

import errno
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from fsm_icl.results.records import Report, TrialEnd
from fsm_icl.task.base import Batch, EvaluationSet
from fsm_icl.task.transitions.episodes import TransitionsStream, evaluation_set
from fsm_icl.task.transitions.spec import TransitionsTask
from fsm_icl.training import loop as train_module
from fsm_icl.training import scoring as evaluate_module
from fsm_icl.training import state as state_module
from fsm_icl.training import trial as run_module
from fsm_icl.training.config import RunEnv, TrialConfig
from fsm_icl.training.loop import train
from fsm_icl.training.scoring import evaluate
from fsm_icl.training.state import TrainingState
from fsm_icl.training.trial import run_trial
from tests.training.tiny import take, tiny

MEASURE = tiny(phase="measure")


def ended(config: TrialConfig, env: RunEnv) -> tuple[list[Report], TrialEnd]:
    *reports, last = run_trial(config, env)
    assert last.end is not None
    assert last.metrics == {}
    assert last.step == last.end.steps
    assert all(report.end is None for report in reports)
    return reports, last.end


def break_at(step: int, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = TransitionsStream.batch

    def batch(stream: TransitionsStream, asked: int) -> Batch:
        if asked == step:
            raise error
        return draw(stream, asked)

    monkeypatch.setattr(TransitionsStream, "batch", batch)


class TestFinished:
    def test_passes_every_report_on(self) -> None:
        reports, end = ended(tiny(), RunEnv())
        assert reports == list(train(tiny(), RunEnv()))
        assert (end.outcome, end.reason, end.steps) == ("finished", None, 10)

    def test_scores_a_measure_trial_on_the_test_set(self) -> None:
        reports, end = ended(MEASURE, RunEnv())
        assert end.outcome == "finished"
        assert end.test is not None
        state = TrainingState.begin(MEASURE, RunEnv())
        list(train(MEASURE, RunEnv(), state))
        scored = evaluate(state.model, evaluation_set(MEASURE.task, "test", 0).batch, MEASURE)
        assert (end.test.accuracy, end.test.loss) == (scored.accuracy, scored.loss)
        assert len(end.test.machine_total) == 24
        assert [report.step for report in reports] == [4, 8, 10]

    def test_phase_changes_identity_and_score_but_not_training(self) -> None:
        assert ended(MEASURE, RunEnv())[0] == ended(tiny(), RunEnv())[0]

    @pytest.mark.parametrize("config", [tiny(), tiny(optimizer={"learning_rate": 1e-9})], ids=["plain", "slow"])
    def test_a_search_trial_never_sees_the_test_set(self, config: TrialConfig, monkeypatch: pytest.MonkeyPatch) -> None:
        def only_val(task: Any, split: str, seed: int) -> EvaluationSet:
            assert split == "val"
            return evaluation_set(task, "val", seed)

        monkeypatch.setattr(TransitionsTask, "evaluation_set", only_val)
        assert ended(config, RunEnv())[1].test is None

    def test_a_measure_trial_sees_it_once(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        splits: list[str] = []

        def spy(task: Any, split: Any, seed: int) -> EvaluationSet:
            splits.append(split)
            return evaluation_set(task, split, seed)

        monkeypatch.setattr(TransitionsTask, "evaluation_set", spy)
        ended(MEASURE, RunEnv(folder=tmp_path))
        assert splits == ["val", "val", "val", "test"]

    def test_its_weights_stay_in_the_folder(self, tmp_path: Path) -> None:
        env = RunEnv(folder=tmp_path)
        _, end = ended(MEASURE, env)
        state = TrainingState.begin(MEASURE, env)
        assert end.test is not None
        test_set = evaluation_set(MEASURE.task, "test", 0)
        assert evaluate_module.score_test(state.model, test_set, MEASURE) == end.test

    def test_asked_again_it_says_the_same(self, tmp_path: Path) -> None:
        env = RunEnv(folder=tmp_path)
        reports, end = ended(MEASURE, env)
        again, end_again = ended(MEASURE, env)
        assert again == reports
        assert (end_again.test, end_again.steps) == (end.test, end.steps)
        assert end_again.started_at == end.started_at

    def test_says_what_it_cost(self) -> None:
        began = time.time()
        config = tiny(task={"length_jitter": 0.0}, phase="measure")
        _, end = ended(config, RunEnv())
        assert end.num_params == sum(p.numel() for p in TrainingState.begin(config, RunEnv()).model.parameters())
        assert (end.state_size, end.flops_per_token) == (8, 12 * 8 * 8 + 2 * 8 * 3)
        assert 0 < end.seconds < end.ended_at - end.started_at + 0.01
        assert began <= end.started_at <= end.ended_at <= time.time()
        tokens_a_step = 4 * len(evaluation_set(config.task, "val", 0).batch.tokens[0])
        assert end.tokens_per_second == pytest.approx(end.steps_per_second * tokens_a_step)
        assert end.steps_per_second > 10 / end.seconds
        assert 50e6 < end.peak_memory_bytes < 50e9
        assert (end.device, end.threads, end.versions["torch"]) == ("cpu", 1, torch.__version__)
        assert set(end.versions) == {"python", "torch", "numpy", "fsm_icl"}
        assert end.node
        assert end.cpu_model

    def test_a_slow_listener_is_not_in_its_seconds(self) -> None:
        *_, last = (report for report in run_trial(tiny(), RunEnv()) if time.sleep(0.2) is None)
        assert last.end is not None
        assert last.end.ended_at - last.end.started_at > 0.6
        assert last.end.seconds < 0.5

    def test_sets_the_threads_it_was_given(self) -> None:
        ended(tiny(), RunEnv(threads=2))
        assert torch.get_num_threads() == 2


class TestPruned:
    def test_ends_after_the_report_below_its_cutoff(self) -> None:
        reports, end = ended(tiny(), RunEnv(cutoffs={4: 0.0, 8: 1.01}))
        assert reports == list(train(tiny(), RunEnv()))[:2]
        accuracy = reports[-1].metric("val/accuracy")
        assert (end.outcome, end.steps) == ("pruned", 8)
        assert end.reason == f"validation accuracy {accuracy:.6f} at step 8 is below 1.010000"

    def test_equal_to_the_cutoff_goes_on(self) -> None:
        value = next(train(tiny(), RunEnv())).metric("val/accuracy")
        assert ended(tiny(), RunEnv(cutoffs={4: value}))[1].outcome == "finished"
        assert ended(tiny(), RunEnv(cutoffs={4: math.nextafter(value, 2)}))[1].outcome == "pruned"

    def test_steps_without_a_report_cut_nothing(self) -> None:
        assert ended(tiny(), RunEnv(cutoffs={5: 2.0}))[1].outcome == "finished"

    def test_replay_is_pruned_by_todays_rule(self, tmp_path: Path) -> None:
        ended(tiny(), RunEnv(folder=tmp_path))
        reports, end = ended(tiny(), RunEnv(folder=tmp_path, cutoffs={4: 2.0}))
        assert [report.step for report in reports] == [4]
        assert (end.outcome, end.steps) == ("pruned", 4)

    def test_taken_up_again_when_the_rule_allows_more(self, tmp_path: Path) -> None:
        ended(tiny(), RunEnv(folder=tmp_path, cutoffs={4: 2.0}))
        reports, end = ended(tiny(), RunEnv(folder=tmp_path))
        assert reports == list(train(tiny(), RunEnv()))
        assert end.outcome == "finished"


class TestDiverged:
    def test_in_training(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def nan(config: TrialConfig, state: TrainingState, batch: Batch) -> torch.Tensor:
            return torch.tensor(math.nan if state.step == 6 else 1.0)

        monkeypatch.setattr(train_module, "training_step", nan)
        reports, end = ended(MEASURE, RunEnv())
        assert [report.step for report in reports] == [4]
        assert (end.outcome, end.steps, end.test) == ("diverged", 8, None)
        assert "training loss is nan" in str(end.reason)

    def test_by_a_learning_rate_without_bounds(self) -> None:
        config = tiny(model={"arch": "rnn", "nonlinearity": "relu"}, optimizer={"learning_rate": 1e30})
        assert ended(config, RunEnv())[1].outcome == "diverged"

    def test_accuracy_that_is_no_number_reaches_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bad = Report.model_construct(step=8, metrics={"val/accuracy": math.nan}, end=None)
        replace_train(monkeypatch, Report(step=4, metrics={"val/accuracy": 0.5}), bad)
        reports, end = ended(tiny(), RunEnv())
        assert [report.step for report in reports] == [4]
        assert (end.outcome, end.steps) == ("diverged", 8)


def replace_train(monkeypatch: pytest.MonkeyPatch, *reports: Report) -> None:
    def train(config: TrialConfig, env: RunEnv, state: TrainingState) -> Iterator[Report]:
        yield from reports

    monkeypatch.setattr(run_module, "train", train)


class TestFailed:
    def test_leaves_a_reason_and_a_trace_back(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        break_at(6, KeyError("no such\nmachine"), monkeypatch)
        reports, end = ended(MEASURE, RunEnv(folder=tmp_path))
        assert [report.step for report in reports] == [4]
        assert (end.outcome, end.steps, end.test) == ("failed", 6, None)
        assert end.reason == r"KeyError: 'no such\nmachine'"
        log = (tmp_path / "log.txt").read_text()
        assert log.startswith("Traceback")
        assert "in batch" in log

    def test_reason_is_one_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        break_at(0, ValueError("first\n  second"), monkeypatch)
        reports, end = ended(tiny(), RunEnv())
        assert reports == []
        assert end.reason == "ValueError: first second"

    def test_tried_again_it_goes_on(self, tmp_path: Path) -> None:
        env = RunEnv(folder=tmp_path)
        with pytest.MonkeyPatch.context() as patch:
            break_at(6, ValueError("a bug"), patch)
            assert ended(tiny(), env)[1].outcome == "failed"
        reports, end = ended(tiny(), env)
        assert reports == list(train(tiny(), RunEnv()))
        assert end.outcome == "finished"

    def test_while_building(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def build(*_: object) -> None:
            raise ValueError("no such layer")

        monkeypatch.setattr(state_module, "build_model", build)
        reports, end = ended(tiny(), RunEnv())
        assert reports == []
        assert (end.outcome, end.steps, end.steps_per_second) == ("failed", 0, 0.0)

    def test_while_scoring(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def score(*_: object) -> None:
            raise ZeroDivisionError("no query")

        monkeypatch.setattr(run_module, "score_test", score)
        reports, end = ended(MEASURE, RunEnv())
        assert [report.step for report in reports] == [4, 8, 10]
        assert (end.outcome, end.steps) == ("failed", 10)

    def test_a_report_without_accuracy_reaches_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        replace_train(monkeypatch, Report(step=4, metrics={"val/loss": 0.5}))
        reports, end = ended(tiny(), RunEnv())
        assert reports == []
        assert end.outcome == "failed"
        assert "no 'val/accuracy'" in str(end.reason)

    def test_our_own_mix_up_of_devices_is_a_failure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        message = "Expected all tensors to be on the same device, but found at least two, cpu and cuda:0!"
        break_at(2, RuntimeError(message), monkeypatch)
        assert ended(tiny(), RunEnv())[1].outcome == "failed"


class TestInfrastructure:
    @pytest.mark.parametrize(
        "error",
        [
            MemoryError(),
            torch.OutOfMemoryError("CUDA out of memory"),
            torch.AcceleratorError("device-side assert"),
            RuntimeError("CUDA error: an illegal memory access was encountered"),
            RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
            OSError(errno.ENOSPC, "No space left on device"),
            KeyboardInterrupt(),
            SystemExit(1),
        ],
        ids=repr,
    )
    def test_is_raised_and_makes_no_result(
        self, error: BaseException, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        break_at(6, error, monkeypatch)
        reports = run_trial(tiny(), RunEnv(folder=tmp_path))
        assert next(reports).step == 4
        with pytest.raises(type(error)):
            next(reports)
        if isinstance(error, Exception):
            assert type(error).__name__ in (tmp_path / "log.txt").read_text()

    def test_real_cpu_exhaustion_is_recognised(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(RuntimeError) as caught:
            torch.empty(10**15)
        assert run_module._is_infrastructure(caught.value)

    def test_a_checkpoint_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "taken").write_text("")
        with pytest.raises(OSError, match="taken"):
            list(run_trial(tiny(), RunEnv(folder=tmp_path / "taken" / "trial")))

    def test_a_listener_who_leaves(self, tmp_path: Path) -> None:
        assert [report.step for report in take(run_trial(tiny(), RunEnv(folder=tmp_path)), 2)] == [4, 8]
        assert ended(tiny(), RunEnv(folder=tmp_path))[0] == list(train(tiny(), RunEnv()))


def test_needs_neither_ray_nor_wandb() -> None:
    code = """
import sys
for name in ("ray", "wandb", "optuna", "pandas", "matplotlib", "scipy"):
    sys.modules[name] = None
from fsm_icl.training.config import RunEnv
from fsm_icl.training.trial import run_trial
from tests.training.tiny import tiny
print(list(run_trial(tiny(), RunEnv()))[-1].end.outcome)
"""
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert printed.stdout == "finished\n"


def test_a_record_tells_how_its_recurrent_matrix_started() -> None:
    scaled = tiny(model={"arch": "rnn", "init": "0.5*identity", "num_layers": 2})
    ended = list(run_trial(scaled, RunEnv()))[-1].end
    assert ended is not None
    assert ended.spectral_radius == [0.5, 0.5]


def test_a_forgetful_networks_masks_come_from_the_trials_seed() -> None:
    forgetful = tiny(model={"arch": "rnn", "state_dropout": 0.2})
    before = torch.get_rng_state()
    first, again = (list(run_trial(forgetful, RunEnv())) for _ in range(2))
    assert [r.metrics for r in first] == [r.metrics for r in again]
    assert torch.equal(torch.get_rng_state(), before)
    assert [r.metrics for r in first] != [r.metrics for r in run_trial(tiny(model={"arch": "rnn"}), RunEnv())]
