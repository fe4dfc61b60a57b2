import json
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.figures import style
from analysis.figures.registry import pictures
from analysis.findings.findings import Findings, findings_of
from analysis.report.files import tables_of
from analysis.sources.sweep import load_sweep
from tests.analysis.builder import hash_of, hypothesis, share_hypothesis, spectrum, write_sweep
from tests.analysis.conftest import Presented

FIGURES = ["breakthrough", "collapse", "in_context", "learning_curves", "learning_rates", "matchings", "search"]
FIGURES += ["spectrum", "timeline"]
TABLES = ["cells", "counts", "declarations", "gains", "searches", "trials", "verdicts"]
FILES = sorted(
    [f"{name}.{ending}" for name in FIGURES for ending in ("csv", "pdf", "png")]
    + [f"{name}.csv" for name in TABLES]
    + ["report.html", "report.md", "snapshot.json", "snapshot.parquet"]
)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_sweep(tmp_path / "results" / "spectrum-laptop", spectrum(), [hypothesis(), share_hypothesis()])
    return tmp_path / "results"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, str]]:
    """Folders and commands of what would have been written; drawing is tested once, and takes seconds."""
    calls: list[tuple[Path, str]] = []

    def pretend(findings: Findings, typed: str) -> list[Path]:
        calls.append((findings.sweep.folder, typed))
        return [Path("report.html")]

    monkeypatch.setattr("analysis.report.files.write", pretend)
    return calls


def run(results: Path, *args: str) -> int:
    return main([*args, "--results", str(results)])


def test_it_prints_and_writes_everything(presented: Presented) -> None:
    assert sorted(path.name for path in presented.figures.iterdir()) == FILES
    out = presented.printed
    assert out.startswith("Reading ")
    for words in ("+41.5 points", "supported", "Not tested: "):
        assert words in out
    assert out.endswith(f"wrote {len(FILES)} files; open {presented.figures / 'report.html'}\n")
    page = (presented.figures / "report.html").read_text()
    assert f"python -m analysis spectrum --scale laptop --results {presented.figures.parents[1]}" in page


def test_figures_of_results_that_nobody_may_write_go_elsewhere(results: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*")}
    assert run(results, "report", "spectrum", "--scale", "laptop", "--output", str(tmp_path / "mine" / "figures")) == 0
    assert sorted(path.name for path in (tmp_path / "mine" / "figures").iterdir()) == FILES
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*")} == before


def test_a_colleague_renders_it_again_from_the_snapshot(
    presented: Presented, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(style, "DPI", 30)  # draws faster
    for name in ("snapshot.json", "snapshot.parquet"):
        (tmp_path / name).write_bytes((presented.figures / name).read_bytes())
    assert main(["report", str(tmp_path)]) == 0
    assert "supported" not in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == FILES
    for name in (name for name in FILES if name.endswith(".csv")):
        assert (tmp_path / "figures" / name).read_bytes() == (presented.figures / name).read_bytes(), name


def test_a_folder_can_be_given_instead_of_a_name(results: Path, written: list[tuple[Path, str]]) -> None:
    folder = results / "spectrum-laptop"
    assert main([str(folder)]) == 0
    assert written == [(folder, f"python -m analysis {folder}")]


def test_the_command_may_be_named_or_left_out(results: Path, written: list[tuple[Path, str]]) -> None:
    assert run(results, "present", "spectrum", "--scale", "laptop") == 0
    assert run(results, "--scale", "laptop", "spectrum") == 0
    assert run(results, "report", "spectrum", "--scale", "laptop") == 0
    assert [folder.name for folder, _ in written] == ["spectrum-laptop"] * 3


def test_two_sweeps_are_compared(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = write_sweep(results / "other", spectrum()[:2], seed=1)
    assert run(results, "compare", "spectrum", str(other), "--scale", "laptop") == 0
    out = capsys.readouterr().out
    assert "A: " in out
    assert "in A only" in out
    assert not (other / "figures").exists()
    assert run(results, "compare", "spectrum", "nothing", "--scale", "laptop") == 2
    assert "no sweep at" in _error(capsys)


def test_equal_sweeps_give_byte_equal_tables(results: Path, tmp_path: Path) -> None:
    other = write_sweep(tmp_path / "other" / "spectrum-laptop", spectrum(), [hypothesis(), share_hypothesis()])
    for path in (other / "records").iterdir():  # the same trials on a slower machine, another day
        record = json.loads(path.read_text())
        record["end"] |= {"seconds": 99.0, "tokens_per_second": 1.0, "node": "there", "started_at": 1.0}
        path.write_text(json.dumps(record))
    found = []
    for folder in (results / "spectrum-laptop", results / "spectrum-laptop", other):
        findings = findings_of(load_sweep(folder))
        tables = tables_of(findings, pictures(findings))
        found.append({name: table.to_csv() for name, table in tables.items() if name not in ("timeline", "matchings")})
    assert found[0] == found[1] == found[2]


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
    assert "can't write" in (said := capsys.readouterr().err)
    assert "; --output FOLDER writes them elsewhere" in said


def test_help_needs_neither_pandas_nor_matplotlib() -> None:
    code = "import sys, analysis.__main__ as m; m._parser().format_help(); "
    code += "print([n for n in ('pandas', 'matplotlib', 'scipy', 'torch') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_analysis_needs_no_torch_and_leaves_pyplot_alone() -> None:
    code = "import sys, analysis.report.files, analysis.report.comparison; "
    code += "print([n for n in ('torch', 'ray', 'optuna', 'wandb', 'matplotlib.pyplot') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_the_drivers_table_needs_no_matplotlib() -> None:
    code = "import sys, analysis.report.terminal; print([n for n in ('matplotlib', 'jinja2') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
