"""WHAT IS KEPT: records, manifest, declared claims, and the folder or object store that holds them.

records.py        the types of what is kept: metrics, TrialRecord, Manifest
record_checks.py  what can't be true of a record
claims.py         when each claim was declared
places.py         which cell of a sweep a record belongs to
layout.py         SweepFolder: each path and name in a results folder
lookup.py         which folder SWEEP means in a command
reading.py        reads records and manifest, checked
compact.py        records in little memory
files.py          files on a disk or in an object store
aws_errors.py     what to do about what AWS refuses
"""
