"""MANY TRIALS, in four rooms from top to bottom; none knows Ray or the training loop.

examine/   looks at a sweep without changing it: status, logs, replay, verification, weights
protocol/  which trials are missing next: pure functions of the sweep file and the records
store/     the locked results folder that one driver writes
file/      the YAML file that a user writes, its cells, and what is wrong with it
"""
