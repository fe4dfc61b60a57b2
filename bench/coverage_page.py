"""docs/coverage.md, written by python -m bench.coverage from what it simulated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np


def markdown(content: Mapping[str, Any]) -> str:
    """The page, from coverage.json."""
    now, before = (_by_place(rows) for rows in (content["rows"], content["before"]["rows"]))
    sizes = sorted({n for _, n in now})
    whats = list(dict.fromkeys(what for what, _ in now))
    given = [what for what in whats if now[what, sizes[0]]["covered"] is not None]
    claimed = [what for what in whats if now[what, sizes[0]]["supported"] is not None]
    worlds, earlier = content["worlds"], content["before"]["worlds"]
    errors = [float(np.sqrt(p * (1 - p) / worlds)) for p in (0.95, 0.025)]
    return f"""# How often our intervals hold the truth, and our verdicts err

Written by `python -m bench.coverage --worlds {worlds}`; what a world is, is said in `bench/coverage.py`, and the
rule in `analysis/statistics/intervals.py`. In brackets stands what the rule before it gave in the first {earlier} of
the same worlds: one crossed bootstrap over seeds and classes with R = 20,000, its percentiles expanded below 10 seeds.

## Coverage

A 95 % interval should read 95 %; the standard error of a share is about {errors[0]:.1%}.

{_table(given, sizes, lambda what, n: _pair(_percent(now[what, n]["covered"]), before.get((what, n)), "covered"))}

A mixed cell (seeds in two groups, `analysis/statistics/estimates.py`) has no interval of its IQM, since no rule covers
there; the rule before gave one that held the truth in {_mixed_before(before, sizes)} of cases at {_listed(sizes)}
seeds. Its success rate has Wilson's interval, the difference of two has Newcombe's, and P(better) has Newcombe's of
2006.

## Width

Mean width over that of the rule before. From 9 seeds to 10 that one became narrower by a third at once; ours has no
seam there.

{_table(given, sizes, lambda what, n: _ratio(now[what, n], before.get((what, n))))}

Mean width itself, in points (of logarithms and shares, times 100):

{_table(given, sizes, lambda what, n: _pair(_points(now[what, n]["width"]), before.get((what, n)), "width"))}

## Wrong verdicts at the boundary

The claim is that the number lies above a threshold, and the threshold is exactly the truth: each verdict of
*supported* and each of *refuted* is wrong and should be found in at most 2.5 % of worlds. The standard error is about
{errors[1]:.1%}. *Supported* counts every way to it, lowered cells included (`analysis/findings/evidence.py`).

### Supported, wrongly

{_table(claimed, sizes, lambda what, n: _pair(_percent(now[what, n]["supported"]), before.get((what, n)), "supported"))}

### Refuted, wrongly

{_table(claimed, sizes, lambda what, n: _pair(_percent(now[what, n]["refuted"]), before.get((what, n)), "refuted"))}

"mixed - plateau" is a claim about accuracies where {_rates()} of infinitely many seeds would succeed. If all of the
seeds at hand succeed, or all fail, nothing in them tells that others would not: with a rate of .7 six seeds all succeed
in 12 % of cases, and their IQM lies above that of infinitely many. No rule that looks at the seeds alone avoids this;
more seeds do. The rule before judged such claims on success rates as soon as one seed differed from the others.
"""


def _rates() -> str:
    from bench.coverage import SUCCESS_RATES

    return ", ".join(f"{rate:.0%}" for rate in SUCCESS_RATES)


Row = Mapping[str, Any]


def _by_place(rows: Iterable[Row]) -> dict[tuple[str, int], Row]:
    return {(row["what"], row["num_seeds"]): row for row in rows}


def _table(whats: Sequence[str], sizes: Sequence[int], text: Any) -> str:
    lines = [["", *(f"{n} seeds" for n in sizes)], ["---"] * (1 + len(sizes))]
    lines += [[what, *(text(what, n) for n in sizes)] for what in whats]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _pair(text: str, before: Row | None, name: str) -> str:
    if before is None or before[name] is None:
        return text
    return f"{text} ({_points(before[name]) if name == 'width' else _percent(before[name])})"


def _ratio(now: Row, before: Row | None) -> str:
    return "-" if before is None or before["width"] is None else f"{now['width'] / before['width']:.2f}"


def _mixed_before(before: Mapping[tuple[str, int], Row], sizes: Sequence[int]) -> str:
    return _listed([_percent(before["mixed", n]["covered"]) for n in sizes])


def _listed(found: Sequence[Any]) -> str:
    return f"{', '.join(map(str, found[:-1]))} and {found[-1]}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _points(width: float | None) -> str:
    return "-" if width is None else f"{100 * width:.3g}"
