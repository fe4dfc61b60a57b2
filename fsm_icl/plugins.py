"""What installed packages add to this one: the entry points of a group, each with the distribution that it is from."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Generic, TypeVar, get_args

from pydantic import BaseModel

T = TypeVar("T")
S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True)
class Plugin(Generic[T]):
    """One thing that a package adds."""

    value: T
    distribution: str
    version: str


@dataclass(frozen=True)
class Plugins(Generic[T]):
    """All things of one group, by name."""

    usable: dict[str, Plugin[T]] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)
    """Name -> why. An error where the name is used, so that a broken package stops no sweep that does without it."""


def spec_check(base: type[S], tag: str) -> Callable[[str, Any], type[S]]:
    """The check of specs that packages add: subclasses of `base` whose field `tag` has the entry point's name."""

    def check(name: str, found: Any) -> type[S]:
        if not isinstance(found, type) or not issubclass(found, base):
            raise ValueError(f"expected a subclass of {base.__module__}.{base.__name__}, found {found!r}")
        if tag not in found.model_fields or get_args(found.model_fields[tag].annotation) != (name,):
            raise ValueError(
                f'{found.__name__} needs the field `{tag}: Literal["{name}"]`, as its entry point is named'
            )
        if type(getattr(found, "results_version", None)) is not int:
            raise ValueError(f"{found.__name__} needs `results_version: ClassVar = 1`, raised when its results change")
        return found

    return check


def plugins(group: str, ours: Collection[str], check: Callable[[str, Any], T]) -> Plugins[T]:
    """The plug-ins of `group`.

    Args:
        group: of entry points, e.g. "fsm_icl.architectures".
        ours: names that no package may add.
        check: returns what an entry point of this name refers to, or raises ValueError with what is wrong with it.
    """
    found = Plugins[T]()
    owners: dict[str, list[str]] = {name: ["fsm-icl"] for name in ours}
    for point in metadata.entry_points(group=group):
        assert point.dist is not None, "entry points of installed packages know their package"
        owner = f"{point.dist.name} {point.dist.version}"
        owners.setdefault(point.name, []).append(owner)
        try:
            found.usable[point.name] = Plugin(check(point.name, point.load()), point.dist.name, point.dist.version)
        except Exception as error:  # noqa: BLE001  (the package's own code: whatever it raises is said, see `unusable`)
            why = error if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            found.unusable[point.name] = f"{owner} can't provide {point.name!r}: {why}; mend or uninstall it"
    for name, rivals in owners.items():
        if len(rivals) > 1:
            found.usable.pop(name, None)
            found.unusable[name] = f"{' and '.join(sorted(rivals))} both provide {name!r}; uninstall or rename one"
    return found
