"""What a sweep's records say: estimates with intervals, figures, and verdicts on claims declared before it.

Five rooms from top to bottom, and `python -m analysis SWEEP` above them:

    report/      where findings are shown: terminal, page, files, comparison, W&B
    figures/     the numbers of each figure, and the picture of them
    findings/    what a sweep says: cells, searches, gains, verdicts, the answer
    statistics/  estimates and intervals: arrays and a generator in, numbers out
    sources/     where a sweep comes from: a results folder, W&B, logs of W&B runs, a snapshot

It knows only what is kept (`fsm_icl.results`): no torch, no Ray.
"""
