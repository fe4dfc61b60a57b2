"""What learns. A new architecture is one file beside this one and one line in the registry below.

Specs are plain data and import no torch, so that a sweep file is checked in milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from fsm_icl.models.gru import GRUSpec
from fsm_icl.models.lstm import LSTMSpec
from fsm_icl.models.mi_rnn import MIRNNSpec
from fsm_icl.models.rnn import RNNSpec
from fsm_icl.models.spec import CoreSpec

ARCHITECTURES: dict[str, type[CoreSpec]] = {
    "rnn": RNNSpec,
    "mi_rnn": MIRNNSpec,
    "gru": GRUSpec,
    "lstm": LSTMSpec,
}
"""`arch` in a sweep file -> its spec."""

if TYPE_CHECKING:
    ModelSpec = CoreSpec
else:
    ModelSpec = Annotated[Union[tuple(ARCHITECTURES.values())], Field(discriminator="arch")]  # noqa: UP007

__all__ = ["ARCHITECTURES", "CoreSpec", "GRUSpec", "LSTMSpec", "MIRNNSpec", "ModelSpec", "RNNSpec"]
