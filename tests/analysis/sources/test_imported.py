"""Imported runs in analysis: three figures of one folder, points without intervals, and a comparison with ours."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from analysis.__main__ import main
from analysis.figures.main_figure import answer_info
from analysis.figures.picture import NotDrawn, Picture
from analysis.figures.registry import pictures
from analysis.findings.comparison import compare
from analysis.findings.findings import Findings, findings_of
from analysis.findings.insights import insights
from analysis.findings.summary import summarise
from analysis.sources.find import load
from analysis.sources.sweep import Sweep
from fsm_icl.cli import app
from fsm_icl.source.command import import_files
from tests.analysis.builder import Plan, around, write_sweep
from tests.source.files import curves, metrics, notebook, sized, write


def imported(folder: Path, files: list[Path]) -> Path:
    assert import_files(files, str(folder / "results"), "cs182") == 0
    return folder / "results" / "cs182-imported"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("source")
    return imported(home, notebook(home))


@pytest.fixture(scope="module")
def without_sizes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("curves")
    return imported(home, [write(home, "training_curves_data.json", curves())])


def asked(folder: Path, question: str) -> Sweep:
    return load(question, None, str(folder))


def findings_in(folder: Path, question: str) -> Findings:
    return findings_of(asked(folder, question))


def test_each_question_takes_the_cells_that_it_is_about(folder: Path) -> None:
    gated = ["gru-d256-L2", "lstm-d256-L2", "s4-d256-L4"]
    assert list(asked(folder, "capacity").cells) == ["rnn-d256-L2", "rnn-d512-L2", "rnn-d1024-L2", *gated]
    assert list(asked(folder, "depth").cells) == ["rnn-d256-L2", "rnn-d256-L5", *gated]
    assert list(asked(folder, "spectrum").cells) == ["rnn-d256-L2", *gated]
    assert len(load(str(folder), None, "results").cells) == 8  # curricula, too


def test_figures_have_the_notebooks_axes(folder: Path) -> None:
    width = answer_info(findings_in(folder, "capacity"))
    assert [(s.name, [x for x, _ in s.places]) for s in width.series] == [("RNN", [256, 512, 1024])]
    assert [one.cell.arch for one in width.references] == ["gru", "lstm", "s4"]
    assert {cell.label: cell.num_params for cell in width.cells}["s4-d256-L4"] is None
    depth = answer_info(findings_in(folder, "depth"))
    assert [[x for x, _ in s.places] for s in depth.series] == [[2, 5]]
    assert {curve.arch for curve in depth.curves} == {"rnn", "gru", "lstm", "s4"}
    assert [s.name for s in answer_info(findings_in(folder, "spectrum")).series] == list(
        asked(folder, "spectrum").cells
    )


def test_curves_alone_say_no_learning_rate(without_sizes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spectrum", "--results", str(without_sizes)]) == 0
    assert "- rnn-direct -> lstm-direct: +46.2 points" in capsys.readouterr().out
    cells = pd.read_csv(without_sizes / "spectrum" / "figures" / "cells.csv")
    assert cells["best_learning_rate"].isna().all()


@pytest.mark.parametrize("question", ["capacity", "depth", "spectrum"])
def test_a_page_is_written_for_each_question(folder: Path, question: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([question, "--results", str(folder)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "so there are points only" in printed.lower()
    assert "one run per cell, and no claim was declared" in printed
    figures = folder / question / "figures"
    assert (figures / f"{question}.png").stat().st_size > 10_000
    for page in ("report.html", "report.md"):
        text = (figures / page).read_text()
        assert "lstm_direct_metrics.json" in text
        assert "20251205_203215" in text
        assert f"{question}: " in text  # insights
        assert "fsm_icl.tune" not in text
    cells = pd.read_csv(figures / "cells.csv")
    assert cells["iqm_low"].isna().all()
    assert cells["ceiling"].isna().all()
    assert cells["success_rate"].isna().all()
    assert cells["reached_threshold"].isna().all()
    assert set(cells["interval_over"]) == {
        "seeds only: per-machine counts are not known, conditional on the chosen hyperparameters"
    }
    # The snapshot alone gives the same again.
    again, before = load(str(figures), None, "results"), asked(folder, question)
    assert (again.manifest, again.records) == (before.manifest, before.records)


def test_what_imported_runs_do_not_say_is_not_drawn(folder: Path, without_sizes: Path) -> None:
    known = {one.name: one for one in pictures(findings_in(folder, "spectrum"))}
    drawn = {name for name, one in known.items() if isinstance(one, Picture)}
    assert drawn == {"spectrum", "learning_curves", "matchings"}
    reasons = {name: one.reason for name, one in known.items() if isinstance(one, NotDrawn)}
    assert reasons["timeline"] == "the imported results have no times"
    assert reasons["in_context"] == "the imported results have no accuracy by query step"
    assert reasons["breakthrough"] == "what counts as success is unknown, because the ceiling is"
    unsized = pictures(findings_in(without_sizes, "spectrum"))
    assert {one.name for one in unsized if isinstance(one, Picture)} == {"spectrum", "learning_curves"}
    for one in unsized + pictures(findings_of(load(str(without_sizes), None, "results"))):
        if isinstance(one, Picture):
            one.draw()


def test_insights_are_computed(folder: Path) -> None:
    width = insights(asked(folder, "capacity"))
    assert "rnn-d256-L2 -> rnn-d512-L2: +1.3 points, 3.96 times the parameters (270,000 -> 1,070,000)" in width[0]
    assert "rnn-d256-L2 -> rnn-d1024-L2: +10 points, 15.6 times the parameters" in width[2]
    # (.6366 - .5366) / (.9366 - .5366)
    assert "rnn-d1024-L2 closes 25% of the gap from rnn-d256-L2 to lstm-d256-L2 (40 points)" in width[4]
    depth = insights(asked(folder, "depth"))
    assert "rnn-d256-L2 -> rnn-d256-L5: -10 points" in depth[0]
    assert "closes nothing of the gap" in depth[1]
    spectrum = insights(asked(folder, "spectrum"))
    assert "lstm-d256-L2 -> s4-d256-L4: -31.7 points, the parameters of s4-d256-L4 are unknown" in spectrum[2]
    assert "they differ in num_layers (2, 4), too" in spectrum[2]
    assert len(insights(load(str(folder), None, "results"))) == len([*width, *depth, *spectrum])


def test_a_missing_baseline_is_named_not_guessed(tmp_path: Path) -> None:
    runs = [("vanilla_rnn_direct", 0.5, 256, 2), ("vanilla_rnn_wide_direct", 0.6, 512, 2)]
    files = [write(tmp_path, f"{run[0]}.json", sized(*run)) for run in runs]
    (gain, share) = insights(asked(imported(tmp_path, files), "capacity"))
    assert "+10 points, the parameters of rnn-d256-L2 and rnn-d512-L2 are unknown" in gain
    assert "no directly trained LSTM was imported, so no share of a gap is given; nothing stands in for it" in share


def test_a_gap_that_is_too_small_has_no_shares(tmp_path: Path) -> None:
    runs = [("vanilla_rnn_direct", 0.95, 256, 2), ("gru_direct", 0.97, 256, 2), ("lstm_direct", 0.99, 256, 2)]
    files = [write(tmp_path, f"{run[0]}.json", sized(*run)) for run in runs]
    assert "is not beyond 5 points" in insights(asked(imported(tmp_path, files), "spectrum"))[-1]


def test_nothing_to_draw_is_one_line(without_sizes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capacity", "--results", str(without_sizes)]) == 2
    error = capsys.readouterr().err
    assert "no imported file holds a directly trained cell that says its d_model" in error
    assert len(error.splitlines()) == 1


def test_one_run_has_no_interval_and_no_success(folder: Path) -> None:
    for summary in summarise(asked(folder, "spectrum")).values():
        assert summary.score is not None
        assert summary.score.iqm.interval is None
        assert summary.score.success is None
        assert summary.score.iqm.value == summary.accuracies[0]


def test_ours_beside_an_imported_run(folder: Path, without_sizes: Path, tmp_path: Path) -> None:
    plans = [
        Plan("rnn", around(0.6, 0.01), d_model=256, num_layers=2),
        Plan("rnn", around(0.7, 0.01), d_model=128, num_layers=2),
        Plan("lstm", around(0.98, 0.001), d_model=256, num_layers=2),
    ]
    ours = load(str(write_sweep(tmp_path / "cs182-laptop", plans)), None, "results")
    found = {cell.label: cell for cell in compare(load(str(folder), None, "results"), ours).cells}
    lstm = found["lstm-d256-L2"]
    assert lstm.gain is not None
    assert lstm.gain.value == pytest.approx(0.98 - 0.9366, abs=1e-3)
    assert lstm.gain.interval is None
    assert lstm.improvement is None
    assert found["rnn-d128-L2"].notes == ("in B only",)
    assert found["lstm-d256-L2-curriculum_simple"].notes == ("in A only",)
    # Without a size the run stands beside each of ours that it may be.
    unsized = {cell.label: cell for cell in compare(ours, load(str(without_sizes), None, "results")).cells}
    assert {"rnn-d256-L2 / rnn-direct", "rnn-d128-L2 / rnn-direct", "lstm-d256-L2 / lstm-direct"} < unsized.keys()
    assert "imported size unknown" in unsized["rnn-d256-L2 / rnn-direct"].notes
    assert unsized["rnn-curriculum_stage1"].notes == ("in B only",)


def test_compare_says_what_the_import_lacks(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = write_sweep(tmp_path / "spectrum-laptop", [Plan("lstm", d_model=256, num_layers=2)])
    assert main(["compare", "spectrum", str(ours), "--results", str(folder)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "A is imported: one run per cell, its seed unknown" in printed
    assert "B is imported" not in printed


def test_commands_about_trials_know_imported_ones(folder: Path) -> None:
    trial = next(iter((folder / "records").glob("*.json"))).stem
    for typed, code, said in (
        (["status"], 0, "8 of 8 trials ended"),
        (["logs"], 0, "lstm-d256-L2, measure"),
        (["logs", trial[:12]], 0, "its steps are epochs"),
        (["verify"], 2, "imported results can't be run again here"),
        (["verify", "--declared"], 2, "imported results have no declared claims"),
        (["run", trial[:12]], 2, "imported results can't be run again here"),
        (["sync"], 2, "imported results have no W&B runs to send"),
    ):
        done = CliRunner().invoke(app, [typed[0], str(folder), *typed[1:]])
        assert done.exit_code == code, typed
        assert said in done.output, typed


def test_one_file_is_enough(tmp_path: Path) -> None:
    folder = imported(tmp_path, [write(tmp_path, "x.json", metrics("s4_direct"))])
    for question in ("capacity", "depth", "spectrum"):
        for one in pictures(findings_in(folder, question)):
            if isinstance(one, Picture):
                one.draw()
        json.dumps(insights(asked(folder, question)))
