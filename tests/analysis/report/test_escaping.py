"""What a sweep file says is shown as it was said, whoever renders it: Markdown, a spreadsheet, pandas, matplotlib."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from analysis.figures.registry import pictures
from analysis.findings.findings import findings_of
from analysis.report import escaping, page, publish
from analysis.report.files import files_to_share, tables_of, write
from analysis.report.wandb import report_of
from analysis.sources.sweep import Sweep, load_sweep
from fsm_icl.tracking.sweep_run import _table
from tests.analysis.builder import hypothesis, spectrum, write_sweep

CLAIM = (
    "<img src=x onerror=alert(1)> [x](javascript:alert(2)) | a\n\n## heading\n- `one` *two* __three__ $4$ &lt; ![y](z)"
)
READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def tokens(text: str) -> list[Token]:
    return [inner for token in READER.parse(text) for inner in (token, *(token.children or ()))]


def kinds(text: str) -> set[str]:
    return {token.type for token in tokens(text)}


def texts(text: str) -> str:
    return "".join(token.content if token.type == "text" else "" for token in tokens(text))


@pytest.fixture
def plain(tmp_path: Path) -> Sweep:
    return load_sweep(write_sweep(tmp_path / "s", spectrum(), [hypothesis()]))


@pytest.fixture
def sweep(plain: Sweep) -> Sweep:
    (claim,) = plain.manifest.hypotheses
    said = [claim.model_copy(update={"claim": CLAIM, "name": "=1+1"})]
    changed = {"hypotheses": said, "question": f"Is <b>width</b> enough?\n## second line\n{CLAIM}"}
    return replace(plain, manifest=plain.manifest.model_copy(update=changed))


@given(st.text(alphabet="<>&;#lt[]()|!*_~`$\\-+=1. \n\r\u2028abx:/\"'", max_size=40))
def test_markdown_shows_a_text_as_it_is(text: str) -> None:
    shown = escaping.markdown(text)
    line = f"| a |\n| --- |\n| x{shown}x |\n\n# x{shown}\n\n- {shown}\n"
    assert kinds(line) <= kinds("| a |\n| --- |\n| x |\n\n# x\n\n- x\n")
    assert texts(f"x{shown}x").split() == f"x{text}x".split()


@given(st.text(alphabet="`a b\\<|", min_size=1, max_size=12))
def test_code_shows_a_text_as_it_is(text: str) -> None:
    (inline,) = (token for token in READER.parse(f"x {escaping.code(text)} x") if token.type == "inline")
    assert [child.type for child in inline.children or ()] == ["text", "code_inline", "text"]
    assert inline.children is not None
    assert inline.children[1].content.strip() == text.strip()


def test_words_of_the_sweep_file_are_no_markdown(plain: Sweep, sweep: Sweep, tmp_path: Path) -> None:
    """The report, and with it the notes of W&B's run and W&B's report, and a published page."""
    said, plain_said = findings_of(sweep), findings_of(plain)
    for text, before in (
        tuple(page.markdown(each, pictures(each), "mine") for each in (said, plain_said)),
        tuple(publish.computed(each, "mine") for each in (said, plain_said)),
    ):
        found = [token for token in tokens(text) if token.type not in ("text", "paragraph_open", "paragraph_close")]
        expected = [
            token for token in tokens(before) if token.type not in ("text", "paragraph_open", "paragraph_close")
        ]
        assert [token.type for token in found] == [token.type for token in expected]
        assert "[x](javascript:alert(2)) | a ## heading" in texts(text)
    report = report_of(said, "me", "mine")
    assert "\n" not in report.title
    assert "<img" not in files_to_share(said)["report.md"].decode()


@pytest.mark.parametrize(
    "name", ["=1+1", "+a", "-a", "@x", "NA", "nan", "None", "null", "\uff1d1", "007", "1e5", "-1", "True", "inf"]
)
def test_a_name_in_a_csv_is_a_name(plain: Sweep, name: str, tmp_path: Path) -> None:
    (claim,) = plain.manifest.hypotheses
    changed = plain.manifest.model_copy(update={"hypotheses": [claim.model_copy(update={"name": name})]})
    raw = escaping.csv(tables_of(findings_of(replace(plain, manifest=changed)), [])["verdicts"])
    path = tmp_path / "verdicts.csv"
    path.write_bytes(raw)
    for table in (pd.read_csv(BytesIO(raw)), _table(path)):
        assert list(table["name"]) == [f"'{name}"]
        assert table["estimate"].dtype == "float64"


@given(
    st.sampled_from(["name", "claim", "scale"]), st.text("0123456789.eE+-_ 'infatyINFATYrueRUElsNnoux/<>#", min_size=1)
)
def test_a_name_alone_in_its_column_is_read_as_it_was_said(column: str, name: str) -> None:
    raw = escaping.csv(pd.DataFrame({column: [name]}))
    (read,) = pd.read_csv(BytesIO(raw))[column]
    assert read == name or read.removeprefix("'") == name


def test_numbers_and_what_is_missing_stay_as_they_are() -> None:
    table = pd.DataFrame({"a": [-1.5, None], "b": ["-", "-2.5"], "c": ["rnn-d64", None], "d": [True, False]})
    assert escaping.csv(table) == b"a,b,c,d\n-1.5,-,rnn-d64,True\n,-2.5,,False\n"


def test_every_file_is_written_whatever_the_claims_say(sweep: Sweep) -> None:
    written = {path.name: path for path in write(findings_of(sweep), "mine")}
    assert {"report.md", "report.html", "verdicts.csv"} <= written.keys()
    assert "<img src=x" not in written["report.html"].read_text(encoding="utf-8")
