"""MANY TRIALS: no ray, no training loop.

yaml_file.py  YAML with line numbers        space.py     SweepSpec: what the fields mean
loading.py    file + scale + --set -> spec  cells.py     grid -> cells -> TrialConfigs
protocol.py   propose, cutoffs, winner: pure functions of records
planner.py    what is missing next          estimate.py  how long it will take
store.py      records, manifest, lock       tracking.py  the W&B thread
schema.py     the JSON schema for editors   standing.py  what is done, to run, dropped
status.py     how far a sweep is, at once   logs.py      one trial: its end and its log
rerun.py      one trial again, unrecorded   verify.py    do trials come out again?
weights.py    the trained models
"""
