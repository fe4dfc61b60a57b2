"""A thousand mistakes in sweep files: each is refused in a few clear lines, or it is none and the file still plans.

`python -m tests.sweep.test_mutations [NUMBER]` prints how many of each kind gave what.
"""

from __future__ import annotations

import copy
import io
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from fsm_icl.cli import app
from fsm_icl.sweep.file.load import SHIPPED
from fsm_icl.sweep.file.spec import PARAMETERS
from fsm_icl.sweep.file.yaml import read_yaml

SWEEPS = ("spectrum", "capacity", "depth")
FAST = 150
MAX_LINES, MAX_CHARACTERS = 20, 800


@dataclass(frozen=True)
class Mutation:
    """A changed sweep file (or command line), and what its refusal must say."""

    kind: str
    content: bytes
    arguments: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    """Each of these stands in the refusal."""
    may_pass: bool = False
    """The change can be harmless, depending on where it hit."""


# --- trees ------------------------------------------------------------------------------------------------------------

Place = tuple[dict[str, Any] | list[Any], Any, tuple[Any, ...]]
"""A container, a key in it, and the whole path."""


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[Place]:
    """Every place of the tree."""
    for key, value in list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree)):
        yield tree, key, (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def dumped(tree: Any) -> bytes:
    stream = io.BytesIO()
    YAML(typ="safe", pure=True).dump(tree, stream)
    return stream.getvalue()


def field_of(path: tuple[Any, ...]) -> str:
    """The last name in a path: what a message must speak of."""
    return next(str(part) for part in reversed(path) if isinstance(part, str) and part != "log")


def pick(draw: random.Random, tree: Any, fits: Callable[[Place], bool] = lambda _: True) -> Place:
    return draw.choice([place for place in places(tree) if fits(place)])


def is_number(place: Place) -> bool:
    value = place[0][place[1]]
    return isinstance(value, int | float) and not isinstance(value, bool)


def known_key(place: Place) -> bool:
    path = place[2]
    return isinstance(place[1], str) and len(place[1]) >= 4 and not (len(path) == 2 and path[0] == "scales")


def typo(draw: random.Random, word: str) -> str:
    at = draw.randrange(len(word) - 1)
    return draw.choice(
        [
            word[:at] + word[at + 1 :],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + word[at] + word[at:],
            word[:at] + draw.choice("abcxyz") + word[at + 1 :],
            word.upper(),
            word.replace("_", "-"),
        ]
    )


def misspelt_key(draw: random.Random, tree: Any) -> Mutation:
    container, key, path = pick(draw, tree, known_key)
    wrong = typo(draw, key)
    while wrong in container:
        wrong = typo(draw, key)
    container[wrong] = container.pop(key)
    # a whole `scales` or a scale's part may be what makes the file complete: other problems then come first
    return Mutation("misspelt key", dumped(tree), says=(f"did you mean {key!r}",) if path[0] != "scales" else ())


def unknown_key(draw: random.Random, tree: Any) -> Mutation:
    container, _, path = pick(draw, tree, lambda p: isinstance(p[0], dict) and p[2][0] != "scales")
    coordinates = path[0] in ("grid", "model", "hypotheses")  # these take plain values alone, whatever their key
    container["qqqqqqqq"] = draw.choice([1, "x"] if coordinates else [1, "x", [1], {"a": 1}, None])
    return Mutation("unknown key", dumped(tree), says=("qqqqqqqq", "unknown key; known: "))


def missing_key(draw: random.Random, tree: Any) -> Mutation:
    container, key, _ = pick(draw, tree, lambda p: isinstance(p[0], dict))
    del container[key]
    return Mutation("missing key", dumped(tree), may_pass=True)


def wrong_type(draw: random.Random, tree: Any) -> Mutation:
    container, key, path = pick(draw, tree, is_number)
    container[key] = draw.choice(["seven", str(container[key]), True, None, [1, [2]], {"x": 1}, "2026-01-01"])
    return Mutation("wrong type", dumped(tree), says=(field_of(path),), may_pass=True)


def text_for_section(draw: random.Random, tree: Any) -> Mutation:
    container, key, path = pick(draw, tree, lambda p: isinstance(p[0][p[1]], dict))
    container[key] = draw.choice(["text", 3, 0.5, True, ["a"], []])
    fixed = field_of(path) in PARAMETERS and isinstance(container[key], int | float)  # a number in a range's place
    return Mutation("value for a section", dumped(tree), says=(field_of(path),), may_pass=fixed)


def nothing(draw: random.Random, tree: Any) -> Mutation:
    container, key, _ = pick(draw, tree)
    container[key] = None
    return Mutation("null", dumped(tree), may_pass=True)


def out_of_range(draw: random.Random, tree: Any) -> Mutation:
    container, key, path = pick(draw, tree, lambda p: is_number(p) and "threshold" not in p[2])
    container[key] = draw.choice([-1, -0.5, 10**15, -(10**9), 1e300, -1e-300])
    only_its_end = path[-1] == "report_every"  # is reported, where it lies beyond the budget
    absurd = field_of(path) == "learning_rate" and container[key] > 0  # but a rate that a trial can diverge at
    return Mutation("out of range", dumped(tree), says=(field_of(path),), may_pass=only_its_end or absurd)


def not_a_number(draw: random.Random, tree: Any) -> Mutation:
    container, key, path = pick(draw, tree, is_number)
    container[key] = draw.choice([float("nan"), float("inf"), -float("inf")])
    return Mutation("nan and infinity", dumped(tree), says=(field_of(path),))


def huge_number(draw: random.Random, tree: Any) -> Mutation:
    container, key, _ = pick(draw, tree, is_number)
    container[key] = "HUGE"
    digits = draw.choice(["9" * 19, "9" * 5000, "-" + "1" * 100_000, "0x" + "f" * 5000])
    return Mutation("huge number", dumped(tree).replace(b"HUGE", digits.encode()), says=("or too long",))


def wrong_nesting(draw: random.Random, tree: Any) -> Mutation:
    container, key, path = pick(draw, tree, lambda p: p[2][0] not in ("grid", "scales") and p[2] != ("model",))
    depth = draw.choice([1, 2, 5])
    for _ in range(depth):
        container[key] = draw.choice([{"deeper": container[key]}, [container[key]]])
    return Mutation("wrong nesting", dumped(tree), says=(field_of(path),))


def moved_key(draw: random.Random, tree: Any) -> Mutation:
    container, key, _ = pick(
        draw, tree, lambda p: len(p[2]) == 2 and p[2][0] in ("task", "budget", "search", "measure")
    )
    tree[key] = container.pop(key)
    return Mutation("key one level up", dumped(tree), says=(f"{key}: unknown key",))


def huge_grid(draw: random.Random, tree: Any) -> Mutation:
    lists = draw.choice(
        [(["d_model", "num_layers", "task.num_demos", "budget.batch_size", "budget.steps"], 64), (["d_model"], 5_001)]
    )
    names, length = lists
    grid = {"arch": ["rnn", "gru"]} | {name: list(range(1, length + 1)) for name in names}
    (tree["scales"]["smoke"] if draw.random() < 0.5 else tree)["grid"] = draw.choice([grid, [grid, {"arch": "rnn"}]])
    tree["scales"]["paper"] = None
    return Mutation("huge grid", dumped(tree), says=("grid", "cells; at most 10,000"))


def huge_counts(draw: random.Random, tree: Any) -> Mutation:
    section, key, value, says = draw.choice(
        [
            ("search", "num_trials", 10**9, "less than or equal to"),
            ("search", "repeats", 10**6, "less than or equal to"),
            ("search", "window", 10**6, "less than or equal to"),
            ("measure", "num_seeds", 10**7, "less than or equal to"),
            ("search", "num_trials", 10_000, "at most 200,000 can be planned"),
            ("task", "test_machines", 10**9, "too large"),
            ("task", "val_machines", 10**12, "too large"),
            ("task", "num_train_machines", 10**12, "too large"),
            ("task", "demo_length", 10**14, "too large"),
            ("budget", "batch_size", 10**9, "too large"),
            ("budget", "steps", 10**17, "too large"),
            ("model", "d_model", 60_000, "too large"),
        ]
    )
    tree["scales"] = {"smoke": tree["scales"]["smoke"]}
    smoke = tree["scales"]["smoke"]
    smoke.setdefault(section, {})[key] = value
    if key == "num_trials" and value == 10_000:
        smoke["search"]["repeats"] = 50
    if key == "d_model":
        smoke["grid"], smoke["hypotheses"], tree["hypotheses"] = [{"arch": "lstm"}], [], []
    return Mutation("huge counts", dumped(tree), says=(key, says))


def bad_grid_value(draw: random.Random, tree: Any) -> Mutation:
    entry = draw.choice(tree["scales"]["smoke"]["grid"])
    key = draw.choice(sorted(entry))
    bad = draw.choice([{"a": 1}, [[8]], [{"a": 1}], [None], [], "gruu", -3, 2.5, True, [8, "x"]])
    entry[key] = bad
    tree["scales"] = {"smoke": tree["scales"]["smoke"]}
    return Mutation("bad grid value", dumped(tree), says=(key,))


def bad_hypotheses(draw: random.Random, tree: Any) -> Mutation:
    tree["scales"] = {"smoke": tree["scales"]["smoke"]}
    hypotheses = tree["hypotheses"]
    entry = draw.choice(hypotheses)
    where, says = draw.choice(
        [
            ("whole", "hypotheses"),
            ("entry", "hypotheses"),
            ("field", "unknown key; did you mean 'd_model'"),
            ("value", "names no cell"),
            ("roles", "hypotheses"),
            ("twice", "hypotheses"),
        ]
    )
    role = next(role for role in ("a", "mid", "along") if role in entry)
    if where == "whole":
        tree["hypotheses"] = draw.choice(["text", {"name": "x"}, 3])
        del tree["scales"]["smoke"]["hypotheses"]
    elif where == "entry":
        hypotheses[hypotheses.index(entry)] = draw.choice([None, "x", [1], 3])
    elif where == "field":
        entry[role]["d_modle"] = 8
    elif where == "value":
        entry[role]["arch"] = draw.choice(["lstmm", 3, True])
        says = "needed, found none" if role == "along" else says
    elif where == "roles":
        entry.pop(role)
        del tree["scales"]["smoke"]["hypotheses"]
    else:
        hypotheses.append(copy.deepcopy(entry))
    return Mutation("bad hypotheses", dumped(tree), says=(says,))


def bad_scales(draw: random.Random, tree: Any) -> Mutation:
    tree["scales"] = draw.choice(
        [[1, 2], "smoke", 3, {"smoke": [1]}, {"smoke": 3}, {"big": {}}, {}, {"smoke": {}, "a\tb": {}}]
    )
    return Mutation("bad scales", dumped(tree), says=("scale",))


def bad_ranges(draw: random.Random, tree: Any) -> Mutation:
    tree["scales"] = {"smoke": tree["scales"]["smoke"]}
    bad = draw.choice(
        [
            True, {"log": [0, 1]}, {"uniform": [1, 0]},
            {"log": [1e-3]}, {"log": [1e-3, 1e-2, 1e-1]}, {"uniform": [-1, 1]}, {},
            {"log": [1e-3, 1e-2], "uniform": [0, 1]}, {"log": "1e-3"}, [1e-3, 1e-2], {"log": [2, 1]}, "0.1", -0.1,
        ]
    )  # fmt: skip
    tree["scales"]["smoke"]["search"]["learning_rate"] = bad if not isinstance(bad, dict) else {"log": None} | bad
    return Mutation("bad ranges", dumped(tree), says=("search.learning_rate",))


def bad_rungs(draw: random.Random, tree: Any) -> Mutation:
    bad = draw.choice(["1e999999999", "x", "1/0", 2, -0.1, 0, [[0.5]], None, "1/9/3", 1e-300, True, "9" * 1000])
    tree["search"]["rungs"] = [bad] if draw.random() < 0.8 else bad
    return Mutation("bad rungs", dumped(tree), says=("search.rungs",))


# --- text -------------------------------------------------------------------------------------------------------------


def duplicate_key(draw: random.Random, text: str) -> Mutation:
    lines = text.splitlines()
    at, key = draw.choice([(i, m[1]) for i, line in enumerate(lines) if (m := re.match(r"(\w+):", line))])
    lines.insert(draw.choice([at, len(lines)]), f"{key}: 1")
    return Mutation("duplicate key", "\n".join(lines).encode(), says=("duplicate key", key))


def values_of(text: str) -> list[re.Match[str]]:
    """Plain values after a colon, outside comments."""
    return [
        m
        for m in re.finditer(r"(?<=: )[\w.]+(?=[,}\n])", text)
        if "#" not in text[text.rfind("\n", 0, m.start()) : m.start()]
    ]


def anchor(draw: random.Random, text: str) -> Mutation:
    found = draw.choice(values_of(text))
    new = draw.choice([f"&x {found[0]}", "*x", "&a [*a]", "&x [&y [1], *y]"])
    return Mutation("anchor or alias", (text[: found.start()] + new + text[found.end() :]).encode(), says=("alias",))


def alias_bomb(draw: random.Random, text: str) -> Mutation:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, draw.choice([3, 40])))
    return Mutation("alias bomb", (text + bomb).encode(), says=("anchors and aliases",))


