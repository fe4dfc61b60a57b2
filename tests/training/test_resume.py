"""A trial that was stopped, anywhere, ends as if it had not been."""

from __future__ import annotations

import errno
import logging
import os
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from fsm_icl.results.records import Report
from fsm_icl.task.base import Batch
from fsm_icl.task.transitions.episodes import TransitionsStream
from fsm_icl.training import checkpoint
from fsm_icl.training.config import RunEnv, TrialConfig
from fsm_icl.training.loop import train
from fsm_icl.training.state import TrainingState
from tests.training.tiny import take, tiny

CONFIGS = {
    "gru": tiny(),
    "rnn with dropout": tiny(model={"arch": "rnn", "num_layers": 2, "dropout": 0.4}),
    "lstm bfloat16": tiny(model={"arch": "lstm"}, precision="bfloat16"),
    "query loss, fixed machines": tiny(task={"loss_on": "query", "num_train_machines": 5}),
}


class Killed(BaseException):
    """What a killed process looks like from inside."""


def to_the_end(config: TrialConfig, env: RunEnv) -> tuple[list[Report], TrainingState]:
    state = TrainingState.begin(config, env)
    return list(train(config, env, state)), state


def kill_at(step: int, config: TrialConfig, env: RunEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train until the batch of `step` is asked for."""
    draw = TransitionsStream.batch

    def batch(stream: TransitionsStream, asked: int) -> Batch:
        if asked == step:
            raise Killed
        return draw(stream, asked)

    with monkeypatch.context() as patch:
        patch.setattr(TransitionsStream, "batch", batch)
        with pytest.raises(Killed):
            list(train(config, env))


def assert_same_state(a: Any, b: Any) -> None:
    """Every weight and every moment, bit for bit."""
    torch.testing.assert_close(a.model.state_dict(), b.model.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(a.optimizer.state_dict(), b.optimizer.state_dict(), rtol=0, atol=0)
    assert (a.step, a.num_tokens, a.reports) == (b.step, b.num_tokens, b.reports)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("seconds", [0.0, 60.0], ids=["checkpoint every step", "checkpoint at reports"])
def test_goes_on_bit_for_bit(name: str, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = CONFIGS[name]
    reports, state = to_the_end(config, RunEnv())
    env = RunEnv(folder=tmp_path, checkpoint_every_seconds=seconds)
    for step in (0, 2, 4, 7, 9):  # before the first step, between reports, right after one, in the last interval
        kill_at(step, config, env, monkeypatch)
        assert TrainingState.begin(config, env).step == (step if seconds == 0 else step // 4 * 4)
    again, resumed = to_the_end(config, env)
    assert again == reports
    assert_same_state(resumed, state)


def test_earlier_reports_come_again_first(tmp_path: Path) -> None:
    config, env = tiny(), RunEnv(folder=tmp_path)
    first = take(train(config, env), 2)
    assert TrainingState.begin(config, env).step == 8
    assert take(train(config, env), 1) == first[:1]
    assert list(train(config, env))[:2] == first


def test_an_ended_trial_only_replays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, env = tiny(), RunEnv(folder=tmp_path)
    reports, _ = to_the_end(config, env)

    def never(stream: TransitionsStream, step: int) -> Batch:
        raise AssertionError("trained again")

    monkeypatch.setattr(TransitionsStream, "batch", never)
    assert list(train(config, env)) == reports


def test_report_is_handed_out_only_after_its_checkpoint(tmp_path: Path) -> None:
    config, env = tiny(), RunEnv(folder=tmp_path)
    for report in train(config, env):
        assert TrainingState.begin(config, env).reports[-1] == report


def test_clocks_and_start_go_on(tmp_path: Path) -> None:
    config, env = tiny(), RunEnv(folder=tmp_path)
    state = TrainingState.begin(config, env)
    take(train(config, env, state), 1)
    resumed = TrainingState.begin(config, env)
    assert resumed.started_at == state.started_at
    assert resumed.training.seconds == state.training.seconds
    assert resumed.total.seconds > resumed.training.seconds > 0


def test_no_folder_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    list(train(tiny(), RunEnv(checkpoint_every_seconds=0)))
    assert not list(tmp_path.iterdir())


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garbage(path: Path) -> None:
    path.write_bytes(b"\x80\x05 not a checkpoint")


def one_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def older_format(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"format": 1', b'"format": 0', 1))


def other_trial(path: Path) -> None:
    checkpoint.save_checkpoint(path.parent, tiny(seed=99).fingerprint(), {"step": 3})


def plain_torch(path: Path) -> None:
    torch.save({"step": 3}, path)


def code(path: Path) -> None:
    checkpoint.save_checkpoint(path.parent, tiny().fingerprint(), {"step": os.getcwd})


@pytest.mark.parametrize("spoil", [cut_short, empty, garbage, one_bit, older_format, other_trial, plain_torch, code])
def test_a_bad_checkpoint_is_set_aside(spoil: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config, env = tiny(), RunEnv(folder=tmp_path)
    take(train(config, env), 2)
    spoil(tmp_path / "checkpoint.pt")
    spoiled = (tmp_path / "checkpoint.pt").read_bytes()
    with caplog.at_level(logging.WARNING):
        assert list(train(config, env)) == list(train(config, RunEnv()))
    assert "set aside" in caplog.text
    assert (tmp_path / f"{checkpoint.SET_ASIDE}checkpoint.pt").read_bytes() == spoiled


def changed(path: Path, change: Any) -> None:
    """Write another content under the right digest."""
    fingerprint = tiny().fingerprint()
    content = checkpoint.load_checkpoint(path.parent, fingerprint)
    assert content is not None
    change(content)
    checkpoint.save_checkpoint(path.parent, fingerprint, content)


def moments(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = content["optimizer"]["state"][0]
    return found


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.clear(),
        lambda c: c.pop("optimizer"),
        lambda c: c.update(more=1),
        lambda c: c.update(step=4),
        lambda c: c.update(step=9),
        lambda c: c.update(step=10**6),
        lambda c: c.update(step=-1),
        lambda c: c.update(step="8"),
        lambda c: c.update(step=True),
        lambda c: c.update(num_tokens=-1),
        lambda c: c.update(seconds=float("nan")),
        lambda c: c.update(started_at=None),
        lambda c: c.update(loss_sum=0.0),
        lambda c: c.update(loss_sum=torch.zeros(2, dtype=torch.float64)),
        lambda c: c.update(model={}),
        lambda c: c["model"].update({next(iter(c["model"])): torch.zeros(1)}),
        lambda c: c.update(optimizer=[]),
        lambda c: c["optimizer"].update(state={}),
        lambda c: c["optimizer"].update(param_groups=[]),
        lambda c: moments(c).update(exp_avg=torch.zeros(1)),
        lambda c: moments(c).update(step=torch.tensor(3.0)),
        lambda c: moments(c).pop("exp_avg_sq"),
        lambda c: c.update(reports=[]),
        lambda c: c["reports"].pop(0),
        lambda c: c["reports"].reverse(),
        lambda c: c["reports"].append(c["reports"][-1]),
        lambda c: c.update(reports=["{}"]),
        lambda c: c.update(reports=[1, 2]),
        lambda c: c.update(reports=None),
        lambda c: c["reports"].insert(0, '{"step": 2, "metrics": {"val/accuracy": 3.0}}'),
    ],
)
def test_a_checkpoint_with_the_wrong_content_is_set_aside(
    change: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config, env = tiny(), RunEnv(folder=tmp_path)
    take(train(config, env), 2)
    changed(tmp_path / "checkpoint.pt", change)
    with caplog.at_level(logging.WARNING):
        assert list(train(config, env)) == list(train(config, RunEnv()))
    assert "set aside" in caplog.text
    assert (tmp_path / f"{checkpoint.SET_ASIDE}checkpoint.pt").exists()


def test_a_disk_that_is_full_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, env = tiny(), RunEnv(folder=tmp_path)
    reports = train(config, env)
    next(reports)
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(checkpoint.CheckpointNotWrittenError, match=r"checkpoint\.pt.*No space left"):
        next(reports)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_a_folder_that_is_a_file_is_the_machines_fault(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OSError, match="taken"):
        list(train(tiny(), RunEnv(folder=tmp_path / "taken")))


@pytest.mark.parametrize("lead", [0, 1, 2])
def test_a_worker_that_outlives_its_driver_does_no_harm(lead: int, tmp_path: Path) -> None:
    """Two train one trial in one folder, by turns, `lead` reports apart; a third goes on from what they left."""
    config, env = tiny(), RunEnv(folder=tmp_path)
    undisturbed = list(train(config, RunEnv()))
    orphan = train(config, env)
    said = [list(islice(orphan, lead)), []]
    successor = train(config, env)
    for _ in range(len(undisturbed) - lead - 1):
        said[1] += islice(successor, 1)
        said[0] += islice(orphan, 1)
    assert said == [undisturbed[:-1], undisturbed[: len(said[1])]]
    assert list(train(config, env)) == undisturbed
