"""What YAML 1.2 and JSON allow is read as it was meant; what can't be seen is named, on the line that has it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from fsm_icl.sweep.file.cells import cells_of
from fsm_icl.sweep.file.load import load_sweep_file
from fsm_icl.sweep.file.yaml import SpecError, read_yaml

LINES = "  one\n  two\n\n  three\n"


@pytest.mark.parametrize(
    ("style", "text", "value"),
    [
        ("folded", f"q: >\n{LINES}", "one two\nthree\n"),
        ("folded, stripped", f"q: >-\n{LINES}", "one two\nthree"),
        ("folded, kept", f"q: >+\n{LINES}\n", "one two\nthree\n\n"),
        ("folded, indented by the number", "q: >1\n  one\n two\n", " one\ntwo\n"),
        ("folded, an indented line within", "q: >\n  one\n    two\n  three\n", "one\n  two\nthree\n"),
        ("literal", f"q: |\n{LINES}", "one\ntwo\n\nthree\n"),
        ("literal, stripped", f"q: |-  # why\n{LINES}", "one\ntwo\n\nthree"),
        ("literal behind blank lines", "q: |\n \n\n  one\n", "\n\none\n"),
        ("plain", f"q: zero\n{LINES}", "zero one two\nthree"),
        ("single quotes", "q: 'it''s\n\n  one'\n", "it's\none"),
        ("double quotes", 'q: "a\\tb\\\n  c \\x41\\u00e9\\U0001f9ea\\/"\n', "a\tbc Aé🧪/"),
        ("a pair of JSON's escapes", r'q: "\ud83e\uddea"', "🧪"),
        ("a tab behind the colon", "q:\tone", "one"),
        ("tabs around a comment", "q: one\t\t# why\n", "one"),
        ("a tab in a plain text", "q: one\ttwo", "one\ttwo"),
        ("a tab behind >", "q: >-\t\n  one\n  two\n", "one two"),
        ("a tab on an empty line", "q: one\n\t\n", "one"),
        ("line breaks of Windows", "q: >-\r\n  one\r\n  two\r\n", "one two"),
        ("no breaks in YAML 1.2", "q: 'one\u2028 two'\n", "one\u2028 two"),
        ("a question mark that begins a word", "{q: ?0}", "?0"),
        ("a colon that begins a word", "{q: :0}", ":0"),
        ("an equals sign", "q: =", "="),
        ("a merge key's name", "q: <<", "<<"),
        ("a number", "q: -.5e3", -500.0),
        ("a tag that makes text", "q: !!str 12", "12"),
        ("a tag that makes text of a number without a digit in front", "q: !!str -.5e3", "-.5e3"),
        ("the tag without a name makes text, too", "q: ! 12", "12"),
        ("the tag without a name, of nothing", "q: !", ""),
        ("a later version of YAML", "%YAML 1.3\n---\nq: no\n", "no"),
        ("a version with a comment", "%YAML 1.2  # why\n---\nq: no\n", "no"),
        ("a name for tags", "%TAG !y! tag:yaml.org,2002:\n---\nq: !y!str 12\n", "12"),
    ],
)
def test_every_style_of_scalar_is_read_as_yaml_1_2_says(style: str, text: str, value: Any) -> None:
    assert read_yaml(text, style).value == {"q": value}


@pytest.mark.parametrize("text", ["{:q: 1}", "{ :q: 1}", "{\n  :q: 1}", "{:q : 1}", '{  # a "word"\n:q: 1}', ":q: 1"])
def test_a_key_may_begin_with_a_colon(text: str) -> None:
    assert read_yaml(text, "x").value == {":q": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "%YAML 1.1\n---\nq: no\n",
            "x:1: not valid YAML: version '1.1': a sweep file is YAML 1.2; leave this line out",
        ),
        ("# why\n%YAML 2.0\n---\nq: 1\n", "x:2: not valid YAML: version '2.0': a sweep file is YAML 1.2; leave this"),
        ("%YAML one\n---\nq: 1\n", "x:1: not valid YAML: version 'one': a sweep file is YAML 1.2; leave this line out"),
        ("%TAG ! tag:x,2000:\n---\nq: !a 1\n", "x:3: tag tag:x,2000:a is not used here; write a plain value"),
        ("q:\n  ! [1]", "x:2: tag tag:yaml.org,2002:str is not used here; write a plain value"),
    ],
)
def test_a_version_or_tag_that_is_not_used_here(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_yaml(text, "x")
    assert str(caught.value).startswith(message)


def test_a_list_item_may_follow_a_tab_yet_no_block_may() -> None:
    assert read_yaml("a:\n-\tone\n- two\n", "x").value == {"a": ["one", "two"]}
    with pytest.raises(SpecError, match="x:2: not valid YAML"):
        read_yaml("a:\n-\tb: one\n", "x")
    with pytest.raises(SpecError, match="x:2: not valid YAML: a tab"):
        read_yaml("a:\n\tb: one\n", "x")


_NO_TEXT = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufdd0\ufdd1\ufdd2\ufffe\uffff"
_SIGNS = list(" \n\t\"\\/:,{}[]#-?&*!|>%@`'=<~\u2028\u00a0\ufeff🧪")
texts = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters=_NO_TEXT) | st.sampled_from(_SIGNS), max_size=20
)
leaves = texts | st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()
keys = texts.filter(lambda text: text != "<<")
values = st.recursive(leaves | st.none(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner))
separators = st.sampled_from([None, (",", ":"), (" ,\t", "\t:\n"), (",", "\n:")])


@settings(max_examples=150, deadline=None)
@given(values, st.booleans(), st.sampled_from([None, 0, 2, "\t"]), separators)
def test_json_is_read_as_json(value: Any, ascii_: bool, indent: Any, parts: Any) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_, indent=indent, separators=parts)
    assert read_yaml(raw, "x").value == json.loads(raw)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text("abc", min_size=1), leaves | st.lists(leaves)))
def test_a_sweep_file_that_a_driver_writes_is_read_again(value: Any) -> None:
    stream, writer = io.StringIO(), YAML(typ="safe", pure=True)
    writer.dump({"hypotheses": [value]}, stream)
    assert read_yaml(stream.getvalue(), "x").value == {"hypotheses": [value]}


SPOILT = """\
question: Is it?
task:
  num_states: 3
  num_actions: 3
