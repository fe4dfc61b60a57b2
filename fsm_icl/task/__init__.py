"""WHAT IS LEARNT: machines, episodes on them, and what fixed strategies score there.

    base.py       what a task family provides: TaskSpec, with its batches, evaluation sets, ladder and ceiling
    registry.py   which families there are: one line each
    machines.py   random machines, their relabelling-invariant key, the split by it; for any family
    transitions/  predict the next state from demonstration walks on the same machine

Everything is a pure function of seeds; nothing here touches a global random state.
"""
