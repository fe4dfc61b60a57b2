"""torch's layers start as documented."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from pydantic import TypeAdapter

from fsm_icl.models.registry import ModelSpec
from fsm_icl.models.shell import build_model
from fsm_icl.models.spec import CoreSpec
from fsm_icl.models.torch_layers import RecurrentCore

D = 6
CELLS = ("rnn-tanh", "rnn-relu", "gru", "lstm")
FORGET_GATE = 1  # among i, f, g, o


def make(name: str, **fields: object) -> CoreSpec:
    arch, _, nonlinearity = name.partition("-")
    plain = {"arch": arch, "d_model": D, **fields, **({"nonlinearity": nonlinearity} if nonlinearity else {})}
    spec: CoreSpec = TypeAdapter(ModelSpec).validate_python(plain)
    return spec


def core_of(spec: CoreSpec, seed: int = 0) -> RecurrentCore:
    core = build_model(spec, 9, 3, seed).core
    assert isinstance(core, RecurrentCore)
    return core


@pytest.mark.parametrize("name", CELLS)
def test_recurrences_start_orthogonal_and_inputs_xavier_by_gate(name: str) -> None:
    d = 32
    core = core_of(make(name, d_model=d, num_layers=2))
    bound = (6 / (2 * d)) ** 0.5
    for key, stacked in core.layers.named_parameters():
        if key.startswith("bias"):
            continue
        for block in stacked.detach().split(d):
            if key.startswith("weight_hh"):
                torch.testing.assert_close(block @ block.T, torch.eye(d), rtol=0, atol=1e-5)
            else:
                assert 0.95 * bound < block.abs().max() <= bound
                assert abs(float(block.std()) - bound / 3**0.5) < 0.03 * bound


@pytest.mark.parametrize("name", CELLS)
def test_biases_start_at_zero_but_for_the_forget_gate(name: str) -> None:
    core = core_of(make(name, num_layers=2))
    for layer in range(2):
        total = getattr(core.layers, f"bias_ih_l{layer}") + getattr(core.layers, f"bias_hh_l{layer}")
        gates = [set(gate.tolist()) for gate in total.split(D)]
        assert gates == [{1.0} if name == "lstm" and g == FORGET_GATE else {0.0} for g in range(len(gates))]


def test_shell_starts_as_documented() -> None:
    model = build_model(make("gru", d_model=256), num_tokens=400, num_classes=40, seed=0)
    embedding, readout = model.embedding.weight.detach(), model.readout.weight.detach()
    assert abs(float(embedding.mean())) < 0.02
    assert abs(float(embedding.std()) - 1) < 0.02
    assert float(embedding.abs().max()) > 3  # normal, not uniform
    bound = (6 / (256 + 40)) ** 0.5
    assert 0.99 * bound < float(readout.abs().max()) <= bound
    assert not model.readout.bias.any()


def test_specs_can_be_read_without_torch() -> None:
    code = "import sys, fsm_icl.models, fsm_icl.training.config; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
