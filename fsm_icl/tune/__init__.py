"""RAY: the only wing that imports ray.

command.py    `python -m fsm_icl.tune SWEEP` and `fsm-icl tune SWEEP`
options.py    what the command line says beside the sweep
interruptions.py  Ctrl-C, signals, the time limit: what ends a run early
console.py    where a sweep's lines go
plan.py       the first lines, and --plan
packing.py    what each trial asks of a machine, and how many fit
capacity.py   what there is, here or on a cluster
footprints.py how much of a GPU a trial takes, measured
session.py    Ray for one run       environment.py  the variables that it reads       scratch.py  its folder
watch.py      ends a run whose Ray has died
sweep.py      one Tuner from a sweep and its store
desk.py       what the driver knows while it runs: planner, store, tracker, trials in flight
search.py     Ray's Searcher and Stopper over the desk
trainable.py  Ray's Trainable around one trial
progress.py   the live table
waiting.py    what is said while no machine comes
ended.py      how a run ended, and what is printed then
"""
