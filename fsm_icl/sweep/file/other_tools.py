"""What people write for W&B, Hydra, Optuna or Ray Tune, and how the same is written in a sweep file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from fsm_icl.sweep.file.spec import PARAMETERS

_TOOLS = {
    "W&B": "parameters method metric program command early_terminate run_cap entity project",
    "Hydra": "defaults hydra",
    "Optuna": "search_space study_name study direction directions sampler pruner n_trials storage",
    "Ray Tune": "param_space num_samples tune_config run_config scheduler search_alg",
}
_TOOL = {key: tool for tool, keys in _TOOLS.items() for key in keys.split()}
_SPACES = ("parameters", "search_space", "param_space")
_INSTEAD = {
    **dict.fromkeys(("method", "sampler", "search_alg"), "leave it out: Optuna's TPE proposes"),
    **dict.fromkeys(("metric", "direction", "directions"), "leave it out: validation accuracy decides"),
    **dict.fromkeys(
        ("early_terminate", "pruner", "scheduler"), "search: {eta: 3, rungs: [1/9, 1/3]} says what is pruned"
    ),
    **dict.fromkeys(("run_cap", "n_trials", "num_samples"), "write search: {num_trials: 8}, the trials of a cell"),
}
ALIASES = {
    "lr": "learning_rate",
    "wd": "weight_decay",
    "hidden_size": "d_model",
    "hidden_dim": "d_model",
    "n_layers": "num_layers",
    "model": "arch",
    "architecture": "arch",
    "max_steps": "budget.steps",
}
"""Names that other programs give to what a grid or a search names."""
_LOW, _HIGH = ("low", "min", "lower"), ("high", "max", "upper")
_LISTS = ("values", "choices", "choice", "categories", "grid_search", "options")
_CALL = re.compile(r"(?:\w+\.)*(\w+)\((.*)\)", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])")
_COMMAS = re.compile(r"[\w.+-]+(?:\s*,\s*[\w.+-]+)+")
_SECTIONS = ("task", "model", "optimizer", "budget")


class _Form(NamedTuple):
    """What another tool's form means: a range (`log`, `uniform`, or nobody says which), values to compare, or one."""

    kind: Literal["log", "uniform", "range", "values", "value"]
    content: Any


def key_elsewhere(key: str, value: Any) -> str | None:
    """What a key of another tool is called at the top of a sweep file; None where it is no such key."""
    tool = _TOOL.get(key) or ("Hydra" if key.startswith("hydra.") else None)
    if tool is None:
        return None
    space = value if key in _SPACES else _hydras(key, value)
    said = _space(space) if isinstance(space, Mapping) else None
    return f"is {tool}'s; {said or _INSTEAD.get(key, 'leave it out')}"


def written_here(name: str, value: Any, in_grid: bool) -> str | None:
    """How the `value` that another tool has for the field `name` is written here; None where it is no such form.

    Args:
        name: as a grid names it, e.g. "learning_rate" or "optimizer.weight_decay".
        value: what was found.
        in_grid: whether it stands in the grid already.
    """
    form = _form(value)
    if form is None:
        return None
    if form.kind == "value":
        return f"write {name.rpartition('.')[2]}: {flow(form.content)}"
    if form.kind != "values":
        return _searched(name, form, in_grid) if name in PARAMETERS else _no_search(name, form.content)
    if in_grid:
        return f"write {name}: {flow(form.content)}"
    ranged = _ranged(form.content, "range") if name in PARAMETERS else None
    also = f"{_searched(name, ranged, in_grid)}; " if ranged else ""
    return f"{also}{_compared(name, form.content)}"


def nested(path: tuple[str, ...], value: Any) -> str:
    """`search.num_trials` and 3 -> `search: {num_trials: 3}`."""
    inner = flow(value)
    for part in reversed(path[1:]):
        inner = f"{{{part}: {inner}}}"
    return f"{path[0]}: {inner}"


