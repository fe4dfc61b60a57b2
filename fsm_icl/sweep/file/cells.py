"""From a SweepSpec's grid to cells, and from a cell to the TrialConfigs that the protocol asks for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from fsm_icl.models.registry import ARCHITECTURES, UNUSABLE
from fsm_icl.results.records import Phase, sha256_of
from fsm_icl.seeding import derive
from fsm_icl.sweep.file.errors import fields_at, in_our_words, suggestion
from fsm_icl.sweep.file.limits import check_memory, count
from fsm_icl.sweep.file.load import LoadedSweep, strictly
from fsm_icl.sweep.file.other_tools import written_here
from fsm_icl.sweep.file.rungs import rung_steps
from fsm_icl.sweep.file.spec import PARAMETERS, Range, Scalar, SweepSpec
from fsm_icl.sweep.file.yaml import KeyPath, SpecError, nearest, shortened, shown
from fsm_icl.task.registry import FAMILIES
from fsm_icl.training.config import TrialConfig, identity

MAX_CELLS, MAX_PLANNED_TRIALS = 10_000, 200_000
"""What is planned in seconds. Nobody trains as much in one sweep."""

AUTO_REPORTS = 25
"""Reports of a trial where `budget.report_every` is auto: enough to draw a curve, few enough for Ray and W&B."""

_SECTIONS = ("task", "optimizer", "budget")
SHORT = {
    "budget.steps": "steps",
    "optimizer.learning_rate": "learning_rate",
    "optimizer.weight_decay": "weight_decay",
}
"""Coordinates that go by their last name; both spellings may stand in a grid."""
_PLAIN_WORDS = ("nonlinearity", "init")
"""Coordinates whose values need no name beside them."""
LONG = {short: long for long, short in SHORT.items()}
_MODEL_FIELDS = {name for spec in ARCHITECTURES.values() for name in spec.model_fields}


@dataclass(frozen=True)
class Cell:
    """One point of the architecture grid."""

    label: str
    fields: Mapping[str, Scalar]
    template: TrialConfig
    """The config that the cell's trials share; they differ in searched values, phase and seed."""
    key: str
    """SHA-256 of the cell's content; its seeds derive from it, never from its place in the grid."""
    ranges: Mapping[str, Range]
    """What is searched, in fixed order; empty where every hyperparameter is fixed."""

    def field(self, name: str) -> Any:
        """A coordinate by its name in the grid, or any other field of its trials; None where there is none."""
        name = SHORT.get(name, name)
        if name in self.fields:
            return self.fields[name]
        section, _, field = LONG.get(name, f"model.{name}" if "." not in name else name).partition(".")
        return None if field in self.ranges else getattr(getattr(self.template, section, None), field, None)

    def trial(self, spec: SweepSpec, params: Mapping[str, float], phase: Phase, repeat: int, index: int) -> TrialConfig:
        """The config of one trial of this cell."""
        plain = self.template.model_dump() | {"phase": phase, "seed": self.seed(spec, phase, repeat, index)}
        for name, value in params.items():
            section, field = PARAMETERS[name]
            plain[section][field] = value
        return TrialConfig.model_validate(plain)

    def seed(self, spec: SweepSpec, phase: Phase, repeat: int, index: int) -> int:
        """The seed of the trial in this place, whatever its hyperparameters will be."""
        return derive(spec.seed, self.key, repeat, phase, index) % 2**53  # exact as a JSON number everywhere


def cells_of(loaded: LoadedSweep) -> list[Cell]:
    """The grid's cells in file order, duplicates removed, each one checked.

    Raises:
        SpecError: a value or combination that makes no trial, with its line.
    """
    _check_size(loaded)
    cells: dict[str, Cell] = {}
    labels: dict[str, str] = {}
    checked: set[tuple[str, int]] = set()
    for entry, fields in _points(loaded):
        cell = _cell(loaded, entry, fields)
        if cell.key not in cells and cell.label in labels:
            raise loaded.error(("grid", entry), f"two different cells are called {cell.label!r}; say how they differ")
        if cells.setdefault(cell.key, cell).ranges != cell.ranges:
            raise loaded.error(("grid", entry), f"{cell.label} is searched over other ranges in an earlier entry")
        if (kind := (cell.template.model.arch, entry)) not in checked:  # ranges differ by nothing else
            checked.add(kind)
            _check_ranges(loaded, entry, cell)
        labels[cell.label] = cell.key
    return list(cells.values())


