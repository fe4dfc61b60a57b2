"""What learns. A new architecture is one file beside this one and one line in the union below.

Specs are plain data and import no torch, so that a sweep file is checked in milliseconds.
"""

from typing import Annotated

from pydantic import Field

from fsm_icl.models.gru import GRUSpec
from fsm_icl.models.lstm import LSTMSpec
from fsm_icl.models.mi_rnn import MIRNNSpec
from fsm_icl.models.rnn import RNNSpec
from fsm_icl.models.spec import CoreSpec

ModelSpec = Annotated[
    RNNSpec | MIRNNSpec | GRUSpec | LSTMSpec,
    Field(discriminator="arch"),
]

__all__ = ["CoreSpec", "GRUSpec", "LSTMSpec", "MIRNNSpec", "ModelSpec", "RNNSpec"]
