"""The README's example, edited until its verdict pleases: print, page and `verify --declared` all say so."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from analysis.__main__ import main
from analysis.figures.registry import pictures
from analysis.findings.findings import findings_of
from analysis.report.page import markdown
from analysis.sources.sweep import load_sweep
from fsm_icl import cli
from fsm_icl.results.records import TrialRecord
from fsm_icl.sweep.file import load
from fsm_icl.sweep.file.load import LoadedSweep
from fsm_icl.sweep.file.planned import PlannedTrial
from tests.analysis.builder import test_score as score_of
from tests.sweep import folders, simulate
from tests.test_readme import blocks

MINE = blocks("yaml")[0]
TRIALS = 2 * (4 + 5)
CHANGED = f"added after {TRIALS} of {TRIALS} trials had ended (changed: threshold 0.1 -> 0.01)"


def learner(planned: PlannedTrial) -> TrialRecord:
    """A trial that ends now; ReLU is about 4 points better than tanh."""
    record = simulate.train(planned)
    better = planned.config.model.nonlinearity == "relu"  # type: ignore[union-attr]
    test = score_of(0.60 + 0.04 * better + 0.002 * planned.place.index, planned.place.index)
    whole = {"ended_at": time.time(), "outcome": "finished", "test": None, "steps": planned.config.budget.steps}
    end = record.end.model_copy(update=whole)
    if planned.place.phase == "measure":
        end = end.model_copy(update={"test": test})
    return record.model_copy(update={"end": end, "reports": simulate.curve(planned)})


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write mine.yaml, with edits, and run it; the sweep's folder."""
    monkeypatch.chdir(tmp_path)

    def run(*edits: tuple[str, str], stop_after: int | None = None) -> Path:
        text = MINE
        for old, new in edits:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "mine.yaml").write_text(text)
        folder = tmp_path / "results" / "mine-default"
        folders.write(folder, loaded(), stop_after, learner)
        return folder

    return run


def loaded() -> LoadedSweep:
    return load.load_sweep_file("mine.yaml")


def verify() -> Result:
    return CliRunner().invoke(cli.app, ["verify", "mine", "--declared"])


def outcome(folder: Path) -> str:
    (verdict,) = findings_of(load_sweep(folder)).verdicts
    return verdict.outcome


def report_of(folder: Path) -> str:
    findings = findings_of(load_sweep(folder))
    return markdown(findings, pictures(findings), "")


EASIER = ("threshold: 0.10", "threshold: 0.01")


