"""The locked results folder that one driver writes.

store.py         records, manifest and lock of one sweep
own_records.py   records as the driver reads them, and which folder is a sweep's
declarations.py  declarations.json: each version of each claim, dated
lock.py          one driver at a time: the kernel's lock on a disk, an object with a heartbeat at a URI
probe.py         the folder as every machine has to see it
"""
