"""RAY: the only room in which trials meet ray.

command.py        `python -m fsm_icl.tune SWEEP` and `fsm-icl tune SWEEP`
request.py        how a sweep is run: what the command line says beside the sweep file
preview.py        the first lines of a run, and --plan
run.py            one Tuner from a sweep and its store
driver.py         what the driver knows while a sweep runs: planner, store, tracker, trials in flight
searcher.py       Ray's Searcher and Stopper, which ask the driver
trainable.py      Ray's Trainable around one trial
job.py            what travels from the driver to a worker, and comes back
resources/        what a trial takes, and what hosts offer
session.py        Ray for one run: started here, or a cluster that runs already
environment.py    the environment variables that Ray reads
scratch.py        the folder that one run's Ray works in
interruptions.py  Ctrl-C, signals, the time limit: what ends a run early
watch.py          ends a run whose Ray has died
waiting.py        what is said while no machine comes
live_table.py     the live table by cell
console.py        where a sweep's lines go
outcome.py        how a run ended, and what is printed then
"""
