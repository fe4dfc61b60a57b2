"""What learns: specs, which are plain data, and the torch modules that they build. Which there are: registry.py.

Specs import no torch, so that a sweep file is checked in milliseconds.
"""
