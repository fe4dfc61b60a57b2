"""WHAT IS LEARNT: machines, episodes on them, and what fixed strategies score there.

    machines.py   random machines, their relabelling-invariant key, the split by it
    transitions/  predict the next state from demonstration walks on the same machine

Everything is a pure function of seeds; nothing here touches a global random state.
"""
