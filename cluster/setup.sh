#!/usr/bin/env bash
# The same environment on every machine: versions of constraints.txt on exactly one Python, or an error.
# setup.sh PYTHON RAY; `ray up` runs it on each node, beside the files that it has copied there.
set -euo pipefail
cd "$(dirname "$0")"
export PATH="$HOME/.local/bin:$PATH"
if ! command -v uv >/dev/null; then
  curl --proto '=https' --fail --silent --show-error --location https://astral.sh/uv/0.13.9/install.sh | sh
fi
[ -x .venv/bin/python ] || uv venv --quiet --python "$1"
.venv/bin/python requirements.py pyproject.toml > requirements.txt
uv pip install --quiet --requirement requirements.txt --constraint constraints.txt
.venv/bin/python - "$@" <<'PY'
import platform, sys
import ray
found, wanted = [platform.python_version(), ray.__version__], sys.argv[1:]
if found != wanted:
    sys.exit(f"expected Python and Ray {wanted}, found {found} in {sys.prefix}: remove that folder and run `ray up` again")
PY
