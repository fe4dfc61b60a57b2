"""Which commit goes into records: git's word in a checkout, elsewhere what was sent along with the code."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsm_icl import commit as commit_module
from fsm_icl.commit import code_version, sent_along


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of our own with one commit, which says that it is this code's."""
    package = tmp_path / "fsm_icl" / "__init__.py"
    package.parent.mkdir()
    package.touch()
    who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    for command in (("init", "--quiet"), ("add", "."), (*who, "commit", "--quiet", "--message", "One")):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    monkeypatch.setattr(commit_module, "ROOT", tmp_path)
    return tmp_path


def fresh() -> tuple[str | None, bool]:
    """As another process finds it."""
    code_version.cache_clear()
    return code_version()


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    code_version.cache_clear()
    yield
    code_version.cache_clear()


@pytest.mark.parametrize("dirty", [False, True])
def test_a_copy_without_its_repository_says_what_was_sent_along(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, dirty: bool
) -> None:
    commit = subprocess.run(["git", "-C", checkout, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    if dirty:
        (checkout / "fsm_icl" / "__init__.py").write_text("changed")
    assert fresh() == (commit, dirty)
    sent = sent_along()
    shutil.rmtree(checkout / ".git")
    assert fresh() == (None, False)
    assert sent_along() == {}
    for name, value in sent.items():
        monkeypatch.setenv(name, value)
    assert fresh() == (commit, dirty)
    assert sent_along() == sent


def test_a_checkout_trusts_its_own_repository_alone(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (name,) = sent_along()
    monkeypatch.setenv(name, "0" * 40)
    assert fresh()[0] not in (None, "0" * 40)
    shutil.rmtree(checkout / ".git")
    (checkout / ".git").write_text("gitdir: nowhere")
    assert fresh() == (None, False)
