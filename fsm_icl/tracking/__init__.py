"""W&B: what is logged of a sweep, where, and how it is sent.

tracker.py       the driver's thread that logs every trial
trial_runs.py    the runs of trials: opened, fed, finished
sweep_run.py     the sweep's own run
encoding.py      a trial as a W&B run, and back
account.py       the one door to wandb: settings, account, errors
mode.py          online or offline, and why
limits.py        the lengths that W&B takes
markers.py       which trials are logged in full
upload.py        sends logs that W&B has not got
upload_diary.py  what `wandb sync` says while it works
offline_logs.py  reads the log that wandb keeps of a run
"""
