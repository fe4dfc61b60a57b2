"""What print, page and tables say of when claims were declared follows from the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import unescape
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from analysis.figures.registry import pictures
from analysis.findings.declarations import caution
from analysis.findings.findings import Findings, findings_of
from analysis.findings.verdicts import Verdict
from analysis.report.files import tables_of
from analysis.report.page import markdown
from analysis.report.terminal import print_findings
from analysis.sources.snapshot import load_snapshot, origin, write_snapshot
from analysis.sources.sweep import load_sweep
from fsm_icl.results.records import Declaration, DeclaredHypothesis
from tests.analysis.builder import declaration, hypothesis, share_hypothesis, spectrum, write_sweep
from tests.analysis.report.test_page import pages

GATES, SHARE = hypothesis(), share_hypothesis()
BOLDER = hypothesis(threshold=0.5)
BEFORE = "Verdicts on the claims declared before the run"
LATER = "added after 40 of 40 trials had ended (changed: threshold 0.5 -> 0.1)"
RAISED = "seeds were raised from 6 to 10 after 24 of 40 trials had ended"
Build = Callable[..., Findings]


@pytest.fixture
def findings_in(tmp_path: Path) -> Build:
    def build(
        declarations: Sequence[Declaration], hypotheses: Sequence[DeclaredHypothesis] = (GATES, SHARE), name: str = "s"
    ) -> Findings:
        folder = write_sweep(tmp_path / name, spectrum(), hypotheses, declarations=list(declarations))
        return findings_of(load_sweep(folder))

    return build


def printed(findings: Findings) -> str:
    console = Console(file=StringIO(), width=1000)
    print_findings(findings, console)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


CHANGED = [declaration(BOLDER, 0, withdrawn=40), declaration(SHARE), declaration(GATES, 40)]


@pytest.mark.parametrize(
    ("declarations", "head", "box"),
    [
        ([declaration(GATES), declaration(SHARE)], BEFORE, ""),
        ([], "Verdicts on claims declared at an unknown time", "When the claims were declared is not known: "),
        (
            CHANGED,
            "Verdicts on 2 claims, 1 of them declared before the run",
            f"Not declared before the run: “Gates help” ({LATER}).",
        ),
        (
            [declaration(GATES, 24), declaration(SHARE, None)],
            "Verdicts on 2 claims, none of them declared before the run",
            "Not declared before the run: “Gates help” (added after 24 of 40 trials had ended); "
            "“GRU closes most of the gap” (declared at an unknown time).",
        ),
        (
            [declaration(GATES, 0, withdrawn=24), declaration(SHARE), declaration(GATES, 24, num_seeds=10)],
            f"{BEFORE}, seeds of 1 changed later",
            f"With other seeds than declared: “Gates help” ({RAISED}).",
        ),
        (
            [declaration(BOLDER), declaration(SHARE)],
            "Verdicts on 2 claims, 1 of them declared before the run",
            "Not declared before the run: “Gates help” (not what was declared).",
        ),
    ],
)
def test_the_heading_and_the_first_box_follow_from_the_data(
    findings_in: Build, tmp_path: Path, declarations: Sequence[Declaration], head: str, box: str
) -> None:
    findings = findings_in(declarations)
    said = caution(findings.histories)
    assert findings.heading == head
    assert said.startswith(box)
    assert bool(said) is bool(box)
    html, text = pages(findings, tmp_path)
    assert f">{head}</h2>" in html
    assert f"\n## {head}\n" in text
    assert f"\n{head}:\n" in printed(findings)
    for shown in (html, text, printed(findings)):
        assert box in shown.replace("&gt;", ">")
        assert shown.count("the claims declared before the run") == head.count("the claims declared before the run")


def test_without_a_claim_there_is_nothing_to_date(findings_in: Build) -> None:
    findings = findings_in([], hypotheses=[])
    assert (findings.heading, caution(findings.histories)) == ("Verdicts", "")


def test_a_late_claim_is_marked_and_a_withdrawn_one_stays_in_print_page_and_wandb(
    findings_in: Build, tmp_path: Path
) -> None:
    findings = findings_in(CHANGED)
    late = next(verdict for verdict in findings.verdicts if verdict.name == "gates")
    old = CHANGED[0]
    # markdown() is what the W&B report and the notes of the sweep's run show.
    for shown in (printed(findings), *pages(findings, tmp_path), markdown(findings, pictures(findings), "")):
        plain = unescape(shown)
        assert f"{late.sentence} [{LATER}]" in plain
        assert old.hash[:12] in plain
        assert "test/accuracy greater 0.5, a gru-d64-L1, b rnn-d64-L1, 6 seeds" in plain
        assert "2026-07-01 12:00 UTC, before the first trial ended" in plain
        assert "2026-07-01 12:40 UTC, after 40 of 40 trials had ended" in plain
        assert plain.count(LATER) >= 2  # in the first box, too


def test_tables_hold_every_version(findings_in: Build) -> None:
    tables = tables_of(findings_in(CHANGED), [])
    assert list(tables["verdicts"]["declared"]) == [LATER, "declared before the first trial ended"]
    rows = tables["declarations"].set_index("hash")
    assert list(rows.index) == [declaration.hash for declaration in CHANGED]
    assert list(rows["withdrawn_ended"].fillna(-1)) == [40, -1, -1]
    assert list(rows["declared_ended"]) == [0, 0, 40]
    assert list(rows["threshold"]) == [0.5, 0.8, 0.1]


def test_every_row_of_a_markdown_table_has_every_column(findings_in: Build) -> None:
    findings = findings_in(CHANGED)
    lines = markdown(findings, pictures(findings), "").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| withdrawn claim"))
    assert lines[start - 1] == ""
    assert [line.count("|") for line in lines[start : start + 3]] == [6, 6, 6]
    assert lines[start + 3] == ""


def test_withdrawn_claims_are_further_tests_of_their_family(findings_in: Build) -> None:
    def first(declarations: Sequence[Declaration], name: str) -> Verdict:
        return findings_in(declarations, name=name).verdicts[0]

    alone = first([declaration(GATES), declaration(SHARE)], "alone")
    other = hypothesis(threshold=0.3, family="other")
    unrelated = first([declaration(other, 0, withdrawn=3), declaration(GATES, 3), declaration(SHARE)], "other")
    twice = [declaration(BOLDER, 0, withdrawn=3), declaration(hypothesis(threshold=0.4), 3, withdrawn=4)]
    more = first([*twice, declaration(GATES, 4), declaration(SHARE)], "more")
    assert alone.p_value == more.p_value == unrelated.p_value
    assert alone.p_value is not None
    assert alone.adjusted_p == unrelated.adjusted_p == pytest.approx(2 * alone.p_value)
    assert more.adjusted_p == pytest.approx(4 * alone.p_value)


def test_the_correction_says_how_many_claims_it_is_for(findings_in: Build) -> None:
    versions = [declaration(hypothesis(threshold=0.1 + i / 1000), 0, withdrawn=1) for i in range(1, 60)]
    found = findings_in([*versions, declaration(GATES), declaration(SHARE)]).verdicts[0]
    assert "by Holm over the 61 claims of main" in found.sentence


def test_a_snapshot_carries_the_declarations(findings_in: Build, tmp_path: Path) -> None:
    findings = findings_in(CHANGED)
    (tmp_path / "elsewhere").mkdir()
    write_snapshot(findings.sweep, tmp_path / "elsewhere", origin(findings.sweep, ""))
    again = load_snapshot(tmp_path / "elsewhere")
    assert again.manifest.declarations == CHANGED
    assert findings_of(again).heading == findings.heading


def test_an_unreadable_declaration_is_one_clear_error(findings_in: Build) -> None:
    broken = declaration(GATES).model_copy(update={"content": {"hypothesis": 3}})
    with pytest.raises(ValueError, match=r"^declaration [0-9a-f]{12}: content.hypothesis: Input should be"):
        findings_in([broken])
