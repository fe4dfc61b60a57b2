"""The sweep file that a user writes: its fields, its cells, and what is wrong with it.

spec.py         SweepSpec: what the fields of a sweep file mean
load.py         file + scale + --set -> SweepSpec
yaml.py         YAML as values that remember their lines
scalars.py      YAML 1.2 text as ruamel reads it, and what ruamel gets wrong
invisible.py    characters that can't be seen or look like others
braces.py       values that braces take apart
errors.py       each complaint as one line: file, line, field, what would be right
other_tools.py  forms of W&B, Hydra, Optuna and Ray Tune, and how the same is written here
limits.py       sizes that no machine can hold
cells.py        grid -> cells -> TrialConfigs
content.py      what the trials of one cell have in common
planned.py      a trial that a sweep wants: place, config, pruning rule
rungs.py        where rungs fall within a budget
hypotheses.py   hypotheses, each role resolved to a cell
schema.py       the JSON schema for editors
"""
