"""One file owns every path and name of a results folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fsm_icl
from fsm_icl.results.files import as_folder
from fsm_icl.results.layout import SweepFolder, TrialFolder, marked_trial

PACKAGES = Path(fsm_icl.__file__).parents[1]
NAMES = (
    r"records|trials|wandb|figures|id|lock|sweep\.yaml|manifest\.json|declarations\.json|log\.txt|stack\.txt"
    r"|checkpoint\.pt|weights\.pt"
)


def test_no_other_file_builds_such_a_path() -> None:
    spelt = re.compile(rf'/ f?"(?:[^"]*/)?(?:{NAMES})"|\.done"|"[^"]*/(?:checkpoint\.pt|manifest\.json)"')
    files = [path for name in ("fsm_icl", "analysis") for path in (PACKAGES / name).rglob("*.py")]
    assert len(files) > 150
    found = [
        f"{path}:{number}"
        for path in files
        if path.name != "layout.py"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        # Ray and wandb have folders of their own that are called so.
        if spelt.search(line) and not path.match("tune/scratch.py") and "home" not in line and "CONTENT" not in line
    ]
    assert found == []


@pytest.mark.parametrize("place", ["results/a-smoke", "memory://bucket/a-smoke"])
def test_a_trial_knows_its_sweep(place: str) -> None:
    sweep = SweepFolder(as_folder(place))
    trial = sweep.trial("0" * 64)
    assert TrialFolder(trial.path).sweep.path.name == "a-smoke"
    assert str(trial.checkpoint).endswith(f"a-smoke/trials/{'0' * 64}/checkpoint.pt")


def test_a_marker_names_its_trial() -> None:
    assert marked_trial(SweepFolder(Path("a")).marker("0" * 64)) == "0" * 64


def test_logs_and_figures_of_a_folder_elsewhere_are_on_this_machine() -> None:
    assert SweepFolder(as_folder("memory://bucket/a-smoke")).local("0123abcd") == Path("results/a-smoke-0123abcd")
    assert SweepFolder(Path("a")).local("0123abcd") == Path("a")
