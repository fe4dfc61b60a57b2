"""RAY: the only wing that imports ray.

command.py    `python -m fsm_icl.tune SWEEP` and `fsm-icl tune SWEEP`
options.py    what the command line says beside the sweep; time limit and SIGTERM
plan.py       the first lines, and --plan
sweep.py      one Tuner from a sweep and its store
desk.py       what the driver knows while it runs: planner, store, tracker, trials in flight
search.py     Ray's Searcher and Stopper over the desk
trainable.py  Ray's Trainable around one trial
progress.py   the live table
ended.py      how a run ended, and what is printed then
"""
