"""fsm-icl import: which runs get in, what is said of the others, and that no file whatever breaks it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from fsm_icl.cli import app
from fsm_icl.results.files import as_folder
from fsm_icl.results.reading import read_manifest, read_records
from fsm_icl.results.records import ManifestCell, TrialRecord
from tests.analysis.builder import Plan, write_sweep
from tests.source.files import CURVES, curves, metrics, notebook, sized, write


class Imported:
    """What one call of the command said and left."""

    def __init__(self, results: Path, *files: Path, name: str = "cs182") -> None:
        typed = ["import", *map(str, files), "--results", str(results), "--name", name]
        done = CliRunner().invoke(app, typed)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        self.code, self.out, self.err = done.exit_code, done.stdout, done.stderr
        self.folder = results / f"{name}-imported"

    @property
    def cells(self) -> dict[str, ManifestCell]:
        return {cell.label: cell for cell in read_manifest(self.folder).cells}

    def record(self, label: str) -> TrialRecord:
        (wanted,) = self.cells[label].wanted
        return read_records(self.folder)[wanted.hash]


def test_a_run_is_read_whole_and_what_it_lacks_is_absent(tmp_path: Path) -> None:
    file = write(tmp_path, "lstm_direct_metrics.json", metrics())
    done = Imported(tmp_path / "results", file)
    assert done.code == 0
    cell, record = done.cells["lstm-d256-L2"], done.record("lstm-d256-L2")
    assert cell.fields == {"arch": "lstm", "d_model": 256, "num_layers": 2, "training": "direct"}
    assert (cell.num_params, cell.state_size, cell.flops_per_token, cell.steps) == (None, None, None, 3)
    assert record.imported is not None
    assert record.imported.file == file.name
    assert record.imported.experiment == "lstm_direct"
    assert record.imported.timestamp == "20251205_203215"
    assert record.imported.final_results == {"val_accuracy": 0.53, "test_accuracy": 0.9985}
    assert record.config["optimizer"] == {"learning_rate": 0.001}
    assert record.config["source"]["model_config"]["num_states"] == 8
    assert "seed" not in record.config
    assert "num_states" not in record.config["model"]
    assert [report.step for report in record.reports] == [1, 2, 3]
    last = {"train/loss": 0.8, "train/accuracy": 0.6, "val/loss": 0.9, "val/accuracy": 0.53}
    assert record.reports[-1].metrics == last
    test = record.end.test
    assert test is not None
    assert (test.accuracy, test.loss, test.machine_correct) == (0.9985, None, None)
    known = {"outcome", "test", "steps", "versions"}
    assert all(value is None for name, value in record.end if name not in known)
    manifest = read_manifest(done.folder)
    assert (manifest.seed, manifest.success_margin, manifest.tasks["direct"].ceiling) == (None, None, None)


def test_training_curves_have_neither_size_nor_time(tmp_path: Path) -> None:
    done = Imported(tmp_path / "results", write(tmp_path, "training_curves_data.json", curves()))
    assert done.code == 0
    assert list(done.cells) == ["rnn-direct", "rnn-curriculum_stage1", "lstm-direct"]
    assert done.cells["rnn-direct"].fields == {"arch": "rnn", "training": "direct"}
    record = done.record("rnn-curriculum_stage1")
    assert record.imported is not None
    assert (record.imported.experiment, record.imported.timestamp) == ("Vanilla_RNN.curriculum_stage1", None)
    assert [report.step for report in record.reports] == [1, 2, 4]
    assert "missing: width and depth of rnn-direct" in done.out


def test_architectures_that_we_do_not_have_are_data(tmp_path: Path) -> None:
    files = [write(tmp_path, f"{name}_direct_metrics.json", metrics(f"{name}_direct")) for name in ("s4", "mamba_2")]
    assert list(Imported(tmp_path / "results", *files).cells) == ["mamba_2-d256-L2", "s4-d256-L2"]


def test_a_parameter_count_is_taken_where_there_is_one(tmp_path: Path) -> None:
    file = write(tmp_path, "gru_direct_metrics.json", sized("gru_direct", 0.9, 128, 1, 123_456))
    done = Imported(tmp_path / "results", file)
    assert done.cells["gru-d128-L1"].num_params == 123_456
    assert "parameter count" not in done.out


def test_the_most_recent_run_of_a_pattern_wins(tmp_path: Path) -> None:
    old = write(tmp_path, "a.json", metrics(accuracy=0.7, timestamp="20251130_235959"))
    new = write(tmp_path, "b.json", metrics(accuracy=0.8, timestamp="20251201_000000"))
    wide = sized("lstm_direct", 0.9, 512, 2)  # another size is another pattern
    done = Imported(tmp_path / "results", new, old, write(tmp_path, "c.json", wide))
    assert done.code == 0
    assert set(done.cells) == {"lstm-d256-L2", "lstm-d512-L2"}
    test = done.record("lstm-d256-L2").end.test
    assert test is not None
    assert test.accuracy == 0.8
    assert "a.json (lstm_direct, 20251130_235959) is superseded by b.json (lstm_direct, 20251201_000000)" in done.out


def test_two_runs_of_one_second_are_not_guessed_between(tmp_path: Path) -> None:
    files = [write(tmp_path, f"{a}.json", metrics(accuracy=a)) for a in (0.7, 0.8)]
    done = Imported(tmp_path / "results", *files, write(tmp_path, "gru.json", metrics("gru_direct")))
    assert done.code == 1
    assert "skipped: 0.7.json and 0.8.json have other results of lstm_direct with the time stamp" in done.err
    assert list(done.cells) == ["gru-d256-L2"]


def test_a_curve_of_a_run_that_is_there_is_left_out(tmp_path: Path) -> None:
    content = curves()
    same = metrics(training_history={k: v for k, v in content["LSTM"]["direct"].items() if k.endswith(("es", "accs"))})
    done = Imported(tmp_path / "r", write(tmp_path, "c.json", content), write(tmp_path, "lstm.json", same))
    assert done.code == 0
    assert [label for label in done.cells if label.startswith("lstm")] == ["lstm-d256-L2"]
    assert "c.json (LSTM.direct) is the run of lstm.json" in done.out


def test_experiments_of_one_size_keep_apart(tmp_path: Path) -> None:
    files = [write(tmp_path, f"{e}.json", metrics(e)) for e in ("lstm_direct", "lstm_big_direct")]
    labels = set(Imported(tmp_path / "results", *files).cells)
    assert labels == {"lstm-d256-L2-lstm_direct", "lstm-d256-L2-lstm_big_direct"}


def test_a_file_name_that_disagrees_is_named_and_not_used(tmp_path: Path) -> None:
    done = Imported(tmp_path / "results", write(tmp_path, "gru_curriculum_simple_metrics.json", metrics()))
    assert done.code == 0
    assert list(done.cells) == ["lstm-d256-L2"]
    assert "the file's name says gru, its experiment (lstm_direct) says lstm: the experiment is used" in done.out
    assert "the file's name says curriculum, its experiment (lstm_direct) says direct" in done.out
    agrees = write(tmp_path, "vanilla_rnn_direct_20251205_203215_metrics.json", metrics("vanilla_rnn_direct"))
    assert "the file's name says" not in Imported(tmp_path / "agreeing", agrees).out


def test_final_results_beside_another_history_are_both_kept(tmp_path: Path) -> None:
    content = metrics(final_results={"val_accuracy": 0.6, "test_accuracy": 0.7})
    content["training_config"]["num_epochs"] = 15
    done = Imported(tmp_path / "results", write(tmp_path, "x.json", content))
    assert "val_accuracy is 0.6000 in its final results, 0.5300 at the end of its history" in done.out
    assert "num_epochs is 15, its history has 3" in done.out
    assert done.record("lstm-d256-L2").end.steps == 3
    assert done.cells["lstm-d256-L2"].steps == 15


def test_missing_baselines_are_named(tmp_path: Path) -> None:
    out = Imported(tmp_path / "results", write(tmp_path, "x.json", metrics("lstm_curriculum_simple"))).out
    assert "missing: no directly trained LSTM; nothing stands in for it" in out
    assert "missing: no directly trained vanilla RNN" in out


def test_importing_again_changes_nothing(tmp_path: Path) -> None:
    files = notebook(tmp_path)
    first = Imported(tmp_path / "results", *files)
    before = {path: path.read_bytes() for path in sorted(first.folder.rglob("*.json"))}
    again = Imported(tmp_path / "results", *files)
    assert again.code == 0
    assert again.out == first.out
    assert before == {path: path.read_bytes() for path in sorted(first.folder.rglob("*.json"))}


def test_what_an_earlier_import_left_is_no_longer_wanted(tmp_path: Path) -> None:
    files = notebook(tmp_path)
    Imported(tmp_path / "results", *files)
    fewer = Imported(tmp_path / "results", *files[:2])
    assert set(fewer.cells) == {"rnn-d256-L2", "rnn-d512-L2"}
    assert len(read_records(fewer.folder)) == len(files)


def test_results_may_lie_in_an_object_store(tmp_path: Path) -> None:
    file = write(tmp_path, "x.json", metrics())
    for _ in range(2):
        done = CliRunner().invoke(app, ["import", str(file), "--results", "memory://imported/results"])
        assert done.exit_code == 0, done.output
    folder = as_folder("memory://imported/results/cs182-imported")
    assert read_manifest(folder).imported
    assert len(read_records(folder)) == 1


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    file = write(tmp_path, "x.json", metrics())
    done = Imported(file, file)  # a file as the results' folder
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert len(done.err.splitlines()) == 1


def test_a_sweep_of_ours_is_not_imported_into(tmp_path: Path) -> None:
    file = write(tmp_path, "x.json", metrics())
    ours = write_sweep(tmp_path / "cs182-imported", [Plan("rnn")])
    before = {path: path.read_bytes() for path in ours.rglob("*.json")}
    done = Imported(tmp_path, file)
    assert done.code == 2
    assert "holds a sweep that was run here" in done.err
    assert before == {path: path.read_bytes() for path in ours.rglob("*.json")}
    (tmp_path / "mine-imported").mkdir()
    (tmp_path / "mine-imported" / "thesis.tex").write_text("x")
    done = Imported(tmp_path, file, name="mine")
    assert done.code == 2
    assert "no import made it" in done.err
    assert "--name" in Imported(tmp_path, file, name="../up").err


def without(name: str) -> dict[str, Any]:
    content = metrics()
    section, _, key = name.partition(".")
    del (content[section] if key else content)[key or section]
    return content


def changed(name: str, value: Any) -> dict[str, Any]:
    content = metrics()
    section, _, key = name.partition(".")
    (content[section] if key else content)[key or section] = value
    return content


def curve(**fields: Any) -> dict[str, Any]:
    return {"LSTM": {"direct": {**CURVES, **fields}}}


BROKEN: dict[str, tuple[Any, str]] = {
    "empty": (b"", "is not JSON: line 1"),
    "cut off": (json.dumps(metrics())[:200], "is not JSON"),
    "text": ("accuracy: 3", "is not JSON"),
    "bytes": (b"\xff\xfe\x00{", "is not UTF-8"),
    "number": ("3", "expected an object with keys, found 3"),
    "list": ([metrics()], "expected an object with keys"),
    "nothing in it": ({}, "expected an object with keys"),
    "deep": ("[" * 100_000, "nested too deeply"),
    "deeper than a record": (changed("model_config.more", json.loads("[" * 300 + "]" * 300)), "nested too deeply"),
    "half a letter": ('{"experiment": "\\ud800"}', "half of a surrogate pair"),
    "huge integer": ('{"experiment": ' + "9" * 5_000 + "}", "Exceeds the limit"),
    "key twice": ('{"experiment": "a", "experiment": "b"}', 'the key "experiment" stands twice'),
    "something else": ({"a": 1, "b": 2}, "is neither a *_metrics.json"),
    "NaN": (
        json.dumps(changed("training_history.val_losses", [1.0, float("nan"), 1.0])),
        "training_history.val_losses.1",
    ),
    "infinite": ('{"LSTM": {"direct": {"final_test_accuracy": 1e999}}}', "final_test_accuracy: is not a finite number"),
    "no experiment": (without("experiment"), "experiment: is missing"),
    "no time stamp": (without("timestamp"), "timestamp: is missing"),
    "no model": (without("model_config"), "model_config: is missing"),
    "no width": (without("model_config.d_model"), "model_config.d_model: is missing"),
    "no history": (without("training_history"), "training_history: is missing"),
    "no curve": (without("training_history.val_accs"), "training_history.val_accs: is missing"),
    "no test accuracy": (without("final_results.test_accuracy"), "final_results.test_accuracy: is missing"),
    "no architecture": (changed("experiment", "run7"), 'experiment: "run7" names no architecture'),
    "odd experiment": (changed("experiment", "lstm\n[red]direct"), "experiment: found"),
    "experiment a number": (changed("experiment", 3), "experiment: found 3"),
    "no date": (changed("timestamp", "20251345_990000"), "expected a time as YYYYMMDD_HHMMSS"),
    "width a string": (changed("model_config.d_model", "256"), 'model_config.d_model: found "256"'),
    "width true": (changed("model_config.d_model", True), "model_config.d_model: found true"),
    "width 0": (changed("model_config.d_model", 0), "model_config.d_model: found 0"),
    "percent": (changed("final_results.test_accuracy", 99.85), "expected a fraction from 0 to 1 (99.85 % is 0.9985)"),
    "above 100": (changed("final_results.test_accuracy", 101), "found 101; expected a fraction from 0 to 1"),
    "negative": (changed("final_results.test_accuracy", -0.1), "found -0.1; expected a fraction"),
    "percent in a curve": (
        changed("training_history.val_accs", [0.5, 53.0, 0.5]),
        "training_history.val_accs.1: found 53.0",
    ),
    "accuracy null": (changed("final_results.test_accuracy", None), "final_results.test_accuracy: found null"),
    "empty history": (changed("training_history.val_accs", []), "training_history.val_accs: found []"),
    "other lengths": (changed("training_history.val_accs", [0.5]), "the histories differ in length"),
    "history a number": (changed("training_history", 3), "training_history: found 3"),
    "negative loss": (
        changed("training_history.val_losses", [1.0, -1.0, 1.0]),
        "training_history.val_losses.1: found -1.0",
    ),
    "rate a string": (changed("training_config.learning_rate", "1e-3"), "training_config.learning_rate"),
    "curve without a field": ({"LSTM": {"direct": {"epochs": [1]}}}, "LSTM.direct.train_losses: is missing (and"),
    "curve a number": ({"LSTM": {"direct": 3}}, "LSTM.direct: found 3"),
    "epochs fall": (curve(epochs=[3, 2, 1]), "epochs do not rise"),
    "epochs too few": (curve(epochs=[1, 2]), "epochs has 2 entries, val_accs 3"),
    "curve in percent": (
        curve(final_test_accuracy=99.9),
        "LSTM.direct.final_test_accuracy: found 99.9; expected a fraction",
    ),
    "odd architecture": ({"L/S\tTM": {"direct": CURVES}}, 'arch: found "L/S\\tTM"'),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named_with_what_is_wrong_and_skipped(tmp_path: Path, name: str) -> None:
    content, wrong = BROKEN[name]
    broken, good = write(tmp_path, "broken.json", content), write(tmp_path, "good.json", metrics())
    alone = Imported(tmp_path / "results", broken)
    assert alone.code == 2
    assert f"skipped: {broken}: " in alone.err
    assert wrong in alone.err
    assert not (tmp_path / "results").exists()
    both = Imported(tmp_path / "results", broken, good)
    assert both.code == 1
    assert list(both.cells) == ["lstm-d256-L2"]
    assert len(both.err.splitlines()) == 1


def test_what_is_no_file_is_named_and_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, copy = (write(tmp_path, name, metrics()) for name in ("good.json", "copy.json"))
    os.mkfifo(tmp_path / "pipe")
    large = write(tmp_path, "large.json", metrics("gru_direct", more="x" * 5_000))
    monkeypatch.setattr("fsm_icl.source.content.MAX_BYTES", 5_000)
    wrong = {
        tmp_path: "is a folder; name the files in it",
        tmp_path / "none.json": "there is no such file",
        tmp_path / "pipe": "is no regular file",
        large: "files of the source have a few kB",
        copy: f"has the same content as {good}",
    }
    done = Imported(tmp_path / "results", good, *wrong)
    assert done.code == 1
    assert done.err.splitlines() == [line for line in done.err.splitlines() if line.startswith("skipped: ")]
    for path, why in wrong.items():
        assert any(str(path) in line and why in line for line in done.err.splitlines()), path
    assert Imported(tmp_path / "twice", good, good).code == 1


def test_a_name_that_no_terminal_can_print(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff\x1b[31m\n.json"))
    path.write_text(json.dumps(metrics()))
    done = Imported(tmp_path / "results", path)
    assert done.code == 0
    (record,) = read_records(done.folder).values()
    assert record.imported is not None
    assert record.imported.file.isprintable()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(content: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in `content`."""
    parts = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [above, *(place for key, part in parts for place in places(part, (*above, key)))]


def replaced(content: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    content[place[0]] = replaced(content[place[0]], place[1:], value)
    return content


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), make=st.sampled_from([metrics, curves]), value=JSON)
def test_whatever_stands_anywhere_it_is_imported_or_named(
    tmp_path: Path, data: st.DataObject, make: Callable[[], Any], value: Any
) -> None:
    place = data.draw(st.sampled_from(places(make())))
    file = write(tmp_path, "file.json", json.dumps(replaced(make(), place, value)))
    results = tmp_path / "results"
    done = Imported(results, file)
    if done.code == 0:
        assert read_records(done.folder).keys() >= {w.hash for c in done.cells.values() for w in c.wanted}
        for path in sorted(results.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        results.rmdir()
    else:
        assert done.code == 2
        assert done.err.startswith(f"skipped: {file}: ")
        assert not results.exists()
