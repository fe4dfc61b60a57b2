"""Predict the next state of a machine from demonstration walks on it.

spec.py       the fields of `task:` in a sweep file
walks.py      walks on machines, laid out as tokens
episodes.py   token batches with their targets: TransitionsStream and evaluation_set
baselines.py  the ladder of fixed in-context strategies, and the ceiling
"""