def merge_key(draw: random.Random, text: str) -> Mutation:
    line = draw.choice(["<<: {seed: 3}\n", "<<: [{seed: 3}]\n", "'<<': 3\n"])
    return Mutation("merge key", (text + line).encode(), says=("merge keys",))


def tag(draw: random.Random, text: str) -> Mutation:
    found = draw.choice(values_of(text))
    name = draw.choice(
        ["!!python/object/apply:os.system", "!!binary", "!x", "!!set", "!!python/name:os.system", "!!int"]
    )
    content = text[: found.start()] + f"{name} {draw.choice(['[ls]', 'ls', '{a: 1}'])}" + text[found.end() :]
    return Mutation("tag", content.encode())


def control_character(draw: random.Random, text: str) -> Mutation:
    found = draw.choice(values_of(text))
    bad = draw.choice(["\x00", "\x1b[31m", "\x07", '"\\e[2J"', '"\\0"', '"a\\u202eb"', '"\\ud800"', "\x7f", "\x9b"])
    return Mutation(
        "control character", (text[: found.start()] + bad + text[found.end() :]).encode(), says=("control character",)
    )


def control_key(draw: random.Random, text: str) -> Mutation:
    bad = draw.choice(['"\\e[2J"', '"a\\0b"', '"\\u2066x"', '"a\\rb"'])
    return Mutation("control character in a key", f"{text}{bad}: 1\n".encode(), says=("control character",))


