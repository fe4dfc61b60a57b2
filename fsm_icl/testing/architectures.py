"""What every plug-in must keep, as test classes that its author inherits. Needs pytest.

    from fsm_icl.testing import ArchitectureContract

    class TestLeaky(ArchitectureContract):
        variants = [LeakySpec(arch="leaky"), LeakySpec(arch="leaky", residual=True)]

Letters: V tokens, C classes, D d_model, B batch, T time.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import ClassVar

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from fsm_icl.models.core import Core
from fsm_icl.models.shell import Model, build_model
from fsm_icl.models.spec import CoreSpec

V, C, D, B, T = 11, 5, 8, 3, 7


class ArchitectureContract:
    """Tests of an architecture, each run for every one of `variants` at d_model 8 with one layer and with two."""

    variants: ClassVar[Sequence[CoreSpec]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "variant" in metafunc.fixturenames:
            metafunc.parametrize("variant", self.variants, ids=_name)

    @pytest.fixture(params=[1, 2], ids=["L1", "L2"])
    def spec(self, request: pytest.FixtureRequest, variant: CoreSpec) -> CoreSpec:
        return _sized(variant, num_layers=request.param)

    @pytest.fixture
    def model(self, spec: CoreSpec) -> Model:
        return build_model(spec, V, C, seed=0)

    @pytest.fixture
    def tokens(self) -> torch.Tensor:
        return (torch.arange(B * T) % V).reshape(B, T)

    @pytest.fixture
    def x(self) -> torch.Tensor:
        return torch.randn(B, T, D, generator=torch.Generator().manual_seed(0))

    def test_computes_its_step(self, spec: CoreSpec, x: torch.Tensor) -> None:
        bare = spec.model_copy(update={"residual": False, "norm": "none"})
        core, expected = bare.build(), x
        _scramble(core)
        for weights in core.layer_weights():
            layer = bare.scan()
            with torch.no_grad():
                for name, weight in layer.layer_weights()[0].items():
                    weight.copy_(weights[name])
            expected, _ = layer(expected)
        torch.testing.assert_close(core(x)[0], expected, rtol=1e-5, atol=1e-5)

    def test_maps_tokens_to_logits(self, model: Model, tokens: torch.Tensor) -> None:
        logits = model(tokens)
        assert logits.shape == (B, T, C)
        assert logits.dtype == torch.float32

    def test_reads_out_only_where_it_is_asked(self, model: Model, tokens: torch.Tensor) -> None:
        at = torch.tensor([2 * B + 1, 0, 6 * B + 2])  # time-major: (t=2, b=1), (0, 0), (6, 2)
        expected = model(tokens)[torch.tensor([1, 0, 2]), torch.tensor([2, 0, 6])]
        torch.testing.assert_close(model(tokens, at), expected)

    @pytest.mark.parametrize("changed", range(T))
    def test_a_token_changes_nothing_before_it(self, model: Model, tokens: torch.Tensor, changed: int) -> None:
        other = tokens.clone()
        other[:, changed] = (other[:, changed] + 1) % V
        before, after = model(tokens), model(other)
        assert torch.equal(before[:, :changed], after[:, :changed])
        assert (before[:, changed] != after[:, changed]).any(-1).all()

    def test_episodes_do_not_see_each_other(self, model: Model, tokens: torch.Tensor) -> None:
        alone = torch.cat([model(row[None]) for row in tokens])
        torch.testing.assert_close(model(tokens), alone)

    def test_gradient_reaches_every_weight(self, model: Model, tokens: torch.Tensor) -> None:
        functional.cross_entropy(model(tokens).flatten(0, 1), tokens.flatten() % C).backward()  # type: ignore[no-untyped-call]
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            rows = parameter.grad.reshape(len(parameter), -1).ne(0).any(1)
            assert rows.float().mean() > 0.6, name  # relu units may be off

    def test_gradient_reaches_every_earlier_token(self, model: Model, x: torch.Tensor) -> None:
        outputs, _ = model.core(x.requires_grad_())
        (gradient,) = torch.autograd.grad(outputs[:, -1].sum(), x)
        assert gradient.ne(0).any(-1).all()

    def test_counts_its_parameters(self, spec: CoreSpec, model: Model) -> None:
        assert spec.core_params() == sum(p.numel() for p in model.core.parameters())
        assert spec.num_params(V, C) == sum(p.numel() for p in model.parameters())

    def test_counts_its_state_and_carries_all_of_it(self, spec: CoreSpec, model: Model, x: torch.Tensor) -> None:
        whole, end = model.core(x)
        assert sum(tensor.numel() for tensor in end) == B * spec.state_size()
        first, state = model.core(x[:, :3])
        second, state = model.core(x[:, 3:], state)
        torch.testing.assert_close(torch.cat([first, second], 1), whole)
        torch.testing.assert_close(state, end)

    @pytest.mark.filterwarnings("ignore:TF32 acceleration on top of oneDNN")  # raised by flags()
    def test_counts_its_operations(self, spec: CoreSpec, model: Model, tokens: torch.Tensor) -> None:
        # oneDNN's fused LSTM is one operator that the counter can't see into
        with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:
            model(tokens)
        assert counter.get_total_flops() == B * T * spec.flops_per_token(C)

    def test_declares_a_start_per_gate(self, variant: CoreSpec) -> None:
        assert {len(starts) for starts in variant.vectors.values()} <= {variant.gates}

    def test_weights_survive_a_file(self, spec: CoreSpec, model: Model, tokens: torch.Tensor) -> None:
        file = io.BytesIO()
        torch.save(model.state_dict(), file)
        file.seek(0)
        other = build_model(spec, V, C, seed=1)
        other.load_state_dict(torch.load(file, weights_only=True))
        assert torch.equal(other(tokens), model(tokens))

    def test_overfits_one_batch(self, model: Model) -> None:
        generator = torch.Generator().manual_seed(0)
        tokens = torch.randint(V, (2, 6), generator=generator)
        targets = torch.randint(C, (2, 6), generator=generator)
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-2, fused=True)
        for _ in range(150):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())
            torch.autograd.backward(loss)
            optimizer.step()
        assert loss < 0.02

    def test_building_leaves_the_global_generator_alone(self, spec: CoreSpec) -> None:
        before = torch.get_rng_state()
        build_model(spec, V, C, seed=0)
        assert torch.equal(torch.get_rng_state(), before)

    def test_weights_are_a_function_of_the_seed(self, spec: CoreSpec, model: Model) -> None:
        torch.rand(5)
        again, other = build_model(spec, V, C, seed=0), build_model(spec, V, C, seed=1)
        for (name, a), b, c in zip(model.named_parameters(), again.parameters(), other.parameters(), strict=True):
            assert torch.equal(a, b), name
            fixed = a.ndim == 1 or torch.equal(a, torch.eye(D))  # biases, norms, and the identity start
            assert fixed or not torch.equal(a, c), name

    def test_another_layer_leaves_the_first_ones_weights(self, variant: CoreSpec) -> None:
        shallow, deep = (build_model(_sized(variant, num_layers=n), V, C, seed=0).state_dict() for n in (1, 2))
        assert all(torch.equal(deep[name], weights) for name, weights in shallow.items())

    def test_drops_out_after_layers_and_never_inside(self, variant: CoreSpec, x: torch.Tensor) -> None:
        plain, dropping = (build_model(_sized(variant, dropout=p), V, C, seed=0).core for p in (0.0, 0.5))
        assert torch.equal(dropping.train()(x)[0], plain(x)[0])

    def test_dropout_ends_with_training(self, variant: CoreSpec, tokens: torch.Tensor) -> None:
        specs = [_sized(variant, num_layers=2, dropout=p) for p in (0.0, 0.5)]
        plain, dropping = (build_model(spec, V, C, seed=0) for spec in specs)
        assert not torch.equal(dropping.train()(tokens), plain(tokens))
        assert torch.equal(dropping.eval()(tokens), plain.eval()(tokens))

    def test_refuses_unknown_fields_and_bad_sizes(self, variant: CoreSpec) -> None:
        for bad in ({"hidden_size": 8}, {"d_model": 0}, {"num_layers": 0}, {"dropout": 1.0}):
            with pytest.raises(ValidationError):
                type(variant).model_validate({**variant.model_dump(), **bad})

    def test_survives_json(self, spec: CoreSpec) -> None:
        assert type(spec).model_validate_json(spec.model_dump_json()) == spec


def _sized(variant: CoreSpec, **fields: float) -> CoreSpec:
    return type(variant).model_validate({**variant.model_dump(), "d_model": D, **fields})


def _name(variant: CoreSpec) -> str:
    return "-".join(str(value) for value in variant.model_dump(exclude_unset=True).values())


def _scramble(core: Core) -> None:
    """Give every weight a value of its own, biases too, so that each of them has its place."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in core.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
