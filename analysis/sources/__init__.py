"""Where a sweep comes from: a results folder, W&B, offline W&B logs, a snapshot.

find.py        which source SWEEP, --scale and --results mean
sweep.py       manifest and records -> Sweep, with one validated table
checks.py      what must hold of a sweep
questions.py   which cells of an imported folder answer which question
packing.py     records in a tenth of the memory
snapshot.py    all that an analysis read, frozen in two files
wandb_runs.py  records from W&B runs, or from their logs
"""
