"""Which task families there are. One of ours is one file or folder beside this one and one line below.

Or it is in a package of its own, whose entry point of the group `fsm_icl.tasks` is named as the family and refers to
its spec; `fsm_icl.testing.TaskContract` tests it. Its module imports neither this one nor what stands above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import BeforeValidator, Field

from fsm_icl.plugins import Plugin, plugins, spec_check
from fsm_icl.task.base import TaskSpec
from fsm_icl.task.transitions.spec import TransitionsTask

FAMILIES: dict[str, type[TaskSpec]] = {
    "transitions": TransitionsTask,
}
"""`family` of a sweep file's `task:` -> its spec."""

_ADDED = plugins("fsm_icl.tasks", FAMILIES, spec_check(TaskSpec, "family"))  # type: ignore[type-abstract]  # never made
FAMILIES |= {family: plugin.value for family, plugin in _ADDED.usable.items()}


def family_plugin(spec: TaskSpec) -> Plugin[type[TaskSpec]] | None:
    """The package that a task family comes from; None for ours."""
    return _ADDED.usable.get(spec.family)


DEFAULT = TransitionsTask()
"""The task of a sweep file that has no `task:`; its family where `task:` names none."""


def _with_family(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    named = {"family": DEFAULT.family, **value}
    if isinstance(family := named["family"], str) and family in _ADDED.unusable:
        raise ValueError(_ADDED.unusable[family])
    return named


if TYPE_CHECKING:
    AnyTask = TaskSpec
else:
    _FAMILIES = Union[tuple(FAMILIES.values())]  # noqa: UP007
    AnyTask = Annotated[_FAMILIES, Field(discriminator="family"), BeforeValidator(_with_family)]