def test_the_example_cannot_be_edited_from_refuted_to_supported_unseen(
    run: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run()
    assert outcome(folder) == "refuted"
    assert "## Verdicts on the claims declared before the run" in report_of(folder)
    done = verify()
    assert (done.exit_code, done.stdout.count("\n")) == (0, 1), done.output
    assert done.stdout.startswith("relu_helps: declared 20")
    assert "UTC before the first trial ended, hash " in done.stdout

    assert run(EASIER) == folder
    assert outcome(folder) == "supported"
    assert main(["mine"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    page = (folder / "figures" / "report.html").read_text().replace("&gt;", ">")
    for shown in (printed, page, (folder / "figures" / "report.md").read_text()):
        assert "Verdict on a claim that was not declared before the run" in shown
        assert "the claims declared before the run" not in shown
        assert f"Not declared before the run: “ReLU beats tanh by 10 points or more” ({CHANGED})." in shown
        assert "test/accuracy greater 0.1, a rnn-d16-L1-relu" in shown
    done = verify()
    assert done.exit_code == 1
    standing, withdrawn = done.stdout.splitlines()
    assert standing.startswith(f"relu_helps: {CHANGED}; declared 20")
    assert withdrawn.startswith(f"relu_helps: withdrawn after {TRIALS} of {TRIALS} trials had ended; “ReLU beats tanh")


def test_taking_the_edit_back_does_not_hide_it(run: Callable[..., Path]) -> None:
    run()
    run(EASIER)
    folder = run()
    assert "withdrawn, and added again after" in report_of(folder)
    assert verify().exit_code == 1


def test_an_edit_before_the_first_trial_ended_is_fine(run: Callable[..., Path]) -> None:
    run(stop_after=0)
    run(EASIER)
    done = verify()
    assert done.exit_code == 0
    assert "threshold 0.1), declared 20" in done.stdout.splitlines()[1]


def test_seeds_that_were_raised_are_found(run: Callable[..., Path]) -> None:
    run()
    run(("num_seeds: 5", "num_seeds: 8"))
    done = verify()
    assert done.exit_code == 1
    assert f"relu_helps: seeds were raised from 5 to 8 after {TRIALS} of {TRIALS} trials had ended" in done.stdout


def test_a_claim_that_was_dropped_is_found(run: Callable[..., Path]) -> None:
    run(stop_after=3)
    run((MINE[MINE.index("hypotheses:") :], "hypotheses: []\n"))
    done = verify()
    assert done.exit_code == 1
    assert done.stdout.startswith(f"relu_helps: withdrawn after 3 of {TRIALS} trials had ended; ")


def test_without_claims_there_is_nothing_to_find(run: Callable[..., Path]) -> None:
    run((MINE[MINE.index("hypotheses:") :], "hypotheses: []\n"))
    done = verify()
    assert (done.exit_code, done.stdout) == (0, "no claim is or was declared\n")


def test_of_an_earlier_versions_folder_it_cannot_be_known(run: Callable[..., Path]) -> None:
    (run() / "declarations.json").unlink()
    done = verify()
    assert done.exit_code == 1
    assert "no declarations.json: an earlier version ran it, so nobody knows when its claims were" in done.stdout
    run()
    done = verify()
    assert done.exit_code == 1
    assert done.stdout.startswith("relu_helps: declared at an unknown time; declared at an unknown time, hash ")


def forge(path: Path, edit: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def set_threshold(version: Any) -> None:
    version["content"]["hypothesis"]["threshold"] = 0.01


def pretend_early(version: Any) -> None:
    version["declared"]["ended"] = 0


FILE = "declarations.json"


@pytest.mark.parametrize(
    ("name", "edit", "said"),
    [
        (FILE, lambda log: set_threshold(log["declarations"][1]), "declarations.json was edited: the hash is not that"),
        (FILE, lambda log: set_threshold(log["declarations"][0]), "declarations.json was edited: the hash is not that"),
        (FILE, lambda log: log["declarations"].pop(0), "disagree about it: one of them was edited"),
        (FILE, lambda log: log["declarations"].pop(), "has fewer versions than"),
        (
            FILE,
            lambda log: log["declarations"][1]["declared"].update(at="2026-01-01T00:00:00Z"),
            "disagree about it: one of them was edited",
        ),
        ("manifest.json", lambda m: m["hypotheses"][0].update(threshold=0.01), "relu_helps: not what was declared"),
        ("manifest.json", lambda m: m["hypotheses"].clear(), "manifest.json does not have it"),
    ],
)
def test_files_that_were_edited_by_hand_are_found(
    run: Callable[..., Path], name: str, edit: Callable[[Any], object], said: str
) -> None:
    run(stop_after=0)
    folder = run(("threshold: 0.10", "threshold: 0.20"))
    assert verify().exit_code == 0
    forge(folder / name, edit)
    done = verify()
    assert done.exit_code == 1
    assert said in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "threshold: 0.1",
            "threshold: 0.01",
            "relu_helps: sweep.yaml says otherwise (threshold 0.1 -> 0.01); ",
        ),
        ("name: relu_helps", "name: another", "another: only sweep.yaml has it: it was never declared"),
        ("question:", "questions:", "sweep.yaml can't be read, so it can't be compared"),
    ],
)
def test_a_sweep_file_that_says_something_else_is_found(
    run: Callable[..., Path], old: str, new: str, said: str
) -> None:
    path = run() / "sweep.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    done = verify()
    assert done.exit_code == 1
    assert said in done.stdout


def test_a_date_that_the_records_contradict_is_found(run: Callable[..., Path]) -> None:
    """Whoever says "0 had ended" in both files still has the records against them."""
    folder = run()
    run(EASIER)
    for path in (folder / "records").iterdir():
        forge(path, lambda record: record["end"].update(ended_at=record["end"]["ended_at"] - 3600))
    for name in ("declarations.json", "manifest.json"):
        forge(folder / name, lambda content: pretend_early(content["declarations"][1]))
    done = verify()
    assert done.exit_code == 1
    assert f"declared before the first trial ended, it says, yet {TRIALS} records are older" in done.stdout


def test_cells_that_change_places_in_both_files_are_found(run: Callable[..., Path]) -> None:
    """What a cell is called is not hashed, yet sweep.yaml tells which cells were meant."""
    folder = run()

    def exchange(cells: Any) -> None:
        cells["a"], cells["b"] = cells["b"], cells["a"]

    forge(folder / FILE, lambda log: exchange(log["declarations"][0]["cells"]))
    forge(folder / "manifest.json", lambda m: exchange(m["declarations"][0]["cells"]))
    forge(folder / "manifest.json", lambda m: exchange(m["hypotheses"][0]["cells"]))
    done = verify()
    assert done.exit_code == 1
    assert "relu_helps: sweep.yaml compares rnn-d16-L1-relu, rnn-d16-L1-tanh; " in done.stdout


def test_a_broken_file_is_one_clear_error(run: Callable[..., Path]) -> None:
    (run() / "declarations.json").write_text("{")
    done = verify()
    assert done.exit_code == 2
    assert "declarations.json: Invalid JSON" in done.stderr
    assert "Traceback" not in done.output
