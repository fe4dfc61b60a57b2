"""What is to be learnt: machines, episodes on them, and what fixed strategies score there.

spec.py       the fields of `task:` in a sweep file
machines.py   random machines, their relabelling-invariant key, the split by it
walks.py      walks on machines, laid out as tokens
episodes.py   token batches with their targets: TrainingStream and evaluation_set
baselines.py  the ladder of fixed in-context strategies, and the ceiling

Everything is a pure function of seeds; nothing here touches a global random state.
"""
