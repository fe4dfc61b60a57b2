"""How recurrent matrices start, and what stands around layers."""

from __future__ import annotations

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from fsm_icl.models.registry import ModelSpec
from fsm_icl.models.shell import build_model, spectral_radii
from fsm_icl.models.spec import CoreSpec
from fsm_icl.models.stack import Stack
from fsm_icl.models.torch_layers import RecurrentCore

D = 32


def make(**fields: object) -> CoreSpec:
    spec: CoreSpec = TypeAdapter(ModelSpec).validate_python({"arch": "rnn", "d_model": D, **fields})
    return spec


def matrices(spec: CoreSpec) -> list[torch.Tensor]:
    return [matrix.detach() for matrix in build_model(spec, 9, 3, 0).core.recurrent_matrices()]


@pytest.mark.parametrize(("init", "gain"), [("identity", 1.0), ("0.5*identity", 0.5), ("1e-2*identity", 0.01)])
@pytest.mark.parametrize("around", [{}, {"residual": True}, {"state_dropout": 0.1}])
def test_identity_keeps_its_state(init: str, gain: float, around: dict[str, object]) -> None:
    found = matrices(make(init=init, num_layers=2, **around))
    assert len(found) == 2
    assert all(torch.equal(matrix, gain * torch.eye(D)) for matrix in found)


def test_a_gain_scales_an_orthogonal_matrix() -> None:
    (found,) = matrices(make(init="0.9*orthogonal"))
    torch.testing.assert_close(found @ found.T, 0.81 * torch.eye(D), rtol=0, atol=1e-5)


def test_concatenated_xavier_counts_inputs_and_state() -> None:
    core = build_model(make(init="concatenated_xavier", d_model=256), 9, 3, 0).core
    assert isinstance(core, RecurrentCore)
    for matrix in (core.layers.weight_ih_l0, core.layers.weight_hh_l0):
        assert float(matrix.detach().std()) == pytest.approx((2 / (3 * 256)) ** 0.5, rel=0.02)


def test_equal_starts_are_spelled_the_same() -> None:
    assert make(init="1*identity") == make(init="1.0*identity") == make(init="identity")
    assert make(init="0.90*identity") == make(init=".9*identity")


@pytest.mark.parametrize("bad", ["eye", "0*identity", "-1*identity", "identity*0.9", "nan*identity", "1e9*identity", 3])
def test_a_start_that_is_none_is_refused_with_those_there_are(bad: object) -> None:
    with pytest.raises(ValidationError, match=r"concatenated_xavier.*0\.9\*identity|valid string"):
        make(init=bad)


def test_spectral_radii_by_layer_and_gate() -> None:
    assert spectral_radii(build_model(make(init="0.9*identity", num_layers=2), 9, 3, 0).core) == pytest.approx(
        [0.9] * 2
    )
    assert spectral_radii(build_model(make(arch="lstm", num_layers=2), 9, 3, 0).core) == pytest.approx([1.0] * 8)


def test_a_stack_of_bare_layers_is_torchs_own() -> None:
    spec = make(num_layers=3)
    plain, stack = spec.build(), Stack(spec)
    assert isinstance(plain, RecurrentCore)
    weights = dict(plain.layers.named_parameters())
    names = [name.removesuffix("_l0") for name in weights if name.endswith("_l0")]
    stack.load_state_dict({f"layers.{n}.layers.{name}_l0": weights[f"{name}_l{n}"] for n in range(3) for name in names})
    x = torch.randn(2, 5, D, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(stack(x)[0], plain(x)[0])


def test_residual_and_norm_are_their_equations() -> None:
    model = build_model(make(arch="gru", num_layers=2, residual=True, norm="layer"), 9, 3, 0)
    stack = model.core
    assert isinstance(stack, Stack)
    x = expected = torch.randn(2, 5, D, generator=torch.Generator().manual_seed(0))
    for layer in stack.layers:
        centred = expected - expected.mean(-1, keepdim=True)
        normed = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        expected = expected + layer(normed)[0]
    torch.testing.assert_close(stack(x)[0], expected)


def test_multiplicative_integration_is_its_equation() -> None:
    layer = make(arch="mi_rnn").scan()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    x = torch.randn(2, 6, D, generator=generator)
    hidden, _ = layer(x)
    (w,) = layer.layer_weights()
    for b in range(2):
        h = torch.zeros(D)
        for t in range(6):
            wx, uh = w["weight_ih"] @ x[b, t], w["recurrent"] @ h
            h = torch.tanh(w["alpha"] * wx * uh + w["beta_1"] * uh + w["beta_2"] * wx + w["bias"])
            torch.testing.assert_close(hidden[b, t], h, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_a_forgetful_network_is_torchs_own_outside_training(nonlinearity: str) -> None:
    forgetful = make(nonlinearity=nonlinearity, state_dropout=0.5).layer()
    forgetful.initialise(0)
    (w,) = forgetful.layer_weights()
    layer = nn.RNN(D, D, batch_first=True, nonlinearity=nonlinearity)
    torchs = {"weight_ih": "weight_ih", "weight_hh": "recurrent", "bias_ih": "bias_ih", "bias_hh": "bias_hh"}
    layer.load_state_dict({f"{name}_l0": w[ours] for name, ours in torchs.items()})
    x = torch.randn(2, 5, D, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(forgetful.eval()(x)[0], layer(x)[0])


def test_what_a_forgetful_network_drops_is_gone_for_later_steps() -> None:
    forgetful = make(nonlinearity="relu", init="identity", state_dropout=0.5).layer()
    forgetful.initialise(0)
    x = torch.zeros(1024, 6, D)
    x[:, 0] = torch.randn(1024, D, generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        hidden, _ = forgetful.train()(x)
    alive = hidden[:, 0].ne(0)
    for t in range(1, 6):
        assert not hidden[:, t][~alive].any()  # dropped once, gone for good
        share = float(hidden[:, t].ne(0).sum() / alive.sum())
        assert 0.4 < share < 0.6  # each step keeps half
        alive = hidden[:, t].ne(0)


def test_forgetting_reaches_neither_evaluation_nor_the_global_generator() -> None:
    model = build_model(make(state_dropout=0.5), 9, 3, 0).eval()
    tokens = torch.arange(12).reshape(2, 6) % 9
    before = torch.get_rng_state()
    assert torch.equal(model(tokens), model(tokens))
    assert torch.equal(torch.get_rng_state(), before)
