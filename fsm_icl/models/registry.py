"""Which architectures there are. One of ours is one file beside this one and one line below.

Or it is in a package of its own, whose entry point of the group `fsm_icl.architectures` is named as the architecture
and refers to its spec; `fsm_icl.testing.ArchitectureContract` tests it. Its module imports neither this one nor what
stands above it, which import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from fsm_icl.models.gru import GRUSpec
from fsm_icl.models.lstm import LSTMSpec
from fsm_icl.models.mi_rnn import MIRNNSpec
from fsm_icl.models.rnn import RNNSpec
from fsm_icl.models.spec import CoreSpec
from fsm_icl.plugins import Plugin, plugins, spec_check

ARCHITECTURES: dict[str, type[CoreSpec]] = {
    "rnn": RNNSpec,
    "mi_rnn": MIRNNSpec,
    "gru": GRUSpec,
    "lstm": LSTMSpec,
}
"""`arch` in a sweep file -> its spec."""

_ADDED = plugins("fsm_icl.architectures", ARCHITECTURES, spec_check(CoreSpec, "arch"))
ARCHITECTURES |= {arch: plugin.value for arch, plugin in _ADDED.usable.items()}
UNUSABLE = _ADDED.unusable
"""Architectures that installed packages were to provide, and why they can't."""


def plugin_of(spec: CoreSpec) -> Plugin[type[CoreSpec]] | None:
    """The package that an architecture comes from; None for ours."""
    return _ADDED.usable.get(spec.arch)


if TYPE_CHECKING:
    ModelSpec = CoreSpec
else:
    ModelSpec = Annotated[Union[tuple(ARCHITECTURES.values())], Field(discriminator="arch")]  # noqa: UP007
