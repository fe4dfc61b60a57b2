"""run, verify and load: trained trials again, from a folder that a sweep left behind."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from rich.console import Console

import fsm_icl
from fsm_icl.results.reading import read_records
from fsm_icl.results.records import Report, TrialEnd, TrialRecord
from fsm_icl.sweep.examine import replay as rerun_module
from fsm_icl.sweep.examine.replay import print_replay, trial_of
from fsm_icl.sweep.examine.status import read_manifest
from fsm_icl.sweep.examine.verify import TrialSample, differences, draw_sample, verify_all, verify_trial
from fsm_icl.sweep.file.load import LoadedSweep, load_sweep_file
from fsm_icl.sweep.file.planned import PlannedTrial
from fsm_icl.sweep.store.store import Store
from fsm_icl.task.transitions.episodes import evaluation_set
from fsm_icl.training.config import RunEnv
from fsm_icl.training.scoring import score
from fsm_icl.training.trial import run_trial
from tests.sweep import folders, simulate

CELL = "gru-d8-L1"


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def tiny_sweep() -> LoadedSweep:
    return load_sweep_file("spectrum", "smoke", ["grid={arch: [gru, rnn], d_model: 8}", "hypotheses=[]"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of 12 trials that were really trained."""
    folder = tmp_path_factory.mktemp("sweeps") / "spectrum-smoke"

    def learner(planned: PlannedTrial) -> TrialRecord:
        env = RunEnv(folder=folder / "trials" / planned.hash, cutoffs=planned.cutoffs)
        *reports, last = run_trial(planned.config, env)
        assert last.end is not None
        return simulate.record(planned, reports, last.end)

    folders.write(folder, tiny_sweep(), learner=learner)
    return folder


def measured(folder: Path, seed: int = 0) -> str:
    """Hash of a measure trial of CELL."""
    (cell,) = (c for c in read_manifest(folder).cells if c.label == CELL)
    return next(w.hash for w in cell.wanted if w.phase == "measure" and w.index == seed)


def files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


class TestRun:
    def test_it_says_each_report_and_the_score_and_leaves_nothing(self, trained: Path) -> None:
        before, lines = files(trained), list[str]()
        trial = measured(trained)
        end = print_replay(trial_of(trained, trial), lines.append)
        record = read_records(trained)[trial]
        assert end.test == record.end.test
        assert sum(line.startswith("step ") for line in lines) == len(record.reports)
        assert lines[-1].startswith("test score: accuracy")
        assert files(trained) == before

    def test_every_record_comes_out_again_with_the_cutoffs_of_the_sweep(self, trained: Path) -> None:
        for trial, record in read_records(trained).items():
            lines: list[str] = []
            end = print_replay(trial_of(trained, trial), lines.append)
            assert (end.outcome, end.reason, end.steps) == (record.end.outcome, record.end.reason, record.end.steps)

    def test_a_trial_that_has_not_run_yet_can_be_run(self, trained: Path, tmp_path: Path) -> None:
        copy = tmp_path / "copy"
        shutil.copytree(trained, copy)
        trial = measured(copy, seed=1)
        (copy / "records" / f"{trial}.json").unlink()
        assert print_replay(trial_of(copy, trial), lambda _: None).outcome == "finished"
        assert trial not in read_records(copy)

    def test_a_record_that_is_no_longer_wanted_can_be_run(self, trained: Path, tmp_path: Path) -> None:
        copy = tmp_path / "copy"
        shutil.copytree(trained, copy)
        trial = measured(copy)
        with Store(copy) as store:
            other = load_sweep_file("spectrum", "smoke", ["grid={arch: lstm, d_model: 8}", "hypotheses=[]"])
            store.write_sweep_file(other.spec.model_dump(mode="json", exclude_none=True))
        again = trial_of(copy, trial)
        assert (again.cell, again.cutoffs) == ("of a cell that the sweep no longer has", {})
        with pytest.raises(ValueError, match="does not ask for trial aaaaaaaaaaaa any more, and it has no record"):
            trial_of(copy, "a" * 64)

    def test_where_the_code_fails_the_trace_back_is_said(self, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: object) -> Iterator[Report]:
            raise ZeroDivisionError("in the code")

        monkeypatch.setattr("fsm_icl.training.trial.train", broken)
        lines: list[str] = []
        end = print_replay(trial_of(trained, measured(trained)), lines.append)
        assert end.outcome == "failed"
        assert any("Traceback" in line and "ZeroDivisionError: in the code" in line for line in lines)


