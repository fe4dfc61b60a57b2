"""A sweep's figures, each as numbers first (info), then drawn.

series.py, answer.py; marks.py, answer_axes.py, answer_drawing.py   capacity, depth, budget or spectrum: the figure
    that answers the sweep's question, its lines and numbers first, then their drawing
learning_curves.py  in_context.py  breakthrough.py  matchings.py  collapse.py   about measure trials
learning_rates.py  best_rates.py  search.py   about search trials;  timeline.py   about both
picture.py   a figure before it is drawn;  panels.py, style.py   how they look;  every.py   all of them
"""
