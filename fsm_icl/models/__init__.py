"""WHAT LEARNS: one file per architecture.

A new architecture is one file beside this one and one line in the union below.
Specs are plain data and import no torch, so that a sweep file is checked in milliseconds.

    rnn.py             the vanilla recurrent network
    mi_rnn.py          the vanilla network with multiplicative integration
    mi_cell.py         its step
    gru.py             the gated recurrent unit
    lstm.py            long short-term memory
    spec.py            the base that every architecture's spec extends
    shell.py           embedding -> core -> dropout -> readout, the same for all
    stack.py           layers one above the other, with norm, residual connection, dropout
    scan.py            runs a step along time
    torch_layers.py    torch's own recurrent layers as cores
    state_dropout.py   the vanilla network whose carried state is dropped out
    initialisation.py  how recurrent matrices start
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
