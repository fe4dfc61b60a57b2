"""Looks at a sweep without changing it: status, logs, replay, verification, weights."""
