"""Which trials are missing next: pure functions of the sweep file and the records.

prefix_rule.py   what a search proposes, what it prunes and who wins
search.py        one search of one cell
planner.py       both phases over all cells: what is missing next
tally.py         how far the sweep is: done, to resume, to run, failed, no longer asked for
manifest.py      the manifest of a sweep, from the plans of its cells
estimate.py      how long the sweep will take
declarations.py  the claims of a sweep file, and what a change of them adds to the log
claim_checks.py  claims that the sweep's trials can't decide
"""
