"""What is counted between the rooms of the house."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.rooms import House, circles, house_in, table

FILES = {
    "fsm_icl/__init__.py": "",
    "fsm_icl/tune/__init__.py": "",
    "fsm_icl/tune/run.py": "def run():\n    from fsm_icl.sweep.file import spec\n    import analysis.report, torch",
    "fsm_icl/tune/deep/__init__.py": "",
    "fsm_icl/tune/deep/cores.py": "from fsm_icl.tune.run import run",
    "fsm_icl/sweep/__init__.py": "",
    "fsm_icl/sweep/file/__init__.py": "",
    "fsm_icl/sweep/file/spec.py": "from .cells import Cell\nfrom fsm_icl.seeding import derive",
    "fsm_icl/sweep/file/cells.py": "if TYPE_CHECKING:\n    from fsm_icl.sweep.file.spec import Spec",
    "fsm_icl/seeding.py": "",
    "analysis/__init__.py": "",
    "analysis/report.py": "from fsm_icl.tune import run",
}
LAYERS = 'layers = ["fsm_icl.tune", "fsm_icl.sweep.file", "fsm_icl.seeding | fsm_icl.output"]'


@pytest.fixture
def house(tmp_path: Path) -> House:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "pyproject.toml").write_text(f'[[tool.importlinter.contracts]]\ntype = "layers"\n{LAYERS}\n')
    return house_in(tmp_path)


def test_imports_at_any_place_in_a_file_are_arrows(house: House) -> None:
    assert house.arrows == {
        ("fsm_icl.tune", "fsm_icl.sweep.file"): 1,
        ("fsm_icl.tune", "analysis"): 1,
        ("fsm_icl.tune", "fsm_icl.tune"): 1,
        ("fsm_icl.sweep.file", "fsm_icl.sweep.file"): 2,
        ("fsm_icl.sweep.file", "fsm_icl.seeding"): 1,
        ("analysis", "fsm_icl.tune"): 1,
    }


def test_rooms_stand_in_their_layers_and_others_first(house: House) -> None:
    assert list(house.rooms) == ["analysis", "fsm_icl.tune", "fsm_icl.sweep.file", "fsm_icl.seeding"]
    assert house.rooms["fsm_icl.tune"] == [
        "fsm_icl.tune",
        "fsm_icl.tune.deep",
        "fsm_icl.tune.deep.cores",
        "fsm_icl.tune.run",
    ]


def test_the_table_names_circles_of_rooms_and_of_files(house: House) -> None:
    said = table(house)
    assert "4 arrows between rooms, 4 imports; 3 imports inside rooms" in said
    assert "circles of rooms: 1\n    analysis <-> fsm_icl.tune\n" in said
    assert (
        "circles of files: 2\n    analysis.report <-> fsm_icl.tune.run\n"
        "    fsm_icl.sweep.file.cells <-> fsm_icl.sweep.file.spec" in said
    )


def test_circles() -> None:
    assert circles([("a", "b"), ("b", "c"), ("c", "b"), ("d", "d"), ("c", "e")]) == [("b", "c"), ("d",)]
