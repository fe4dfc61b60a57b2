"""CLUSTERS: what `fsm-icl cluster` and `fsm-icl doctor` do. No wing imports it.

files.py     the YAML files of cluster/: reading, placeholders          check.py     what makes one unsafe
aws.py       what cluster/gpu.yaml needs of an AWS account               machine.py   what this machine has
account.py   a session with AWS, and its refusals explained              undo.py      what was made, taken away
policies.py  what the roles of a cluster may do                          ssh.py       a machine that a file names
token.py     the secret that every cluster asks for                      home.py      results brought home
asked.py     what submit is asked for, checked before it is sent         code.py      the code that travels
remote.py    a sweep as a job on a running cluster                       down.py      start and end, on every machine
command.py   the commands, thin
"""
