"""What of a sweep's analysis is shown elsewhere, in W&B for one: figure, tables, verdicts, as files."""

from __future__ import annotations

import pandas as pd

from analysis.load import Sweep
from analysis.report import verdict_markdown
from analysis.verdicts import judge
from analysis.writing import write


def files_to_share(sweep: Sweep) -> dict[str, bytes]:
    """Name -> content. Writes the sweep's figures/ anew, for these are what is shared; verdicts.csv is beside them."""
    verdicts = [judge(sweep, hypothesis) for hypothesis in sweep.manifest.hypotheses]
    written = write(sweep, verdict_markdown(sweep, verdicts))
    files = {path.name: path.read_bytes() for path in written if path.suffix in (".png", ".csv", ".md")}
    table = pd.DataFrame([{"claim": v.claim, "verdict": v.outcome, "sentence": v.sentence} for v in verdicts])
    return files | ({"verdicts.csv": table.to_csv(index=False, lineterminator="\n").encode()} if verdicts else {})
