"""What a sweep's records say: estimates with intervals, figures, and verdicts on claims declared before it.

    load.py      a results folder -> one validated table (a row a wanted trial);  checks.py  what must hold of it
    sources.py   a folder, a snapshot, W&B or logs of its runs;  wandb_source.py  the last two
    snapshot.py  the same, frozen in two files beside the figures;  packing.py  records in little memory

    stats.py  contrasts.py  survival.py  searching.py   pure functions: arrays and a generator in, numbers out
    draws.py  intervals.py   a cell's seeds and test classes drawn again -> the one interval rule and its p-values
    coverage.py  python -m bench.coverage: how often the intervals hold the truth

    summary.py   every cell's measure trials -> estimates whose intervals share their class draws
    searches.py  every cell's search trials -> what the search cost and brought
    evidence.py  how strongly two cells' seeds say that one is better, better seeds not held against it
    findings.py  one declared hypothesis and its cells -> p-values and reasons
    verdicts.py  all of them, corrected by family -> supported, refuted, saturated, not learnt or inconclusive
    declarations.py  when each was declared, and what was withdrawn
    settings.py  what is compared, searched and held fixed
    conclusion.py  what the verdicts add up to, and what was not tested
    tables.py    tables of cells, gains, verdicts, searches, counts;  compare.py  two sweeps, cell by cell
    figures/     the numbers of each figure (info), and the picture of them

    wording.py, describe.py   numbers and tables in words;  report.py  what is printed
    page.py, templates/   report.html, one file that needs no network, and report.md;  writing.py  all files
    share.py     what is shown elsewhere as files;  wandb_report.py  a report and a view in W&B, of wandb_panels.py
    __main__.py  python -m analysis SWEEP

It knows `fsm_icl.results.records` and where records lie: no torch, no Ray.
"""