def _check_size(loaded: LoadedSweep) -> None:
    """Refuse a grid that is too large before any of it is made."""
    search, measure = loaded.spec.search, loaded.spec.measure
    points = [math.prod(len(v) for v in entry.values() if isinstance(v, list)) for entry in loaded.spec.grid]
    if sum(points) > MAX_CELLS:
        largest = max(range(len(points)), key=points.__getitem__)
        raise loaded.error(
            ("grid", largest), f"the grid has {count(sum(points))} cells; at most {MAX_CELLS:,} can be planned"
        )
    trials = sum(points) * (search.num_trials * search.repeats + measure.num_seeds)
    if trials > MAX_PLANNED_TRIALS:
        raise loaded.error(
            ("search",),
            f"{trials:,} trials, {sum(points):,} cells x ({search.num_trials:,} search.num_trials x {search.repeats:,} "
            f"search.repeats + {measure.num_seeds:,} measure.num_seeds); at most {MAX_PLANNED_TRIALS:,} can be planned",
        )


def _points(loaded: LoadedSweep) -> Iterator[tuple[int, dict[str, Scalar]]]:
    for i, entry in enumerate(loaded.spec.grid):
        lists = {key: values for key, values in entry.items() if isinstance(values, list)}
        for key, values in entry.items():
            _check_key(loaded, i, key)
            if not values:
                raise loaded.error(("grid", i, key), "the list is empty; give at least one value")
        names = [SHORT.get(key, key) for key in lists]
        for point in itertools.product(*lists.values()):
            yield i, dict(zip(names, point, strict=True))


def _check_key(loaded: LoadedSweep, entry: int, key: str) -> None:
    known = [
        *_MODEL_FIELDS,
        *LONG,
        "precision",
        *(f"{s}.{f}" for s in _SECTIONS for f in fields_at(SweepSpec, (s,), {loaded.spec.task.family})),
    ]
    path: KeyPath = ("grid", entry, key)
    if key not in known:
        raise loaded.error(path, f"unknown key; {suggestion(key, known)}")
    if SHORT.get(key, key) != key and SHORT[key] in loaded.spec.grid[entry]:
        raise loaded.error(path, f"given twice, also as {SHORT[key]}")
    if isinstance(loaded.spec.grid[entry][key], Range) and SHORT.get(key, key) not in PARAMETERS:
        raise loaded.error(path, f"only {', '.join(PARAMETERS)} can be searched; give a value or a list to compare")


def _written(loaded: LoadedSweep, entry: int, name: str) -> KeyPath:
    """Where a coordinate stands in a grid entry, by the spelling that the entry has."""
    return "grid", entry, name if name in loaded.spec.grid[entry] else LONG.get(name, name)


def _settings(loaded: LoadedSweep, entry: int, fields: Mapping[str, Scalar]) -> dict[str, Range | float]:
    """The hyperparameters of an entry's cells that are no coordinates: searched, or fixed by a number.

    Raises:
        SpecError: nothing says what the learning rate is.
    """
    spec = loaded.spec
    settings = spec.search.settings()
    settings |= {SHORT.get(k, k): values for k, values in spec.grid[entry].items() if isinstance(values, Range)}
    if "learning_rate" not in {*settings, *fields, *spec.optimizer.model_fields_set}:
        hint = "{log: [1e-4, 1e-2]} searches it, 0.01 fixes it, and a list in the grid compares values"
        raise loaded.error(("search", "learning_rate"), f"is missing; {hint}")
    found = {name: settings[name] for name in PARAMETERS if name in settings and name not in fields}
    return {n: s.bounds[0] if isinstance(s, Range) and s.bounds[0] == s.bounds[1] else s for n, s in found.items()}


def _field_of(key: str) -> str:
    """`optimizer.beta1` -> `beta1`."""
    return key.rpartition(".")[2]