def flow(value: Any) -> str:
    """A value as it is written in one line of YAML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][\w.-]*", value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


_WORDS = ("true", "false", "null")


def _compared(name: str, values: Any) -> str:
    return f"grid: {{{name}: {flow(values)}}} compares values"


def _searched(name: str, form: _Form, in_grid: bool) -> str:
    kinds = [form.kind] if form.kind != "range" else ["log", "uniform"] if form.content[0] > 0 else ["uniform"]
    options = [nested((*(() if in_grid else ("search",)), name, kind), form.content) for kind in kinds]
    return f"write {', or '.join(options)}"


def _no_search(name: str, bounds: Any) -> str:
    return f"only {', '.join(PARAMETERS)} can be searched; {_compared(name, bounds)}"


def _form(value: Any) -> _Form | None:
    if isinstance(value, str):
        return _called(value.strip())
    if isinstance(value, list):
        return _Form("values", value)
    if not isinstance(value, Mapping):
        return None
    if isinstance(value.get("attributes"), Mapping):  # Optuna's distributions as JSON
        return _form(value["attributes"])
    for key, inner in value.items():
        if key in _LISTS and isinstance(inner, list):
            return _Form("values", inner)
        if key != "uniform" and key.replace("_", "").removeprefix("q") in ("loguniform", "uniform", "loguniformvalues"):
            return _ranged(inner, "log" if "log" in key else "uniform")
    if "value" in value:
        return _Form("value", value["value"])
    return _bounds(value)


def _bounds(value: Mapping[str, Any]) -> _Form | None:
    """{min: 1e-3, max: 0.1}, {low: 1e-3, high: 0.1, log: true}, {bounds: [1e-3, 0.1], log_scale: true}, ..."""
    low, high = (next((value[k] for k in keys if k in value), None) for keys in (_LOW, _HIGH))
    pair = value.get("bounds", value.get("range", [low, high]))
    named = (str(value[key]) for key in ("distribution", "scale", "prior", "type") if key in value)
    said = next((name for name in named if name not in ("float", "range", "double")), "")
    if said in ("log_uniform", "q_log_uniform") and (found := _ranged(pair, "log")):  # W&B's bounds are exponents of e
        return _Form("log", [float(f"{math.exp(min(end, 700)):.4g}") for end in found.content])
    if True in (value.get("log"), value.get("log_scale")) or "log" in said:
        return _ranged(pair, "log")
    linear = False in (value.get("log"), value.get("log_scale")) or said
    return _ranged(pair, "uniform" if linear else "range")


def _ranged(pair: Any, kind: Literal["log", "uniform", "range"]) -> _Form | None:
    numbers = isinstance(pair, list) and all(isinstance(x, int | float) and not isinstance(x, bool) for x in pair)
    return _Form(kind, sorted(pair)) if numbers and len(pair) == 2 else None


def _called(text: str) -> _Form | None:
    """loguniform(1e-3, 0.1), tag(log, interval(1e-3, 0.1)), choice(rnn, gru), or Hydra's rnn,gru."""
    if _COMMAS.fullmatch(text):
        return _Form("values", [_plain(part) for part in text.split(",")])
    call = _CALL.fullmatch(text)
    if call is None:
        return None
    name, inside = call.groups()
    if re.search("normal|randn|space|sample", name):  # no range with two ends
        return None
    if name in ("choice", "grid_search", "suggest_categorical", "categorical"):
        return _Form("values", [_plain(part) for part in inside.strip("[]() ").split(",")])
    numbers = [float(number) for number in _NUMBER.findall(inside)][:2]
    log = "log" in text and "log=False" not in text
    if log and min(numbers, default=0) <= 0:  # exponents, in hyperopt
        return None
    return _ranged(numbers, "log" if log else "uniform" if "uniform" in name else "range")


def _plain(text: str) -> Any:
    word = text.strip().strip("\"'")
    if not _NUMBER.fullmatch(word):
        return word
    return int(word) if re.fullmatch(r"[-+]?\d{1,18}", word) else float(word)


def _hydras(key: str, value: Any) -> Any:
    """What Hydra's sweeper varies."""
    for part in ("hydra", "sweeper", "params"):
        if not key.endswith(part):
            value = value.get(part) if isinstance(value, Mapping) and part in value else value
    return value if key.startswith("hydra") and isinstance(value, Mapping) else None


def _space(parameters: Mapping[str, Any]) -> str | None:
    """Another tool's search space as a grid and a search."""
    grid: dict[str, Any] = {}
    search: dict[str, Any] = {}
    for name, form in _forms(parameters):
        if form.kind in ("values", "value"):
            grid[name] = form.content
        elif name in PARAMETERS:
            search[name] = {"log" if form.kind == "range" and form.content[0] > 0 else form.kind: form.content}
        else:
            grid[name] = form.content
    search = {n: {"uniform": r["range"]} if "range" in r else r for n, r in search.items()}
    said = [f"{section}: {flow(content)}" for section, content in (("grid", grid), ("search", search)) if content]
    return f"write {' and '.join(said)}" if said else None


def _forms(parameters: Mapping[str, Any]) -> Iterator[tuple[str, _Form]]:
    for name, value in parameters.items():
        if isinstance(value, Mapping) and isinstance(value.get("parameters"), Mapping):  # W&B's nested ones
            yield from _forms({f"{name}.{inner}": v for inner, v in value["parameters"].items()})
            continue
        short = name.removeprefix("optimizer.").removeprefix("model.")
        form = _form(value) or (None if isinstance(value, Mapping) else _Form("value", value))
        if form is not None:
            yield ALIASES.get(short, short if short in PARAMETERS or name.startswith("model.") else name), form
