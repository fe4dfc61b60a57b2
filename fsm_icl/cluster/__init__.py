"""CLUSTERS: what `fsm-icl cluster` and `fsm-icl doctor` do. No wing imports it.

files.py     the YAML files of cluster/: reading, placeholders          check.py     what makes one unsafe
aws.py       the account that cluster/gpu.yaml needs                     machine.py   what this machine has
token.py     the secret that every cluster asks for                      home.py      results brought home
remote.py    a sweep as a job on a running cluster                       down.py      its end, on every machine
ssh.py       a machine that a file names                                 command.py   the commands, thin
"""
