"""Looks at a sweep without changing it: status, logs, replay, verification, weights.

status.py           where a sweep stands, from its manifest and records
trial.py            one trial: how it ended and what it logged
replay.py           one trial again, without a record
verify.py           whether trials come out again
verify_declared.py  whether claims were declared before the first trial ended
weights.py          the trained models
backlog.py          all that W&B has not got of a sweep, made from records where there are no logs
"""
