"""The source project's result files -> a results folder that analysis reads like any other.

command.py   `fsm-icl import`
content.py   a file -> its JSON object
schema.py    what has to stand in a file
formats.py   a file -> the runs in it, or what is wrong with it
naming.py    which architecture and training an experiment's name means
choosing.py  several runs of one pattern -> the most recent one
writing.py   runs -> manifest and records
"""
