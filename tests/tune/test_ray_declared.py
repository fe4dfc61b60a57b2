"""The README's example for real: an edit after the run is marked wherever its verdict is shown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.progress import HOWEVER_LONG
from tests.test_readme import blocks

pytestmark = [pytest.mark.ray, pytest.mark.timeout(HOWEVER_LONG)]
TRIALS = 2 * (4 + 5)
CHANGED = f"added after {TRIALS} of {TRIALS} trials had ended (changed: threshold 0.1 -> -0.1)"


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=HOWEVER_LONG,
        check=False,
    )


def test_an_edited_claim_is_marked_wherever_its_verdict_is_shown(tmp_path: Path) -> None:
    mine = blocks("yaml")[0]
    (tmp_path / "mine.yaml").write_text(mine)
    tune = ("fsm_icl.tune", "mine.yaml", "--max-concurrent", "2")
    first = python(tmp_path, *tune)
    assert first.returncode == 0, first.stderr
    assert "beware: " not in first.stdout
    before = python(tmp_path, "analysis", "mine")
    assert "Verdicts on the claims declared before the run:" in before.stdout
    assert "10 points or more: not learnt." in " ".join(before.stdout.split())
    assert python(tmp_path, "fsm_icl.cli", "verify", "mine", "--declared").returncode == 0

    (tmp_path / "mine.yaml").write_text(mine.replace("threshold: 0.10", "threshold: -0.10"))
    assert f"beware: relu_helps: {CHANGED}" in python(tmp_path, *tune, "--plan").stdout
    second = python(tmp_path, *tune)
    assert second.returncode == 0, second.stderr
    for source in (("mine",), ("--results", "wandb-offline:results/mine-default/wandb")):
        after = " ".join(python(tmp_path, "analysis", *source).stdout.split())
        assert "10 points or more: not learnt." in after
        assert f"Not declared before the run: “ReLU beats tanh by 10 points or more” ({CHANGED})." in after
        assert "- withdrawn: “ReLU beats tanh by 10 points or more” (test/accuracy greater 0.1," in after
        assert "Verdict on a claim that was not declared before the run:" in after
    verified = python(tmp_path, "fsm_icl.cli", "verify", "mine", "--declared")
    assert verified.returncode == 1
    assert verified.stdout.startswith(f"relu_helps: {CHANGED}; ")
