"""CLUSTERS: what `fsm-icl cluster` and `fsm-icl doctor` do. Only the command line imports it.

command.py       the commands, thin
cluster_file.py  the YAML files of cluster/: reading them, filling their placeholders
safety.py        what makes a cluster file unsafe
doctor.py        what this machine has and lacks
aws.py           what cluster/gpu.yaml needs of an AWS account
aws_account.py   a session with AWS, and its refusals explained
policies.py      what the roles of a cluster may do in the account
undo.py          takes away what was made in the account
request.py       what `submit` is asked to run, checked before it is sent
parcel.py        the code that travels with a job
jobs.py          a sweep as a job on a running cluster
fetch.py         brings results home
teardown.py      ends a cluster, on every machine
ssh.py           enters a machine that a cluster file names
token.py         the secret that every part of a cluster asks for
"""
