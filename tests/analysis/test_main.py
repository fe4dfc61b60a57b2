import json
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.__main__ import main
from tests.analysis.builder import Plan, around, hash_of, hypothesis, share_hypothesis, spectrum, write_sweep

FILES = ["cells.csv", "gains.csv", "spectrum.csv", "spectrum.pdf", "spectrum.png", "trials.csv", "verdict.md"]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_sweep(tmp_path / "results" / "spectrum-laptop", spectrum(), [hypothesis(), share_hypothesis()])
    return tmp_path / "results"


def run(results: Path, *args: str) -> int:
    return main([*args, "--results", str(results)])


def test_it_prints_and_writes_everything(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(results, "spectrum", "--scale", "laptop") == 0
    figures = results / "spectrum-laptop" / "figures"
    assert sorted(path.name for path in figures.iterdir()) == FILES
    out = capsys.readouterr().out
    assert out.startswith("Reading ")
    for words in ("+41.5 points", "supported", *(str(figures / name) for name in FILES)):
        assert words in out


def test_a_folder_can_be_given_instead_of_a_name(results: Path) -> None:
    assert main([str(results / "spectrum-laptop")]) == 0


def test_the_command_may_be_named_or_left_out(results: Path) -> None:
    assert run(results, "present", "spectrum", "--scale", "laptop") == 0
    assert run(results, "--scale", "laptop", "spectrum") == 0


def test_equal_sweeps_give_byte_equal_csvs(results: Path, tmp_path: Path) -> None:
    other = write_sweep(tmp_path / "other" / "spectrum-laptop", spectrum(), [hypothesis(), share_hypothesis()])
    for path in (other / "records").iterdir():  # the same trials on a slower machine, another day
        record = json.loads(path.read_text())
        record["end"] |= {"seconds": 99.0, "tokens_per_second": 1.0, "node": "there", "started_at": 1.0}
        path.write_text(json.dumps(record))
    folders = [results / "spectrum-laptop", results / "spectrum-laptop", other]
    found = []
    for folder in folders:
        assert main([str(folder)]) == 0
        texts = [(folder / "figures" / name).read_bytes() for name in FILES]
        found.append(texts)
    assert found[0] == found[1] == found[2]


def test_partial_sweeps_work_at_every_stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stages: list[list[Plan]] = [
        [Plan("rnn", [None] * 6, search=[]), Plan("gru", [None] * 6, search=[])],
        [Plan("rnn", [None] * 6), Plan("gru", [None] * 6, search=["finished", None])],
        [Plan("rnn", [0.57, *[None] * 5]), Plan("gru", [None] * 6, failed=True)],
        [Plan("rnn", around(0.57, 0.01)), Plan("gru", [0.99, 0.98, "failed", None, None, None])],
    ]
    for number, plans in enumerate(stages):
        folder = write_sweep(tmp_path / str(number), plans, [hypothesis()])
        assert main([str(folder)]) == 0
        out = capsys.readouterr().out
        assert " of " in out
        assert "partial: " in out
        assert "inconclusive" in out


def _error(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_an_unknown_sweep(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(results, "spektrum", "--scale", "laptop") == 2
    assert "spectrum-laptop" in _error(capsys)


def test_results_that_are_a_sweep(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = results / "spectrum-laptop"
    assert run(folder, "spectrum") == 2
    assert f"type: python -m analysis {folder}" in _error(capsys)


def test_a_broken_record(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = results / "spectrum-laptop" / "records" / f"{hash_of('rnn-d64-L1', 'measure', 0)}.json"
    path.write_text("{")
    assert run(results, "spectrum", "--scale", "laptop") == 2
    assert str(path) in _error(capsys)
    assert not (results / "spectrum-laptop" / "figures").exists()


def test_figures_that_cannot_be_written(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (results / "spectrum-laptop" / "figures").write_text("a file is in the way")
    assert run(results, "spectrum", "--scale", "laptop") == 1
    assert "can't write" in capsys.readouterr().err


def test_help_needs_neither_pandas_nor_matplotlib() -> None:
    code = "import sys, analysis.__main__ as m; m._parser().format_help(); "
    code += "print([n for n in ('pandas', 'matplotlib', 'scipy', 'torch') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_analysis_needs_no_torch_and_leaves_pyplot_alone(results: Path) -> None:
    code = f"import sys; from analysis.__main__ import main; main([{str(results / 'spectrum-laptop')!r}]); "
    code += "print([n for n in ('torch', 'ray', 'optuna', 'wandb', 'matplotlib.pyplot') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
