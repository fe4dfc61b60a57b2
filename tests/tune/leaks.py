"""Whether what only the driver should know is found in files, command lines or what is said."""

from __future__ import annotations

import contextlib
import subprocess
import time
from pathlib import Path

from tests.tune.smoke import QUIET

SECRETS = {
    "AWS_ACCESS_KEY_ID": "marker-1-access",
    "AWS_SECRET_ACCESS_KEY": "marker-2-secret",
    "AWS_SESSION_TOKEN": "marker-3-session",
    "AWS_SECURITY_TOKEN": "marker-4-security",
    "WANDB_API_KEY": "marker-5-" + "0" * 40,
    "HF_TOKEN": "marker-6-hf",
    "GOOGLE_APPLICATION_CREDENTIALS": "/marker-7/google.json",
    "MY_PASSWORD": "marker-8-mine",
}
ONE_TRIAL = [
    *QUIET,
    *("--set", "grid={arch: gru, d_model: 8}", "--set", "hypotheses=[]"),
    *("--set", "search.num_trials=1", "--set", "measure.num_seeds=1"),
]


class Leaks:
    """Looks for the secrets in all files below some folders, and in command lines, while a driver runs."""

    def __init__(self, *folders: Path) -> None:
        self.folders = folders
        self.found: set[str] = set()
        self.looked_at: set[str] = set()

    def look_until_it_ends(self, driver: subprocess.Popen[str]) -> None:
        while driver.poll() is None:
            self.look()
            time.sleep(0.3)
        self.look()

    def look(self) -> None:
        files = [path for folder in self.folders for path in folder.rglob("*")]
        for path in [*files, *Path("/proc").glob("[0-9]*/cmdline")]:
            with contextlib.suppress(OSError):
                if path.is_file():
                    self._look_into(path)

    def _look_into(self, path: Path) -> None:
        content = path.read_bytes()
        self.looked_at.add(path.name)
        self.found |= {f"{name} in {path.name}" for name, secret in SECRETS.items() if secret.encode() in content}
