"""A sweep's figures, each as numbers first (info), then drawn.

answer.py, answer_drawing.py   capacity, depth or spectrum: the figure that answers the sweep's question
learning_curves.py  in_context.py  breakthrough.py  matchings.py  collapse.py   about measure trials
learning_rates.py  search.py   about search trials;  timeline.py   about both
picture.py   a figure before it is drawn;  panels.py, style.py   how they look;  every.py   all of them
"""
