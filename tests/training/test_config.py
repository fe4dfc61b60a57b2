"""A trial's identity: what is in it, what is not, and that it never moves by accident."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from pydantic import Field, ValidationError

from fsm_icl.results.records import sha256_of
from fsm_icl.training.config import OptimizerSpec, TrialConfig, identity
from tests.training.tiny import tiny

GOLDEN = {
    "rnn": "5f05e3f68933b8eedb776eb592faf29c36b4629a9c8c60c3a4cacd2cb40150a4",
    "gru": "c4a3c87d1088a62de59bc641e6ab6a2bf874dd3f898bee1a2c73173a9cb2a090",
    "lstm": "eedfb82e9a7a6370a4695a8d7233474dbf34964aa984a848b312bd132efe4ae5",
}
"""A change here breaks every results folder there is: new fields declare their `unchanged` value instead."""


@pytest.mark.parametrize("arch", GOLDEN)
def test_fingerprints_stay(arch: str) -> None:
    assert tiny(model={"arch": arch}).fingerprint() == GOLDEN[arch]


def test_fingerprint_is_the_same_in_another_process() -> None:
    code = "from tests.training.tiny import tiny; print(tiny().fingerprint())"
    env = {**os.environ, "PYTHONHASHSEED": "3"}
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=env)
    assert printed.stdout.strip() == tiny().fingerprint()


@pytest.mark.parametrize(
    "change",
    [
        {"task": {"query_length": 4}},
        {"task": {"num_train_machines": 5}},
        {"model": {"d_model": 9}},
        {"model": {"arch": "lstm"}},
        {"optimizer": {"learning_rate": 0.011}},
        {"budget": {"steps": 11}},
        {"precision": "bfloat16"},
        {"phase": "measure"},
        {"seed": 8},
        {"evaluation_seed": 1},
    ],
    ids=str,
)
def test_every_part_is_in_the_fingerprint(change: dict[str, object]) -> None:
    assert tiny(**change).fingerprint() != tiny().fingerprint()


def test_fingerprint_survives_json() -> None:
    config = tiny(model={"arch": "rnn", "nonlinearity": "relu"}, task={"demo_length": "auto"})
    again = TrialConfig.model_validate_json(config.model_dump_json())
    assert again == config
    assert again.fingerprint() == config.fingerprint()


class Widened(OptimizerSpec):
    """The optimiser after somebody added a field to it."""

    nesterov: bool = Field(False, json_schema_extra={"unchanged": False})


def test_a_later_field_is_left_out_while_unchanged() -> None:
    before = OptimizerSpec(learning_rate=0.01)
    assert identity(Widened(learning_rate=0.01)) == identity(before)
    assert identity(Widened(learning_rate=0.01, nesterov=True)) == {**identity(before), "nesterov": True}


def test_hash_refuses_what_has_no_stable_form() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        sha256_of({"x": float("nan")})
    with pytest.raises(TypeError):
        sha256_of({"x": {1, 2}})


@pytest.mark.parametrize("bad", [{"optimizer": {"lr": 0.1}}, {"budget": {"steps": 0}}, {"seed": -1}], ids=str)
def test_refuses_unknown_and_impossible(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        tiny(**bad)


def test_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        tiny().seed = 3  # type: ignore[misc]
