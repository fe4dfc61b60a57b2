"""What a trial takes and what hosts offer: CPUs, GPUs, memory.

packing.py     what each trial asks of a host, and how many trials fit
capacity.py    what this host or a cluster has
footprints.py  how much of a GPU a trial takes, measured
"""
