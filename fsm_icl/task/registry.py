"""Which task families there are. A new one is one file or folder beside this one and one line below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import BeforeValidator, Field

from fsm_icl.task.base import TaskSpec
from fsm_icl.task.transitions.spec import TransitionsTask

FAMILIES: dict[str, type[TaskSpec]] = {
    "transitions": TransitionsTask,
}
"""`family` of a sweep file's `task:` -> its spec."""

DEFAULT = TransitionsTask()
"""The task of a sweep file that has no `task:`; its family where `task:` names none."""


def _with_family(value: Any) -> Any:
    return {"family": DEFAULT.family, **value} if isinstance(value, dict) else value


if TYPE_CHECKING:
    AnyTask = TaskSpec
else:
    _FAMILIES = Union[tuple(FAMILIES.values())]  # noqa: UP007
    AnyTask = Annotated[_FAMILIES, Field(discriminator="family"), BeforeValidator(_with_family)]
