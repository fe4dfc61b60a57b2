"""Estimates and intervals. Pure: arrays and a generator in, frozen dataclasses out.

estimates.py    IQM, success rate and their intervals, for one cell
resamples.py    a cell's seeds and test classes, drawn again
intervals.py    the one interval rule, and its p-values
contrasts.py    comparisons that need no resamples
survival.py     how many steps until a seed breaks through
search_cost.py  what a search cost and brought
"""
