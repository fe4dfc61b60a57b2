import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from analysis.figures.registry import pictures
from analysis.findings.findings import findings_of
from analysis.report.files import tables_of
from analysis.sources.snapshot import Origin, load_snapshot, origin, write_snapshot
from analysis.sources.sweep import Sweep, load_sweep
from fsm_icl.results.records import EARLIER_SLICES
from tests.analysis.builder import Plan, around, hypothesis, share_hypothesis, spectrum, write_sweep


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    plans = [*spectrum(), Plan("mgu", ["diverged", "failed", None, *around(0.8, 0.1, 3)])]
    folder = write_sweep(tmp_path / "sweep", plans, [hypothesis(), share_hypothesis()])
    content = json.loads((folder / "manifest.json").read_text())
    dropped = content["cells"][4]["wanted"].pop(0)["hash"]
    content["cells"][4]["wanted"][0]["pruned_at"] = 60
    (folder / "manifest.json").write_text(json.dumps(content))
    loaded = load_sweep(folder)
    assert set(loaded.unwanted) == {dropped}
    return loaded


def frozen(sweep: Sweep, folder: Path) -> Path:
    folder.mkdir()
    write_snapshot(sweep, folder, origin(sweep, "python -m analysis mine"))
    return folder


def test_everything_is_rendered_again_from_the_snapshot_alone(sweep: Sweep, tmp_path: Path) -> None:
    folder = frozen(sweep, tmp_path / "elsewhere")
    again = load_snapshot(folder)
    assert again.folder == folder
    assert (again.manifest, again.records, again.counts) == (sweep.manifest, sweep.records, sweep.counts)
    before, after = (tables_of(each, pictures(each)) for each in map(findings_of, (sweep, again)))
    assert len(before) == 9 + 7
    assert {name: table.to_csv() for name, table in before.items()} == {n: t.to_csv() for n, t in after.items()}


def test_it_says_where_it_came_from(sweep: Sweep, tmp_path: Path) -> None:
    found = Origin.model_validate_json((frozen(sweep, tmp_path / "elsewhere") / "snapshot.json").read_bytes())
    assert found.command == "python -m analysis mine"
    assert found.created_at.endswith("+00:00")
    assert found.commits == ["0" * 40]
    assert found.trained_with == {"torch": ["2.13.0"]}
    assert set(found.versions) >= {"python", "numpy", "scipy", "fsm-icl"}


def test_uncommitted_changes_are_marked(sweep: Sweep) -> None:
    records = {h: r.model_copy(update={"dirty": True}) for h, r in list(sweep.records.items())[:1]}
    object.__setattr__(sweep, "records", {**sweep.records, **records})
    assert origin(sweep, "").commits == ["0" * 40, f"{'0' * 40}+"]


@pytest.mark.parametrize(("name", "text"), [("snapshot.parquet", "no parquet"), ("snapshot.json", "{}")])
def test_a_broken_snapshot_is_named(sweep: Sweep, tmp_path: Path, name: str, text: str) -> None:
    path = frozen(sweep, tmp_path / "elsewhere") / name
    path.write_text(text)
    with pytest.raises(ValueError, match=f"elsewhere/{name}"):
        load_snapshot(path.parent)


def test_half_a_snapshot_is_named(sweep: Sweep, tmp_path: Path) -> None:
    path = frozen(sweep, tmp_path / "elsewhere") / "snapshot.parquet"
    path.unlink()
    with pytest.raises(ValueError, match=r"elsewhere/snapshot\.parquet"):
        load_snapshot(path.parent)


def test_a_snapshot_is_checked_like_any_other_source(sweep: Sweep, tmp_path: Path) -> None:
    path = frozen(sweep, tmp_path / "elsewhere") / "snapshot.json"
    content = json.loads(path.read_text())
    content["manifest"]["cells"][1]["label"] = "rnn-d64-L1"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="two cells have the same label"):
        load_snapshot(path.parent)


def test_a_snapshot_from_before_there_were_imports(sweep: Sweep, tmp_path: Path) -> None:
    folder = frozen(sweep, tmp_path / "elsewhere")
    path = folder / "snapshot.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["imported"]), path)
    assert load_snapshot(folder).records == sweep.records


def test_a_snapshot_whose_slices_have_columns_of_their_own() -> None:
    again = load_snapshot(Path(__file__).parents[3] / "docs" / "findings" / "budget")
    tests = [record.end.test for record in again.records.values() if record.end.test is not None]
    assert len(tests) > 10
    for test in tests:
        assert list(test.slices) == list(EARLIER_SLICES)
        assert {sum(each.total for each in found) for found in test.slices.values()} == {sum(test.machine_total)}
