"""MANY TRIALS: no ray, no training loop.

yaml_file.py  YAML with line numbers        space.py     SweepSpec: what the fields mean
loading.py    file + scale + --set -> spec  cells.py     grid -> cells -> TrialConfigs
protocol.py   propose, cutoffs, winner: pure functions of records
planner.py    what is missing next          estimate.py  how long it will take
store.py      records, manifest, lock       tracking.py  the W&B thread
schema.py     the JSON schema for editors
"""
