"""MANY TRIALS: no ray, no training loop.

yaml_file.py  YAML with line numbers        space.py     SweepSpec: what the fields mean
yaml_text.py  what YAML's library needs     unseen.py    characters that can't be seen
braces.py     values that { } take apart
other_tools.py  forms of W&B, Hydra, Optuna and Ray, and the right one
loading.py    file + scale + --set -> spec  explain.py   errors as one line each
cells.py      grid -> cells -> TrialConfigs limits.py    sizes that no machine can hold
hypotheses.py claims, each role resolved to a cell
protocol.py   propose, cutoffs, winner: pure functions of records
search.py     one search of one cell        planner.py   what is missing next, over all cells
store.py      records, manifest, lock       manifest.py  a cell's entry in the manifest
reading.py    records as the driver reads them, and which folder is a sweep's
shared.py     the folder as every machine has to see it
commit.py     which code this is, for records
tracking.py   the W&B thread                wandb_mode.py   online, offline, and why
wandb_runs.py the trials' runs              wandb_sweep.py  the sweep's own run
wandb_markers.py  what is logged already    wandb_backlog.py  all that W&B has not got, from records too
sync.py       sends logs of runs            sync_diary.py  what W&B refused of them
estimate.py   how long it will take, and how much disk
standing.py   what is done, to run, dropped status.py    how far a sweep is, at once
logs.py       one trial: its end, its log   rerun.py     one trial again, unrecorded
verify.py     do trials come out again?     weights.py   the trained models
schema.py     the JSON schema for editors
"""
