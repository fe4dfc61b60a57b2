import json
from pathlib import Path

import pandas as pd
import pytest

from analysis import coverage
from analysis.coverage import Coverage, coverage_note, markdown, simulate, simulated


def test_a_few_worlds_cover() -> None:
    rows = {(row.what, row.num_seeds): row for row in simulate(20, 2_000)}
    assert len(rows) == 7 * 4
    for what in ("solved", "plateau", "solved - plateau"):
        alone, both = (
            sum(getattr(rows[what, n], name) or 0 for n in (5, 10, 20)) for name in ("seeds_alone", "covered")
        )
        assert both / 3 >= 0.85  # 2.4 standard errors of 60 worlds below .93
        assert alone < both  # another test set would have been harder or easier, which seeds alone can't know


def test_the_docs_show_what_the_last_run_found() -> None:
    content = json.loads(coverage.TABLE.read_text())
    expected = markdown(simulated(), content["worlds"], content["resamples"])
    assert (Path(__file__).parents[2] / "docs" / "coverage.md").read_text() == expected
    assert content["worlds"] >= 1_000


def test_a_note_where_intervals_are_known_to_be_too_narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ("solved", "plateau", "mixed")
    known = tuple(Coverage(k, n, 0.9 if (k, n) == ("mixed", 5) else 0.95, 0.9) for k in kinds for n in (3, 5, 10, 20))
    monkeypatch.setattr(coverage, "simulated", lambda: known)
    rows = pd.DataFrame({"cell": ["a", "b", "c", "d"], "seeds": [6, 9, 12, 3], "successes": [3, 9, 3, 1]})
    (note,) = coverage_note(rows)
    assert note.startswith("a: simulated intervals of mixed cells at 5 seeds hold the truth in 90.0% of cases")