def _plain(loaded: LoadedSweep, fields: Mapping[str, Scalar], settings: Mapping[str, Range | float]) -> dict[str, Any]:
    """The cell's trials as plain values: the file's sections, fixed hyperparameters, and the cell's coordinates."""
    spec = loaded.spec
    plain: dict[str, Any] = spec.model_dump(include={*_SECTIONS, "precision", "evaluation_seed"})
    plain |= {"model": dict(spec.model), "phase": "search", "seed": 0}
    for name, setting in settings.items():
        section, field = PARAMETERS[name]
        if not isinstance(setting, Range):
            plain[section][field] = setting
    for key, value in fields.items():
        section, dot, field = LONG.get(key, key).partition(".")
        target = plain[section] if dot else plain if key == "precision" else plain["model"]
        target[field if dot else key] = value
    budget = plain["budget"]
    if budget["report_every"] == "auto" and isinstance(budget["steps"], int):
        budget["report_every"] = max(1, -(-budget["steps"] // AUTO_REPORTS))
    return plain


def _cell(loaded: LoadedSweep, entry: int, fields: dict[str, Scalar]) -> Cell:
    settings = _settings(loaded, entry, fields)
    ranges = {name: setting for name, setting in settings.items() if isinstance(setting, Range)}
    plain = _plain(loaded, fields, settings)
    _check_model(loaded, entry, fields, plain["model"])
    try:
        template = strictly(TrialConfig, plain)
        template.task.check()
    except ValidationError as error:
        raise SpecError([_complaint(loaded, entry, fields, item) for item in error.errors()]) from None
    except ValueError as error:
        raise loaded.error(("task",), str(error)) from None
    check_memory(loaded, entry, template)
    if ranges:
        _check_rungs(loaded, template)
    content = identity(template)
    for name in ranges:
        section, field = PARAMETERS[name]
        content[section].pop(field, None)
    del content["phase"], content["seed"]
    model = template.model
    full = {"arch": model.arch, "d_model": model.d_model, "num_layers": model.num_layers, **fields}
    return Cell(_label(full), full, template, sha256_of(content), ranges)


def _check_ranges(loaded: LoadedSweep, entry: int, cell: Cell) -> None:
    """Both ends of each searched range must make a trial."""
    for name, searched in cell.ranges.items():
        for end in searched.bounds:
            try:
                cell.trial(loaded.spec, {name: end}, "search", 0, 0)
            except ValidationError as error:
                message = error.errors()[0]["msg"]
                path = _written(loaded, entry, name)
                path = path if path[2] in loaded.spec.grid[entry] else ("search", name)
                raise loaded.error(path, f"{in_our_words(message)}, found {end:g}") from None


def _label(fields: Mapping[str, Scalar]) -> str:
    base = f"{fields['arch']}-d{fields['d_model']}-L{fields['num_layers']}"
    extra = [_labelled(k, v) for k, v in fields.items() if k not in ("arch", "d_model", "num_layers")]
    return "-".join([base, *extra])


def _labelled(name: str, value: Scalar) -> str:
    """A coordinate in a label: relu, residual, steps=750."""
    if name in _PLAIN_WORDS:
        return str(value)
    return _field_of(name) if value is True else f"{_field_of(name)}={shortened(str(value))}"


def _check_model(loaded: LoadedSweep, entry: int, fields: Mapping[str, Scalar], model: Mapping[str, Any]) -> None:
    """Complaints about arch and keys before pydantic's, whose union errors name no line of the file."""
    arch = model.get("arch")
    if arch is None:
        raise loaded.error(("grid", entry), "every grid entry needs `arch`")
    path: KeyPath = ("grid", entry, "arch") if "arch" in fields else ("model", "arch")
    if arch in UNUSABLE:
        raise loaded.error(path, UNUSABLE[arch])
    if not isinstance(arch, str) or arch not in ARCHITECTURES:
        hint = written_here("arch", arch, in_grid=path[0] == "grid") or nearest(str(arch), ARCHITECTURES)
        raise loaded.error(path, f"unknown architecture {shown(arch)}; {hint}")
    for key in model:
        if key not in ARCHITECTURES[arch].model_fields:
            path = ("grid", entry, key) if key in fields else ("model", key)
            if key not in _MODEL_FIELDS:
                raise loaded.error(path, f"unknown key; {suggestion(key, [*_MODEL_FIELDS])}")
            known = nearest(key, ARCHITECTURES[arch].model_fields)
            hint = f"{arch} has no such field ({known}); give the architectures that have it a grid entry of their own"
            raise loaded.error(path, hint)


def _complaint(loaded: LoadedSweep, entry: int, fields: Mapping[str, Scalar], item: Any) -> str:
    loc = [part for part in item["loc"] if part not in (*ARCHITECTURES, *FAMILIES)]
    name = ".".join(str(p) for p in loc).removeprefix("model.")
    name = SHORT.get(name, name)
    path: KeyPath = tuple(loc)
    if name in fields:
        path = _written(loaded, entry, name)
    elif name in loaded.spec.search.settings():
        path = ("search", name)
    hint = written_here(name, item["input"], in_grid=path[0] == "grid")
    said = f"{in_our_words(item['msg'])}, found {shown(item['input'])}"
    return str(loaded.error(path, f"{said}; {hint}" if hint else said))


def _check_rungs(loaded: LoadedSweep, config: TrialConfig) -> None:
    steps = rung_steps(loaded.spec.search, config.budget)
    first_allowed = config.warmup_steps() + config.budget.report_every
    if steps and steps[0] < first_allowed:
        raise loaded.error(
            ("search", "rungs"),
            f"the first rung falls on step {steps[0]}, before one report interval after the warm-up has passed "
            f"(step {first_allowed}): raise the rung or budget.steps, or lower optimizer.warmup or report_every",
        )
