"""report.html and report.md without a browser: what they hold, and that nothing in them is markup by accident."""

from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from analysis.figures.picture import Picture
from analysis.figures.registry import pictures
from analysis.findings.findings import Findings, findings_of
from analysis.report.files import tables_of
from analysis.report.page import write_page
from analysis.sources.snapshot import origin
from analysis.sources.sweep import load_sweep
from tests.analysis.builder import Plan, hypothesis, searched, share_hypothesis, spectrum, write_sweep


def pages(findings: Findings, folder: Path) -> tuple[str, str]:
    """HTML and Markdown, with a stand-in for each picture: what is drawn is tested elsewhere."""
    found = pictures(findings)
    images = {one.name: b"a picture" for one in found if isinstance(one, Picture)}
    html, markdown = write_page(findings, folder, found, images, origin(findings.sweep, "python -m analysis mine"))
    return html.read_text(), markdown.read_text()


class Balanced(HTMLParser):
    """Complains where tags do not nest."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def findings(tmp_path: Path) -> Findings:
    return findings_of(load_sweep(write_sweep(tmp_path / "s", spectrum(), [hypothesis(), share_hypothesis()])))


def test_both_hold_all_that_was_computed(findings: Findings, tmp_path: Path) -> None:
    for text in pages(findings, tmp_path):
        for verdict in findings.verdicts:
            assert verdict.sentence in unescape(text)
        for words in (
            "Is simple gating enough?",
            "2 of 2 declared claims are decided. Supported: “Gates help”",
            "40 of 40 trials",
            "d_model other than 64, 32",
            ".989 [.98",
            "41.5 points",
            "conditional on the chosen hyperparameters",
            "python -m analysis mine",
            "python -m fsm_icl.tune",
            "0" * 40,
            "torch 2.13.0",
            "Learning-rate sensitivity",
            "learning_rates.csv",
        ):
            assert words in text, words


def test_the_page_is_balanced_and_asks_nothing_of_the_network(findings: Findings, tmp_path: Path) -> None:
    html, _ = pages(findings, tmp_path)
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    links = [value for name, value in parser.attributes if name in ("src", "href") and value]
    assert len(links) > 10
    assert all(link.startswith(("#", "data:")) for link in links)
    assert sum(name == "alt" and bool(value) for name, value in parser.attributes) == 9
    assert "http" not in html


def test_words_of_the_sweep_file_are_text_and_no_markup(findings: Findings, tmp_path: Path) -> None:
    claim = "<script>alert(1)</script> | a & b"
    sweep = findings.sweep
    declared = [h.model_copy(update={"claim": claim}) for h in sweep.manifest.hypotheses]
    changed = replace(sweep, manifest=sweep.manifest.model_copy(update={"hypotheses": declared}))
    html, markdown = pages(findings_of(changed), tmp_path)
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; | a &amp; b" in html
    assert (
        "| &lt;script&gt;alert(1)&lt;/script&gt; &#124; a & b "
        "| within 600 steps; rnn-d64-L1: tanh, orthogonal start | accuracy |" in markdown
    )


def test_every_row_of_a_markdown_table_has_every_column(findings: Findings, tmp_path: Path) -> None:
    _, markdown = pages(findings, tmp_path)
    lines = markdown.splitlines()
    heads = [i for i, line in enumerate(lines) if line.startswith("| ---")]
    assert len(heads) == 6
    for head in heads:
        assert lines[head - 2] == ""
        rows = [lines[head - 1], *iter(iter(lines[head + 1 :]).__next__, "")]
        assert len(rows) > 1
        assert {row.count("|") for row in rows} == {lines[head].count("|")}


def test_each_trial_has_its_config(findings: Findings, tmp_path: Path) -> None:
    html, _ = pages(findings, tmp_path)
    assert html.count("<details><summary>search") == 16
    assert html.count("<details><summary>measure") == 24
    assert "finished after 600 steps, test accuracy 0.9" in html


def test_every_table_with_intervals_says_what_they_are_conditional_on(tmp_path: Path) -> None:
    for repeats, said in ((1, "conditional on the chosen hyperparameters"), (5, "searches and test classes")):
        plans = searched(spectrum(10), repeats)
        folder = write_sweep(tmp_path / str(repeats), plans, [hypothesis()], repeats=repeats)
        findings = findings_of(load_sweep(folder))
        tables = tables_of(findings, [])
        for name in ("cells", "gains"):
            assert tables[name]["interval_over"].str.contains(said).all()
        assert ("conditional" in tables["verdicts"]["sentence"][0]) is (repeats == 1)
        for text in pages(findings, tmp_path):
            assert text.count(said) >= 4  # cells, gains, two figures
            assert ("conditional" in text) is (repeats == 1)


def test_what_to_beware_of(tmp_path: Path) -> None:
    plans = [Plan("rnn", [0.6] * 3 + ["diverged", None, None], at_edge=["learning_rate"]), Plan("gru", failed=True)]
    findings = findings_of(load_sweep(write_sweep(tmp_path / "s", plans)))
    for text in pages(findings, tmp_path):
        assert "the winner lies at the edge of its range (learning_rate)" in text
        assert "fails within 600 steps: no proposal finished" in text
        assert "The sweep declares no claim." in text
    assert "so this is preliminary" in pages(findings, tmp_path)[0]
