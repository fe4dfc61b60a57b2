import json
from pathlib import Path

import pytest

from bench import coverage
from bench.coverage import simulate
from bench.coverage_page import markdown


@pytest.mark.timeout(300)
def test_a_few_worlds_cover() -> None:
    rows = {(row.what, row.num_seeds): row for row in simulate(6, 400)}
    for what in ("solved", "plateau", "solved - plateau"):
        covered = [rows[what, n].covered for n in coverage.NUM_SEEDS]
        assert all(share is not None for share in covered)
        assert sum(share or 0 for share in covered) / len(covered) >= 0.8  # 3.5 standard errors of 30 worlds
    assert rows["mixed - plateau", 5].covered is None  # a mixed cell's IQM has no interval
    wrong = [row.supported for row in rows.values() if row.supported is not None]
    assert sum(wrong) / len(wrong) < 0.1


def test_the_docs_show_what_the_last_run_found() -> None:
    content = json.loads(coverage.TABLE.read_text())
    assert (Path(__file__).parents[3] / "docs" / "coverage.md").read_text() == markdown(content)
    assert content["worlds"] >= 400


def test_what_was_simulated_is_what_is_promised() -> None:
    """Coverage of 95 %, and 2.5 % of claims at the boundary decided wrongly at most, within 2.5 standard errors."""
    content = json.loads(coverage.TABLE.read_text())
    error, of_wrong = ((p * (1 - p) / content["worlds"]) ** 0.5 for p in (0.95, 0.025))
    for row in content["rows"]:
        if row["what"] in ("mixed", "mixed - plateau"):
            continue  # no rule that looks at the seeds alone covers there: docs/coverage.md
        if row["covered"] is not None:
            assert row["covered"] >= 0.95 - 2.5 * error, row
        for wrong in ("supported", "refuted"):
            if row[wrong] is not None:
                assert row[wrong] <= 0.025 + 2.5 * of_wrong, row
