"""A sweep's figures, each as numbers first, then drawn.

registry.py         all figures, in the order of a reader
picture.py          a figure before it is drawn
main_figure.py      the figure that answers the sweep's question: its numbers
main_axes.py        its axes
main_drawing.py     its drawing
marks.py            how cells are drawn where accuracy is the height
learning_curves.py  validation accuracy over training, of measure trials
curve.py            one cell's learning curve, as numbers
in_context.py       accuracy by how much the context has shown
breakthrough.py     how many seeds succeed, and after how many steps
matchings.py        accuracy against parameters, state, operations and time
collapse.py         success against width per entry of the machine's table
learning_rates.py   every proposal of every search
best_rates.py       the best learning rate along the sweep's axis
search.py           what the searches brought and cost
timeline.py         which trial ran where and when
panels.py           what several figures are made of
style.py            one colour, marker and label per architecture
"""
