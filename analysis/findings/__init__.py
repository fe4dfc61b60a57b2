"""What a sweep says: cells, searches, gains, verdicts and the answer. All that is computed from records.

findings.py      all of it, computed once: what every reader of a sweep reads
summary.py       each cell's measure trials -> estimates whose intervals share their class draws
searches.py      each cell's search trials -> what the search cost and brought
axis.py          which cells form a line along the sweep's axis
tables.py        tables of cells, gains, verdicts, searches, counts
assessment.py    one declared claim and its cells -> p-values and reasons
evidence.py      how strongly two cells' seeds say that one is better
verdicts.py      all claims, corrected by family -> supported, refuted, saturated, not learnt or inconclusive
conclusion.py    what the verdicts add up to, and what was not tested
declarations.py  when each claim was declared, and what was withdrawn
comparison.py    what changed from one sweep to another, cell by cell
pairs.py         which cells of two sweeps are set beside each other
insights.py      what the source's notebook states, computed from imported runs
settings.py      what is compared, searched and held fixed
sentences.py     tables in words
wording.py       numbers in words
"""