grid:
  - arch: [rnn, gru]
search:
  learning_rate: {log: [1e-3, 6e-2]}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("question:", "question\uff1a", r"mine.yaml:1: not valid YAML: '\uff1a' (fullwidth colon) is no colon"),
        ("num_states:", "num_states\uff1a", r"mine.yaml:3: not valid YAML: '\uff1a' (fullwidth colon) is no colon"),
        ("num_actions:", "num_actions\uff1a", r"mine.yaml:4: not valid YAML: '\uff1a' (fullwidth colon)"),
        ("num_states: 3", "num_states:\u00a03", r"mine.yaml:3: not valid YAML: '\xa0' (no-break space) behind ':'"),
        ("  num_states", "\u00a0 num_states", r"mine.yaml:3: not valid YAML: '\xa0' (no-break space) at the"),
        ("num_states", "num_states\u200b", r"mine.yaml:3: task.num_states\u200b: unknown key; did you mean 'num_s"),
        ("num_states", "num\u00a0states", r"mine.yaml:3: task.num\xa0states: unknown key; did you mean 'num_states'"),
        ("grid:", "\ufeffgrid:", r"mine.yaml:5: \ufeffgrid: unknown key; did you mean 'grid'?"),
        ("grid:", "\ufeff# grid\ngrid:", r"mine.yaml:5: not valid YAML: '\ufeff' (zero width no-break space) at the"),
        ("[rnn, gru]", "[rnn\uff0c gru]", r"mine.yaml:6: grid.0.arch: unknown architecture 'rnn\uff0c gru'"),
        ("log:", "log\uff1a", r"mine.yaml:8: not valid YAML: '\uff1a' (fullwidth colon)"),
        ("- arch", "-\u00a0arch", r"mine.yaml:6: grid.0.-\xa0arch: unknown key; did you mean 'arch'?"),
        ("arch", "\u0430rch", r"mine.yaml:6: grid.0.\u0430rch: unknown key; did you mean 'arch'?"),
        (
            "1e-3",
            "1e\u22123",
            r"mine.yaml:8: search.learning_rate.log.0: input should be a valid number, found '1e\u22123",
        ),
        ("task:", "<<<<<<< HEAD\ntask:", "mine.yaml:2: '<<<<<<< HEAD': a merge that Git left to you"),
        ("  num_actions", "=======\n  num_actions", "mine.yaml:4: not valid YAML: '=======': a merge"),
        ("  num_actions: 3", "  num_actions: 3\n>>>>>>> b1e4", "mine.yaml:5: '>>>>>>> b1e4': a merge that Git left"),
    ],
)
def test_what_cannot_be_seen_is_shown_on_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(SPOILT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        cells_of(load_sweep_file(str(tmp_path / "mine.yaml")))
    assert str(caught.value).replace(f"{tmp_path}/", "").startswith(message)


def test_a_value_of_a_wrong_kind_is_told_on_its_own_line(tmp_path: Path) -> None:
    text = SPOILT.replace("  num_states: 3\n  num_actions: 3\n", "  # three\n  num_states\uff1a 3\n")
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match=r"mine.yaml:4: task: expected a mapping, found 'num_states\\uff1a 3'"):
        load_sweep_file(str(tmp_path / "mine.yaml"))


def test_wide_and_unseen_characters_are_fine_in_a_text(tmp_path: Path) -> None:
    text = SPOILT.replace("Is it?", "宽度\uff1a够\u00a0吗\uff1f")
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    assert load_sweep_file(str(tmp_path / "mine.yaml")).spec.question == "宽度\uff1a够\u00a0吗\uff1f"


def test_a_file_that_windows_has_written_in_its_own_encoding(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(SPOILT, encoding="utf-16")
    with pytest.raises(SpecError, match=r"mine\.yaml:1: is not UTF-8 text but UTF-16"):
        load_sweep_file(str(tmp_path / "mine.yaml"))


def test_half_a_pair_of_escapes_is_no_character() -> None:
    with pytest.raises(SpecError, match="x:1: control character"):
        read_yaml(r'q: "\ud83e"', "x")
