"""Estimates and intervals. Pure: arrays and a generator in, frozen dataclasses out."""
