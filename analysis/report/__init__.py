"""Where findings are shown: terminal, page, files, comparison, publication, W&B.

terminal.py      what is printed
files.py         all that is written into figures/, and what of it W&B is sent
page.py          report.html, one file that needs no network, and report.md
templates/       what page.py fills
escaping.py      words of a sweep file stay words in CSV, HTML and Markdown
comparison.py    two sweeps, cell by cell, as printed
publish.py       a sweep as a page of docs/findings
wandb.py         a report and a workspace view in W&B
wandb_panels.py  the live panels of both
"""
