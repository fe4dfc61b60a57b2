"""What a node needs, a line each: the project's requirements and those of its extra `aws`, no tools to develop with.

requirements.py pyproject.toml; versions are those of constraints.txt, given beside.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path(sys.argv[1]).read_text())["project"]
wanted, extras = list(project["dependencies"]), ["aws"]
for extra in extras:
    for line in project["optional-dependencies"][extra]:
        own = re.fullmatch(rf"{re.escape(project['name'])}\[(.+)\]", line)
        extras.extend(own[1].split(",") if own else ())
        wanted.extend([] if own else [line])
print("\n".join(wanted))
