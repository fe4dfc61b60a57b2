"""The worked examples of CONTRIBUTING.md work: each is saved where the page says, and used."""

from __future__ import annotations

import importlib.util
import re
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from analysis.figures import registry
from analysis.figures.picture import NotDrawn, Picture
from analysis.findings.findings import findings_of
from analysis.sources.sweep import Sweep, load_sweep
from fsm_icl.testing import ArchitectureContract
from tests.analysis.builder import Plan, spectrum, write_sweep

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"save it as `([\w/.]+)`:\n\n```python\n(.*?)```", TEXT, re.DOTALL))


def example(path: str, folder: Path) -> ModuleType:
    """The example's module, under the name that its place would give it."""
    assert not (ROOT / path).exists(), f"{path} exists: the example would overwrite it"
    (folder / Path(path).name).write_text(EXAMPLES[path], encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path[:-3].replace("/", "."), folder / Path(path).name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where annotations are looked up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return load_sweep(write_sweep(tmp_path / "spectrum-laptop", spectrum()))


def test_every_python_example_is_executed_here() -> None:
    assert set(EXAMPLES) == {"analysis/figures/seconds.py", "analysis/sources/lines.py", "fsm_icl/models/leaky.py"}
    assert TEXT.count("```python") == len(EXAMPLES)


def test_the_figure_is_drawn_with_the_others(sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = example("analysis/figures/seconds.py", tmp_path)
    monkeypatch.setattr(registry, "FIGURES", (*registry.FIGURES, figure.picture))
    (made,) = (one for one in registry.pictures(findings_of(sweep)) if one.name == "seconds")
    assert isinstance(made, Picture)
    assert set(made.table["cell"]) == set(sweep.cells)
    assert all(path.stat().st_size > 1000 for path in made.save(tmp_path))


def test_the_figure_says_why_it_is_not_drawn(tmp_path: Path) -> None:
    begun = load_sweep(write_sweep(tmp_path / "spectrum-laptop", [Plan("gru", [None] * 6)]))
    made = example("analysis/figures/seconds.py", tmp_path).picture(findings_of(begun))
    assert isinstance(made, NotDrawn)


def test_the_source_reads_what_the_folder_holds(sweep: Sweep, tmp_path: Path) -> None:
    lines = tmp_path / "all.jsonl"
    records = [path.read_text() for path in (tmp_path / "spectrum-laptop" / "records").iterdir()]
    manifest = (tmp_path / "spectrum-laptop" / "manifest.json").read_text()
    lines.write_text("\n".join([manifest, *records]))
    load_lines = example("analysis/sources/lines.py", tmp_path).load_lines
    pd.testing.assert_frame_equal(load_lines(lines).table, sweep.table)
    lines.write_text("\n".join([manifest, records[0].replace('"outcome":"', '"outcome":"un')]))
    with pytest.raises(ValueError, match=r"all\.jsonl \(line 2\): end\.outcome: Input should be 'finished'"):
        load_lines(lines)


with tempfile.TemporaryDirectory() as _folder:
    LeakySpec = example("fsm_icl/models/leaky.py", Path(_folder)).LeakySpec


class TestTheArchitecture(ArchitectureContract):
    variants = (LeakySpec(arch="leaky"), LeakySpec(arch="leaky", leak=0.9))
