"""One sweep, presented once for all tests that look at what is printed and written: drawing takes seconds."""

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

import pytest

from analysis.__main__ import main
from tests.analysis.builder import Plan, around, hypothesis, share_hypothesis, spectrum, write_sweep


@dataclass(frozen=True)
class Presented:
    figures: Path
    printed: str


@pytest.fixture(scope="session")
def presented(tmp_path_factory: pytest.TempPathFactory) -> Presented:
    results = tmp_path_factory.mktemp("results")
    plans = [*spectrum(), Plan("mgu", ["diverged", *around(0.8, 0.01, 5)], at_edge=["learning_rate"])]
    folder = write_sweep(results / "spectrum-laptop", plans, [hypothesis(), share_hypothesis()])
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(["spectrum", "--scale", "laptop", "--results", str(results)]) == 0
    return Presented(folder / "figures", out.getvalue())
