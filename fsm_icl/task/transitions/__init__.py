"""Predict the next state of a machine from demonstration walks on it."""
