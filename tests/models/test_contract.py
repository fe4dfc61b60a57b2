"""What every architecture must keep; a new line of the registry is covered without touching this file."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from fsm_icl.models.gru import GRUSpec
from fsm_icl.models.lstm import LSTMSpec
from fsm_icl.models.mi_rnn import MIRNNSpec
from fsm_icl.models.registry import ARCHITECTURES, ModelSpec
from fsm_icl.models.rnn import RNNSpec
from fsm_icl.testing import ArchitectureContract


class TestArchitectures(ArchitectureContract):
    variants = (
        *(spec.model_validate({"arch": arch}) for arch, spec in ARCHITECTURES.items()),
        RNNSpec(arch="rnn", nonlinearity="relu"),
        RNNSpec(arch="rnn", nonlinearity="relu", init="identity"),
        RNNSpec(arch="rnn", init="concatenated_xavier"),
        RNNSpec(arch="rnn", residual=True, norm="layer"),
        MIRNNSpec(arch="mi_rnn", residual=True),
        GRUSpec(arch="gru", norm="rms"),
        LSTMSpec(arch="lstm", residual=True, norm="rms"),
    )


def test_an_unknown_architecture_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValidationError, match=r"'grru'.*'rnn', 'mi_rnn', 'gru', 'lstm'"):
        TypeAdapter(ModelSpec).validate_python({"arch": "grru"})
