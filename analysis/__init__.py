"""What a sweep's records say: estimates with intervals, figures, and verdicts on claims declared before it.

    load.py      manifest and records -> one validated table (a row a wanted trial);  checks.py  what must hold of it
    stats.py     pure functions: arrays and a generator in, frozen dataclass out
    summary.py   every cell's measure trials -> estimates whose intervals share their class draws
    verdicts.py  declared hypotheses -> supported, refuted, saturated or inconclusive
    tables.py    table of cells, gains from step to step
    figures.py   the numbers of a figure (info);  drawing.py, style.py  the picture of them
    report.py    what a person reads: the printed table, verdict.md;  writing.py  the files
    sources.py   a folder, W&B or logs of its runs;  wandb_source.py  the last two
    share.py     what is shown elsewhere as files;  wandb_report.py  a report in W&B
    __main__.py  python -m analysis [COMMAND] SWEEP

It knows `fsm_icl.records` and where records lie: no torch, no Ray.
"""