class TestVerify:
    def test_the_sample_is_the_same_each_time_and_grows(self, trained: Path) -> None:
        drawn = {size: [s.record.hash for s in draw_sample(trained, size)] for size in (1, 3, 100)}
        assert drawn[3][:1] == drawn[1]
        assert drawn[100][:3] == drawn[3]
        finished = {h for h, r in read_records(trained).items() if r.end.outcome == "finished"}
        assert set(drawn[100]) == finished
        assert [s.record.hash for s in draw_sample(trained, 3)] == drawn[3]

    def test_trials_come_out_bit_for_bit(self, trained: Path) -> None:
        before = files(trained)
        for trial in draw_sample(trained, 3):
            found = verify_trial(trial)
            assert (found.same, found.largest, found.elsewhere) == (True, 0, [])
        assert files(trained) == before

    def test_nothing_finished_is_said(self, tmp_path: Path) -> None:
        folders.write(tmp_path, simulate.loaded(), stop_after=0)
        with pytest.raises(ValueError, match="no trial has finished yet"):
            draw_sample(tmp_path, 3)

    @pytest.fixture
    def measure(self, trained: Path) -> TrialSample:
        return next(s for s in draw_sample(trained, 100) if s.record.phase == "measure")

    @staticmethod
    def moved(trial: TrialSample, by: float, place: int = -1) -> list[Report]:
        """The record's reports with one accuracy moved."""
        reports = list(trial.record.reports)
        metrics = reports[place].metrics
        changed = metrics | {"val/accuracy": metrics["val/accuracy"] + by}
        reports[place] = reports[place].model_copy(update={"metrics": changed})
        return reports

    def test_one_bit_is_a_difference_here(self, measure: TrialSample) -> None:
        found = differences(measure, self.moved(measure, 1e-15, place=2), measure.record.end)
        assert not found.same
        assert found.largest is not None
        assert 0 < found.largest < 1e-14
        assert found.where == f"val/accuracy at step {measure.record.reports[2].step}"

    def test_counts_by_machine_are_compared_too(self, measure: TrialSample) -> None:
        test = measure.record.end.test
        assert test is not None
        swapped = [test.machine_correct[0] + 1, *test.machine_correct[1:]]
        end = measure.record.end.model_copy(update={"test": test.model_copy(update={"machine_correct": swapped})})
        found = differences(measure, measure.record.reports, end)
        assert not found.same

    @pytest.mark.parametrize(("by", "same"), [(0.04, True), (-0.06, False)])
    def test_elsewhere_the_last_report_counts_within_the_tolerance(
        self, measure: TrialSample, by: float, same: bool
    ) -> None:
        end = measure.record.end.model_copy(update={"cpu_model": "another", "versions": {"torch": "0"}})
        found = differences(measure, self.moved(measure, by), end)
        assert found.same == same
        assert any("cpu_model was" in text for text in found.elsewhere)
        assert any(text.startswith("torch was") for text in found.elsewhere)
        assert differences(measure, self.moved(measure, 0.5, place=1), end).same  # on the way there paths may part

    def test_another_outcome_is_a_difference(self, measure: TrialSample) -> None:
        end: TrialEnd = measure.record.end.model_copy(update={"outcome": "failed", "reason": "why", "test": None})
        found = differences(measure, measure.record.reports[:1], end)
        assert (found.same, found.largest, found.where) == (False, None, "now failed: why")

    def test_the_table_names_what_differs(
        self, trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trials = draw_sample(trained, 2)
        changed = trials[0].record.model_copy(update={"reports": self.moved(trials[0], 0.25, place=1)})
        trials[0] = TrialSample(trials[0].cell, changed, trials[0].replay_spec)
        assert not verify_all(trials, Console(width=110))
        out = capsys.readouterr().out
        assert "differs" in out
        assert "0.25 (val/accuracy at step" in out
        assert "same, bit for bit" in out

        real = rerun_module.run_trial

        def elsewhere(*arguments: object) -> Iterator[Report]:
            for report in real(*arguments):  # type: ignore[arg-type]
                end = report.end and report.end.model_copy(update={"cpu_model": "another"})
                yield report.model_copy(update={"end": end})

        monkeypatch.setattr(rerun_module, "run_trial", elsewhere)
        assert verify_all(draw_sample(trained, 1), Console(width=110))
        out = " ".join(capsys.readouterr().out.split())
        assert "same, within tolerance" in out
        assert "not the same machine: cpu_model was" in out
        assert "may differ by 0.05 in accuracy and 0.1 in loss" in out


class TestLoad:
    def test_the_model_scores_what_the_sweep_says(self, trained: Path) -> None:
        model, config = fsm_icl.load(trained, CELL, 1)
        assert not model.training
        assert config.fingerprint() == measured(trained, 1)
        recorded = read_records(trained)[measured(trained, 1)].end.test
        assert score(model, evaluation_set(config.task, "test", config.evaluation_seed), config) == recorded

    def test_torch_alone_reads_the_weights(self, trained: Path) -> None:
        before = files(trained)
        model, _ = fsm_icl.load(trained, CELL, 1)
        state = torch.load(trained / "trials" / measured(trained, 1) / "weights.pt", weights_only=True)
        model.load_state_dict(state)
        assert files(trained) == before

    def test_by_name(self, trained: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "results").symlink_to(trained.parent)
        assert fsm_icl.load("spectrum", CELL, 0, scale="smoke").config == fsm_icl.load(trained, CELL).config

    def test_what_is_not_there_is_said(self, trained: Path, tmp_path: Path) -> None:
        copy = tmp_path / "copy"
        shutil.copytree(trained, copy)
        with pytest.raises(ValueError, match="no sweep at 'nowhere'"):
            fsm_icl.load("nowhere", CELL, 0)
        with pytest.raises(ValueError, match="no cell 'gru'; cells: gru-d8-L1, rnn-d8-L1"):
            fsm_icl.load(copy, "gru", 0)
        with pytest.raises(ValueError, match="no measure seed 2; there are: 0 to 1"):
            fsm_icl.load(copy, CELL, 2)
        (copy / "trials" / measured(copy) / "weights.pt").unlink()
        with pytest.raises(ValueError, match=r"weights.pt: the trained weights are gone or damaged"):
            fsm_icl.load(copy, CELL, 0)
        (copy / "records" / f"{measured(copy)}.json").unlink()
        with pytest.raises(ValueError, match="has not ended"):
            fsm_icl.load(copy, CELL, 0)

    def test_the_package_stays_light(self) -> None:
        code = "import sys, fsm_icl; assert 'torch' not in sys.modules; fsm_icl.load; assert 'torch' in sys.modules"
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
        with pytest.raises(AttributeError, match="no attribute 'lode'"):
            _ = fsm_icl.lode  # type: ignore[attr-defined]