def bad_bytes(draw: random.Random, text: str) -> Mutation:
    raw = bytearray(text.encode())
    raw[draw.randrange(len(raw)) : 0] = draw.choice([b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\x80"])
    content = draw.choice([bytes(raw), text.encode("utf-16"), text.encode("utf-32")])
    return Mutation("not UTF-8", content, says=("is not UTF-8 text",))


def tabs(draw: random.Random, text: str) -> Mutation:
    at = draw.choice([m.start() for m in re.finditer(r"^  (?=\w)", text, re.M)])
    return Mutation("tab", (text[:at] + "\t" + text[at + 2 :]).encode(), says=("not valid YAML",))


def truncated(draw: random.Random, text: str) -> Mutation:
    return Mutation("cut off", text[: draw.randrange(len(text))].encode(), may_pass=True)


def indented(draw: random.Random, text: str) -> Mutation:
    lines = text.splitlines()
    at = draw.choice([i for i, line in enumerate(lines) if line.startswith("  ") and "#" not in line])
    lines[at] = draw.choice([" ", ""]) + lines[at][draw.choice([0, 1, 2]) :]
    return Mutation("indentation", "\n".join(lines).encode(), may_pass=True)


def garbled(draw: random.Random, text: str) -> Mutation:
    letters = list(text)
    for _ in range(draw.choice([1, 2, 5])):
        letters[draw.randrange(len(letters))] = draw.choice("[]{}:,-#&*!|>'\"%@`? \n\\~0a.\N{SNOWMAN}")
    return Mutation("garbled letters", "".join(letters).encode(), may_pass=True)


def shuffled(draw: random.Random, text: str) -> Mutation:
    lines = text.splitlines()
    i, j = draw.sample(range(len(lines)), 2)
    lines[i], lines[j] = lines[j], lines[i]
    return Mutation("lines swapped", "\n".join(lines).encode(), may_pass=True)


def deep(draw: random.Random, text: str) -> Mutation:
    depth = draw.choice([30, 300, 5000])
    opened, closed = draw.choice([("[", "]"), ("{a: ", "}")])
    closed = draw.choice([closed * depth, ""]) if depth > 30 else closed * depth
    return Mutation("deep nesting", f"{text}more: {opened * depth}{closed}\n".encode())


def whole_file(draw: random.Random, text: str) -> Mutation:
    content, says = draw.choice(
        [
            (b"", "expected a mapping"), (b"# nothing\n", "expected a mapping"), (b"[1, 2]\n", "expected a mapping"),
            (b"just text\n", "expected a mapping"), (b"3\n", "expected a mapping"),
            (b"---\n...\n", "expected a mapping"),
            (f"{text}---\na: 1\n".encode(), "not valid YAML"), (b"\x00" * 100, "not valid YAML"),
            (b"question: " + b"x" * 1_000_001, "larger than"), (text.encode() + b"#" * 10**6, "larger than"),
            (b"x: y: z\n", "not valid YAML"), (b"? [a]\n: 1\n", "a key must be a plain word"),
            (b"\xef\xbb\xbf[]", "expected"),
            (b"%YAML 1.1\n---\na: yes\n", "not valid YAML: version '1.1'"), (b"x\n" * 1000, "expected a mapping"),
        ]
    )  # fmt: skip
    return Mutation("another file altogether", content, says=(says,))


def harmless(draw: random.Random, text: str) -> Mutation:
    content = draw.choice(
        [
            text.replace("\n", "\r\n").encode(), b"\xef\xbb\xbf" + text.encode(), f"---\n{text}...\n".encode(),
            f"# \N{SNOWMAN} {'x' * 5000}\n{text}".encode(),
            text.replace(": {", ":   {  ").encode(), text.rstrip("\n").encode(),
        ]
    )  # fmt: skip
    return Mutation("harmless", content, may_pass=True)


# --- command line -----------------------------------------------------------------------------------------------------


def bad_set(draw: random.Random, text: str) -> Mutation:
    setting, says = draw.choice(
        [
            ("a..b=1", "expected key=value"), ("=1", "expected key=value"), (".=1", "expected key=value"),
            ("search.=1", "expected key=value"), ("search.num_trials", "expected key=value"),
            ("search.num_trials=", "search.num_trials"), ("search.num_trial=3", "did you mean 'num_trials'"),
            ("se\N{COMBINING ACUTE ACCENT}arch.num_trials=3", "unknown key"), ("\N{SNOWMAN}=1", "unknown key"),
            ("x" * 5000 + "=1", "unknown key"), ("a." * 500 + "b=1", "nested too deeply"),
            ("search.num_trials=[1", "not valid YAML"), ("search.num_trials=1\nseed: 3", "not valid YAML"),
            ("search.num_trials=" + "9" * 10_000, "or too long"), ("search.num_trials=.nan", "search.num_trials"),
            ("\x1b[31mred=1", "unknown key"), ("question=\x1b[31m", "control character"), ("question=", "question"),
            ("grid.arch.0=rnn", "would stand inside"), ("scales.smoke.seed=1", "--scale"), ("grid=null", "grid"),
            ("grid={arch: [rnn], d_model: {a: 1}}", "grid"), ("search.rungs=[1e999999999]", "rung"),
            ("measure.num_seeds=&x 3", "anchors"), ("task=!!python/name:os.system x", "tag"), ("grid=[]", "grid"),
            ("evaluation_seed=-1", "evaluation_seed"), ("search.dropout={uniform: [0, 1]}", "search.dropout"),
            ("search.weight_decay={uniform: [-1, 1]}", "search.weight_decay"), ("seed=1e400", "seed"),
        ]
    )  # fmt: skip
    return Mutation("--set", text.encode(), ("--set", setting), ("--set", says))


def bad_scale(draw: random.Random, text: str) -> Mutation:
    scale, says = draw.choice(
        [
            ("smok", "did you mean 'smoke'"),
            ("", "no scale ''"),
            ("../..", "known: "),
            ("x" * 5000, "known: "),
            ("\x1b[2J", "known: "),
            ("SMOKE", "did you mean 'smoke'"),
        ]
    )
    return Mutation("--scale", text.encode(), ("--scale", scale), (says,))


def bad_results(draw: random.Random, text: str) -> Mutation:
    results, says = draw.choice(
        [
            ("mine.yaml", "is a file; expected a folder"),
            ("mine.yaml/deeper", "is a file; expected"),
            ("a\x1b[2Jb", "control"),
            ("a\nb", "control"),
        ]
    )
    return Mutation("--results", text.encode(), ("--results", results), ("--results", says))


TREES = (
    misspelt_key, unknown_key, missing_key, wrong_type, text_for_section, nothing, out_of_range, not_a_number,
    huge_number, wrong_nesting, moved_key, huge_grid, huge_counts, bad_grid_value, bad_hypotheses, bad_scales,
    bad_ranges, bad_rungs,
)  # fmt: skip
TEXTS = (
    duplicate_key, anchor, alias_bomb, merge_key, tag, control_character, control_key, bad_bytes, tabs, truncated,
    indented, garbled, shuffled, deep, whole_file, harmless, bad_set, bad_scale, bad_results,
)  # fmt: skip
SOURCES = {name: (SHIPPED / f"{name}.yaml").read_text() for name in SWEEPS}


def mutation(number: int) -> Mutation:
    """Mutation `number`: kinds in turn, all else drawn from the number."""
    draw = random.Random(number)
    text = SOURCES[draw.choice(SWEEPS)]
    kind = number % (len(TREES) + len(TEXTS))
    if kind < len(TREES):
        return TREES[kind](draw, copy.deepcopy(read_yaml(text, "source").value))
    return TEXTS[kind - len(TREES)](draw, text)


def check(number: int, folder: Path) -> tuple[str, str]:
    """Run the command on mutation `number`, check what it says, and return (kind, refused or accepted)."""
    mutated = mutation(number)
    (folder / "mine.yaml").write_bytes(mutated.content)
    scale = () if "--scale" in mutated.arguments else ("--scale", "smoke")
    started = time.monotonic()
    done = CliRunner().invoke(app, ["tune", "mine.yaml", "--plan", *scale, *mutated.arguments])
    seconds = time.monotonic() - started
    context = f"mutation {number} ({mutated.kind}), exit {done.exit_code}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    assert done.exception is None or isinstance(done.exception, SystemExit), f"{context}{done.exception!r}"
    assert sorted(p.name for p in folder.iterdir()) == ["mine.yaml"], context
    assert seconds < 20, context
    if done.exit_code == 0:
        assert mutated.may_pass or not mutated.says, context
        assert "trials done" in done.stdout, context
        return mutated.kind, "accepted"
    assert done.exit_code == 2, context
    assert done.stdout == "", context
    lines = done.stderr.splitlines()
    assert len(lines) <= MAX_LINES, context
    assert all(len(line) <= MAX_CHARACTERS and line.isprintable() for line in lines), context
    assert "Traceback" not in done.stderr, context
    assert re.search(r"mine\.yaml(:\d+|: (is|larger|not))|--set |--results ", done.stderr), context
    for part in mutated.says:
        assert part in done.stderr, f"{context}\nlacks {part!r}"
    return mutated.kind, "refused"


def table(number: int, folder: Path) -> dict[str, Counter[str]]:
    """Kind -> how many were refused and accepted, of `number` mutations."""
    found: dict[str, Counter[str]] = {}
    for i in range(number):
        kind, what = check(i, folder)
        found.setdefault(kind, Counter())[what] += 1
    return found


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def test_some_mutations_are_refused_clearly_or_harmless(tmp_path: Path) -> None:
    found = table(FAST, tmp_path)
    assert len(found) == len(TREES) + len(TEXTS)
    assert sum(c["refused"] for c in found.values()) > FAST * 0.7


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_thousand_mutations_are_refused_clearly_or_harmless(tmp_path: Path) -> None:
    found = table(1000, tmp_path)
    assert sum(c["refused"] for c in found.values()) > 800
    assert found["harmless"]["refused"] == 0


def main() -> None:
    """Print the table of the first NUMBER mutations."""
    import os

    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        found = table(number, Path(name))
        os.chdir("/")
    print(f"{'kind':<28}{'refused':>8}{'accepted':>9}")
    for kind, counts in sorted(found.items()):
        print(f"{kind:<28}{counts['refused']:>8}{counts['accepted']:>9}")
    refused = sum(c["refused"] for c in found.values())
    print(f"{'all':<28}{refused:>8}{number - refused:>9}   in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
